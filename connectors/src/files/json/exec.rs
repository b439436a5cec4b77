//! The plan node that reads JSON lines.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, ScalarValue, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput as _,
};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::mpsc::Sender;
use weir_plan::{Error, Result};

use super::decode::{LineDecoder, Settings};
use super::lines::Lines;
use crate::files::location::shown;
use crate::leaves::{SharedLeaf, share_out};

type DfResult<T> = std::result::Result<T, DataFusionError>;

/// Batches decoded ahead of who takes them.
const BATCHES_AHEAD: usize = 2;

/// Files that `explain` names; of more it tells the number.
const FILES_SHOWN: usize = 5;

/// One file, and the values of the partition columns for all of its rows.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::files) struct JsonFile {
    pub(in crate::files) path: Path,
    pub(in crate::files) partition_values: Vec<ScalarValue>,
}

/// What is read, in a form that travels.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::files) struct JsonScan {
    pub(in crate::files) settings: Settings,
    /// The columns of the files, then those of the partitions.
    pub(in crate::files) schema: SchemaRef,
    /// How many of them are of the files.
    pub(in crate::files) file_columns: usize,
    /// The columns that are asked for.
    pub(in crate::files) projection: Vec<usize>,
    /// The files of each task.
    pub(in crate::files) tasks: Vec<Vec<JsonFile>>,
}

/// Reads JSON lines: each file whole, by one task.
#[derive(Debug)]
pub struct JsonReadExec {
    scan: Arc<JsonScan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl JsonReadExec {
    /// The read of `files` by at most `tasks` tasks.
    pub(in crate::files) fn plan(
        settings: Settings,
        schema: &TableSchema,
        files: Vec<PartitionedFile>,
        projection: Option<&Vec<usize>>,
        tasks: usize,
    ) -> Result<Self> {
        let all = Arc::clone(schema.table_schema());
        let tasks = FileGroup::new(files).split_files(tasks.max(1));
        let tasks = tasks.into_iter().map(|group| {
            let files = group.into_inner().into_iter().map(|file| JsonFile {
                path: file.object_meta.location,
                partition_values: file.partition_values,
            });
            files.collect()
        });
        Self::try_new(JsonScan {
            settings,
            file_columns: schema.file_schema().fields().len(),
            projection: projection
                .cloned()
                .unwrap_or_else(|| (0..all.fields().len()).collect()),
            schema: all,
            tasks: tasks.collect(),
        })
    }

    pub(in crate::files) fn try_new(scan: JsonScan) -> Result<Self> {
        let schema = project_schema(&scan.schema, Some(&scan.projection))?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(scan.tasks.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            scan: Arc::new(scan),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    pub(in crate::files) fn scan(&self) -> &JsonScan {
        &self.scan
    }
}

impl SharedLeaf for JsonReadExec {
    fn parts(&self) -> usize {
        self.scan.tasks.iter().flatten().count()
    }

    fn share(&self, tasks: usize) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let files = self.scan.tasks.iter().flatten().cloned();
        // Their sizes are not known here.
        share_out(files, |_| 1, tasks, self.scan.tasks.len())
            .into_iter()
            .map(|tasks| {
                let scan = JsonScan {
                    tasks,
                    ..self.scan.as_ref().clone()
                };
                Ok(Arc::new(Self::try_new(scan)?) as Arc<dyn ExecutionPlan>)
            })
            .collect()
    }
}

impl DisplayAs for JsonReadExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<&JsonFile> = self.scan.tasks.iter().flatten().collect();
        let named: Vec<String> = files
            .iter()
            .take(FILES_SHOWN)
            .map(|file| shown(&file.path))
            .collect();
        let more = match files.len().saturating_sub(FILES_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let columns: Vec<&str> = self
            .scan
            .projection
            .iter()
            .map(|index| self.scan.schema.field(*index).name().as_str())
            .collect();
        let (count, tasks, mode) = (
            files.len(),
            self.scan.tasks.len(),
            self.scan.settings.mode.as_str(),
        );
        let (named, columns) = (named.join(", "), columns.join(", "));
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => write!(
                f,
                "JsonReadExec: tasks={tasks}, mode={mode}, columns=[{columns}], files={count} \
                 [{named}{more}]"
            ),
            DisplayFormatType::TreeRender => write!(f, "tasks={tasks}\nfiles={count}"),
        }
    }
}

impl ExecutionPlan for JsonReadExec {
    fn name(&self) -> &'static str {
        "JsonReadExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            Err(Error::internal("a read of JSON files has no inputs").into())
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        if partition >= self.scan.tasks.len() {
            let tasks = self.scan.tasks.len();
            return Err(Error::internal(format!(
                "task {partition} of a read of JSON files with {tasks} tasks was asked for"
            ))
            .into());
        }
        let store = context
            .runtime_env()
            .object_store(ObjectStoreUrl::local_filesystem())?;
        let task = Task {
            scan: Arc::clone(&self.scan),
            schema: self.schema(),
            store,
            batch_rows: context.session_config().batch_size(),
            baseline: BaselineMetrics::new(&self.metrics, partition),
        };
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema(), BATCHES_AHEAD);
        let rows = stream.tx();
        stream.spawn(async move { Ok(task.run(partition, &rows).await?) });
        Ok(stream.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Task {
    scan: Arc<JsonScan>,
    schema: SchemaRef,
    store: Arc<dyn ObjectStore>,
    batch_rows: usize,
    baseline: BaselineMetrics,
}

impl Task {
    async fn run(&self, partition: usize, rows: &Sender<DfResult<RecordBatch>>) -> Result<()> {
        let asked: Vec<usize> = self.scan.projection.clone();
        let in_file = |index: &&usize| **index < self.scan.file_columns;
        let wanted: Vec<FieldRef> = asked
            .iter()
            .filter(in_file)
            .map(|index| Arc::clone(&self.scan.schema.fields()[*index]))
            .collect();
        let wanted = Arc::new(Schema::new(wanted));
        for file in &self.scan.tasks[partition] {
            let decoder = LineDecoder::new(
                self.scan.settings.clone(),
                file.path.clone(),
                Arc::clone(&wanted),
                self.batch_rows,
            );
            let mut lines = Lines::open(&self.store, &file.path).await?;
            while let Some(block) = lines.next().await? {
                let timer = self.baseline.elapsed_compute().timer();
                let batches = decoder.decode(&block)?;
                timer.done();
                for batch in batches {
                    let batch = self
                        .with_partitions(&batch, file)?
                        .record_output(&self.baseline);
                    if rows.send(Ok(batch)).await.is_err() {
                        // Nobody takes more rows: a limit was reached.
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn with_partitions(&self, batch: &RecordBatch, file: &JsonFile) -> Result<RecordBatch> {
        let mut of_file = batch.columns().iter();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.scan.projection.len());
        for index in &self.scan.projection {
            let column = match index.checked_sub(self.scan.file_columns) {
                None => of_file.next().cloned(),
                Some(partition) => match file.partition_values.get(partition) {
                    Some(value) => Some(value.to_array_of_size(batch.num_rows())?),
                    None => None,
                },
            };
            columns.push(column.ok_or_else(|| {
                Error::internal(format!(
                    "column {index} of {} is not there",
                    shown(&file.path)
                ))
            })?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal("rows of JSON cannot be built").with_source(error))
    }
}
