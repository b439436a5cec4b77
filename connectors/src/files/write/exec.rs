//! The write step's plan node.

use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use weir_plan::Result;
use weir_plan::manifest::WritePlace;
use weir_plan::write_node::{manifest_stream, only_input, write_properties};

use super::spec::WriteSpec;
use super::task::WriteTask;
use crate::files::normalize::Normalizer;
use crate::write_metrics::TaskMetrics;

/// Writes each partition of its input as files below `_temporary/<job>/<attempt>` of a directory, and
/// returns one row per file.
///
/// ```text
///  partition 0: batches ─▶ files ─────▶ | 0 | attempt | {"attempt": .., "path": ..} | rows | bytes |
///  partition 1: batches ─▶ (no rows) ─▶ | 1 | attempt | null                        | 0    | 0     |
/// ```
///
/// Nothing it writes is read by anyone before the files are committed. Every execution of a partition
/// is an attempt of its own, in a directory no other has.
#[derive(Debug)]
pub struct FilesWriteExec {
    spec: Arc<WriteSpec>,
    input: Arc<dyn ExecutionPlan>,
    normalizer: Normalizer,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FilesWriteExec {
    pub(in crate::files) fn try_new(
        spec: Arc<WriteSpec>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let normalizer = Normalizer::try_new(spec.format, &input.schema(), &spec.partition_by)?;
        Ok(Self {
            spec,
            properties: write_properties(&input),
            input,
            normalizer,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    pub(in crate::files) fn spec(&self) -> &WriteSpec {
        &self.spec
    }
}

impl DisplayAs for FilesWriteExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.spec.partition_by.join(", ");
        let place = self.spec.root.display();
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => write!(
                f,
                "FilesWriteExec: format={}, path={place}, partition_by=[{columns}], compression={}",
                self.spec.format.as_str(),
                self.spec.options.codec.as_str()
            ),
            DisplayFormatType::TreeRender => write!(f, "path={place}\npartition_by=[{columns}]"),
        }
    }
}

impl ExecutionPlan for FilesWriteExec {
    fn name(&self) -> &'static str {
        "FilesWriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    // More tasks would only make more and smaller files.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
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
        Ok(Arc::new(Self::try_new(Arc::clone(&self.spec), input)?))
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
        let partitions = self.properties.partitioning.partition_count();
        let url = ObjectStoreUrl::local_filesystem();
        let task = WriteTask::new(
            Arc::clone(&self.spec),
            self.normalizer.clone(),
            WritePlace::new(partition, partitions, &context)?,
            TaskMetrics::new(&self.metrics, partition),
            context.runtime_env().object_store(url)?,
            context.memory_pool(),
        );
        let input = self.input.execute(partition, context)?;
        Ok(manifest_stream(task.run(input)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
