//! The node that stands for an exchange while the plan is optimized, and what it becomes.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DataFusionError, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    ExecutionPlanProperties as _, PlanProperties, ReplaceChildrenOptions,
};

use super::exec::PartitionsExec;
use super::slot::SlotExec;
use crate::error::{Error, Result};
use crate::one_input::{one_input, properties_over};

/// Its input in other partitions. It does not run: [`exchanged`] puts an exchange in its place.
#[derive(Debug)]
pub(super) struct RepartitionedExec {
    /// All of them.
    partitions: usize,
    /// Those of one task.
    each: usize,
    /// Whether a row's partition is in the last column of the input; else rows take turns.
    numbered: bool,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl RepartitionedExec {
    pub(super) fn try_new(
        partitions: usize,
        each: usize,
        numbered: bool,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let schema = match numbered {
            true => without_last(&input.schema())?,
            false => input.schema(),
        };
        let properties = properties_over(&input, schema, each);
        Ok(Self {
            partitions,
            each,
            numbered,
            input,
            properties,
        })
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Self::try_new(self.partitions, self.each, self.numbered, input)
    }

    fn to_exchange(&self) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let each = self.each;
        let input = Arc::clone(&self.input);
        let slots = SlotExec::try_new(self.partitions, each, each, self.numbered, input)?;
        let schema = slots.schema();
        let last = schema.fields().len() - 1;
        let slot = Column::new(schema.field(last).name(), last);
        let by = Partitioning::Hash(vec![Arc::new(slot)], each);
        let exchange = RepartitionExec::try_new(Arc::new(slots), by)?;
        let partitions = PartitionsExec::try_new(self.partitions, Arc::new(exchange))?;
        Ok(Arc::new(partitions))
    }
}

/// `schema` but for its last column.
pub(super) fn without_last(schema: &SchemaRef) -> Result<SchemaRef> {
    let Some((_, fields)) = schema.fields().split_last() else {
        return Err(Error::internal("a slot is a column, and there is none"));
    };
    let metadata = schema.metadata().clone();
    Ok(Arc::new(Schema::new_with_metadata(
        fields.to_vec(),
        metadata,
    )))
}

/// `plan`, which is optimized, with its exchanges.
pub(crate) fn exchanged(
    plan: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let plan = plan.transform_up(|plan| match plan.downcast_ref::<RepartitionedExec>() {
        Some(node) => node.to_exchange().map(Transformed::yes),
        None => Ok(Transformed::no(plan)),
    })?;
    Ok(plan.data)
}

/// If `plan` is an exchange by slots: with those for the partitions that it has by now.
///
/// # Errors
/// DataFusion's, when the exchange cannot be made again.
pub fn fit_slots(
    plan: Arc<dyn ExecutionPlan>,
) -> Result<Transformed<Arc<dyn ExecutionPlan>>, DataFusionError> {
    let exchange = plan.downcast_ref::<RepartitionExec>();
    let slots = exchange.and_then(|exchange| exchange.input().downcast_ref::<SlotExec>());
    let Some(slots) = slots else {
        return Ok(Transformed::no(plan));
    };
    let total = plan.output_partitioning().partition_count();
    let slots: Arc<dyn ExecutionPlan> = Arc::new(slots.of_total(total)?);
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    let fitted = plan.replace_children(vec![slots], options)?;
    Ok(Transformed::yes(fitted))
}

impl DisplayAs for RepartitionedExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepartitionedExec: {} partitions", self.partitions)
    }
}

impl ExecutionPlan for RepartitionedExec {
    one_input!("RepartitionedExec");

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        Err(Error::internal("rows are to be repartitioned, and there is no exchange").into())
    }

    fn child_stats_requests(&self, _partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(None)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>, DataFusionError> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let (Some(input), None) = (inputs.first(), args.partition()) {
            statistics.num_rows = input.num_rows;
            statistics.total_byte_size = input.total_byte_size;
            let columns = self.schema().fields().len();
            if let Some(of_columns) = input.column_statistics.get(..columns) {
                statistics.column_statistics = of_columns.to_vec();
            }
        }
        Ok(Arc::new(statistics))
    }
}
