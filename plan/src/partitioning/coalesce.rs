//! Partitions put together, without an exchange.

use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::Statistics;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
};
use futures::stream::select_all;
use prost::Message;
use weir_proto::nodes::CoalesceNode;

use crate::codec::NodeCodec;
use crate::error::{Error, Result};
use crate::one_input::{one_input, properties_over, statistics_of_whole_input};
use crate::write_node::only_input;

/// The rows of its input in no more partitions than it is asked for, in all tasks of its stage together. What is below runs in as few.
#[derive(Debug)]
pub struct CoalesceExec {
    partitions: usize,
    /// Those of one task, at most.
    each: usize,
    /// Whether other tasks have more.
    shared: bool,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl CoalesceExec {
    pub(super) fn new(
        partitions: usize,
        each: usize,
        shared: bool,
        input: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let has = input.output_partitioning().partition_count();
        let each = each.min(has);
        let declared = each.max(if shared { 2 } else { 1 });
        let properties = properties_over(&input, input.schema(), declared);
        Self {
            partitions,
            each,
            shared,
            input,
            properties,
        }
    }

    /// How many there are, in all tasks, at most.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Ok(Self::new(self.partitions, self.each, self.shared, input))
    }
}

impl DisplayAs for CoalesceExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoalesceExec: at most {}", self.partitions)
    }
}

impl ExecutionPlan for CoalesceExec {
    one_input!("CoalesceExec");

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let has = self.input.output_partitioning().partition_count();
        let parts = (partition..has).step_by(self.each.max(1));
        // One that is only declared is empty.
        let parts = parts.filter(|_| partition < self.each);
        let parts = parts.map(|part| self.input.execute(part, Arc::clone(&context)));
        let rows = select_all(parts.collect::<Result<Vec<_>, _>>()?);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn child_stats_requests(&self, _partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(None)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>, DataFusionError> {
        Ok(statistics_of_whole_input(inputs, args, &self.schema()))
    }
}

/// Encodes and decodes [`CoalesceExec`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CoalesceCodec;

impl NodeCodec for CoalesceCodec {
    fn name(&self) -> &'static str {
        "CoalesceExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let exec = node.downcast_ref::<CoalesceExec>();
        let message = exec.map(|exec| CoalesceNode {
            partitions: exec.partitions as u64,
            each: exec.each as u64,
            shared: exec.shared,
        });
        Ok(message.map(|message| message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let damaged = || Error::internal("a node of partitions is damaged");
        let node = CoalesceNode::decode(payload).map_err(|error| damaged().with_source(error))?;
        let number = |number: u64| usize::try_from(number).map_err(|_| damaged());
        let (partitions, each) = (number(node.partitions)?, number(node.each)?.max(1));
        Ok(Arc::new(CoalesceExec::new(
            partitions,
            each,
            node.shared,
            input,
        )))
    }
}
