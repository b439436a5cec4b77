//! The write step's plan node.

use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{Distribution, PhysicalExpr};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
    ReplaceChildrenOptions,
};
use weir_plan::Result;
use weir_plan::dead_letters::rows_schema;
use weir_plan::manifest::WritePlace;
use weir_plan::write_node::{manifest_stream, only_input, write_properties};

use super::normalize::Normalizer;
use super::open_files::FileLayout;
use super::row_check::RowCheck;
use super::spec::WriteSpec;
use super::task::{Output, Sorting, WriteTask};
use crate::write_metrics::{SortingMetrics, TaskMetrics};

/// Writes each partition of its input as data files of a Delta table, and returns one row per file.
///
/// ```text
///  partition 0: batches ─▶ files of the table ─▶ | 0 | attempt | {"add": ..} | rows | bytes |
///  partition 1: batches ─▶ (no rows)          ─▶ | 1 | attempt | null        | 0    | 0     |
/// ```
///
/// Nothing it writes is part of the table before the files are committed. Every execution of a
/// partition is an attempt of its own, under file names no other has.
#[derive(Debug)]
pub struct DeltaWriteExec {
    spec: Arc<WriteSpec>,
    input: Arc<dyn ExecutionPlan>,
    normalizer: Normalizer,
    layout: FileLayout,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DeltaWriteExec {
    pub(super) fn try_new(spec: Arc<WriteSpec>, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        let schema = spec.arrow_schema()?;
        let rows = match (&spec.row_check, &spec.diversion) {
            (None, None) => input.schema(),
            (Some(_), _) => Arc::new(RowCheck::rows_of(&input.schema())?),
            (None, Some(_)) => Arc::new(rows_schema(&input.schema())?),
        };
        let normalizer = Normalizer::try_new(&rows, Arc::clone(&schema), &spec.partition_by)?;
        Ok(Self {
            layout: spec.file_layout(&schema),
            spec,
            properties: write_properties(&input),
            input,
            normalizer,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    pub(super) fn spec(&self) -> &WriteSpec {
        &self.spec
    }

    /// For plans, what is done to few writes.
    fn more(&self) -> String {
        match (&self.spec.row_check, &self.spec.diversion) {
            (None, None) => String::new(),
            (Some(check), _) => format!(", {}", check.described()),
            (None, Some(diverting)) => {
                let rules = diverting
                    .diversion
                    .rules
                    .iter()
                    .map(|rule| rule.name.as_str());
                let rules = rules.collect::<Vec<_>>().join(", ");
                match &diverting.letters {
                    Some(letters) => format!(", rules=[{rules}], dead_letters={}", letters.url),
                    None => format!(", rules=[{rules}]"),
                }
            }
        }
    }

    /// The partition columns as expressions over the input.
    fn partition_keys(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        let schema = self.input.schema();
        self.normalizer
            .input_indices(&self.spec.partition_by)
            .into_iter()
            .map(|index| Arc::new(Column::new(schema.field(index).name(), index)) as _)
            .collect()
    }
}

impl DisplayAs for DeltaWriteExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.spec.partition_by.join(", ");
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => write!(
                f,
                "DeltaWriteExec: table={}, partition_by=[{columns}], target_file_size_bytes={}, \
                 compression={}{}",
                self.spec.url,
                self.spec.target_file_size_bytes,
                self.spec.codec.as_str(),
                self.more()
            ),
            DisplayFormatType::TreeRender => {
                write!(f, "table={}\npartition_by=[{columns}]", self.spec.url)
            }
        }
    }
}

impl ExecutionPlan for DeltaWriteExec {
    fn name(&self) -> &'static str {
        "DeltaWriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let keys = self.partition_keys();
        let distribution = if self.spec.hash_by_partition && !keys.is_empty() {
            Distribution::KeyPartitioned(keys)
        } else {
            Distribution::UnspecifiedDistribution
        };
        InputDistributionRequirements::new(vec![distribution])
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
        let place = WritePlace::new(partition, partitions, &context)?;
        let metrics = TaskMetrics::new(&self.metrics, partition);
        let runtime = context.runtime_env();
        let rows = Output::try_new(
            Arc::clone(&self.spec),
            self.layout.clone(),
            self.normalizer.clone(),
            place,
            metrics,
            &runtime,
        )?;
        let sorting = match &self.spec.diversion {
            None => None,
            Some(diverting) => {
                let metrics = SortingMetrics::new(&self.metrics, partition);
                Some(Sorting::try_new(diverting, place, metrics, &runtime)?)
            }
        };
        let task = WriteTask::new(rows, sorting, place);
        let input = self.input.execute(partition, context)?;
        Ok(manifest_stream(task.run(input)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
