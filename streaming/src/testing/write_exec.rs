//! The write step's plan node: a partition of the input becomes one file, or none if it is empty.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, common,
};
use uuid::Uuid;
use weir_plan::dead_letters::{CheckCounts, Diversion};
use weir_plan::manifest::{ManifestEntry, WritePlace, diverted_batch, manifest_batch};
use weir_plan::write_node::{manifest_stream, only_input, write_properties};

use super::sink::Files;

#[derive(Debug)]
pub(super) struct MemoryWriteExec {
    files: Files,
    diversion: Option<Diversion>,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl MemoryWriteExec {
    pub(super) fn new(
        files: Files,
        diversion: Option<Diversion>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Self {
        Self {
            files,
            diversion,
            properties: write_properties(&input),
            input,
        }
    }
}

impl DisplayAs for MemoryWriteExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryWriteExec")
    }
}

impl ExecutionPlan for MemoryWriteExec {
    fn name(&self) -> &'static str {
        "MemoryWriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let input = only_input(self.name(), &children)?;
        let (files, diversion) = (Arc::clone(&self.files), self.diversion.clone());
        Ok(Arc::new(Self::new(files, diversion, input)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        use datafusion::physical_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(Recompute))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let partitions = self.properties().partitioning.partition_count();
        let place = WritePlace::new(partition, partitions, &context)?;
        let input = self.input.execute(partition, context)?;
        let (files, schema) = (Arc::clone(&self.files), self.input.schema());
        let diversion = self.diversion.clone();
        let write = async move {
            let batches = common::collect(input).await?;
            let rows = concat_batches(&schema, &batches).map_err(DataFusionError::from)?;
            let attempt = Uuid::new_v4().to_string();
            let Some(diversion) = diversion else {
                return manifest_batch(place, &attempt, &keep(&files, Some(rows)));
            };
            let mut counts = CheckCounts::default();
            let sorted = diversion.sort(rows, &mut counts)?;
            let rows = keep(&files, Some(sorted.rows));
            let letters = keep(&files, sorted.letters);
            diverted_batch(place, &attempt, &rows, &letters, &counts)
        };
        Ok(manifest_stream(write))
    }
}

/// `rows` as a file, unless there are none.
fn keep(files: &Files, rows: Option<RecordBatch>) -> Vec<ManifestEntry> {
    let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) else {
        return Vec::new();
    };
    let entry = ManifestEntry {
        file: Uuid::new_v4().to_string(),
        rows: rows.num_rows() as u64,
        bytes: rows.get_array_memory_size() as u64,
    };
    files.lock().unwrap().insert(entry.file.clone(), rows);
    vec![entry]
}
