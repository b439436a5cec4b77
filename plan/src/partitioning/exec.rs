//! The rows of an exchange by slots, without the slots.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
};
use futures::StreamExt as _;
use prost::Message;
use weir_proto::nodes::PartitionsNode;

use super::exchange::without_last;
use crate::codec::NodeCodec;
use crate::error::{Error, Result};
use crate::one_input::{one_input, properties_over};
use crate::write_node::only_input;

/// The rows of its input without the last column, in partitions that all tasks of its stage have together.
#[derive(Debug)]
pub struct PartitionsExec {
    partitions: usize,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl PartitionsExec {
    pub(super) fn try_new(partitions: usize, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        let properties = properties_over(
            &input,
            without_last(&input.schema())?,
            input.output_partitioning().partition_count(),
        );
        Ok(Self {
            partitions,
            input,
            properties,
        })
    }

    /// How many there are with rows in them, in all tasks.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Self::try_new(self.partitions, input)
    }
}

impl DisplayAs for PartitionsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionsExec: {}", self.partitions)
    }
}

impl ExecutionPlan for PartitionsExec {
    one_input!("PartitionsExec");

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let schema = self.schema();
        let kept: Vec<usize> = (0..schema.fields().len()).collect();
        let rows = self.input.execute(partition, context)?;
        let rows = rows.map(move |batch| {
            let batch: RecordBatch = batch?;
            Ok(batch.project(&kept)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// Encodes and decodes [`PartitionsExec`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PartitionsCodec;

impl NodeCodec for PartitionsCodec {
    fn name(&self) -> &'static str {
        "PartitionsExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let exec = node.downcast_ref::<PartitionsExec>();
        let message = exec.map(|exec| PartitionsNode {
            partitions: exec.partitions as u64,
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
        let node = PartitionsNode::decode(payload).map_err(|error| damaged().with_source(error))?;
        let partitions = usize::try_from(node.partitions).map_err(|_| damaged())?;
        Ok(Arc::new(PartitionsExec::try_new(partitions, input)?))
    }
}
