//! Small partitions put together while they run, before they are written: fewer files, each of them larger.
//!
//! How large a partition is shows when its rows come. Each is held back until it has enough; one that ends before leaves what it has to the
//! partition of its task that ends last, which passes it on after its own rows.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DataFusionError, Statistics};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode,
};
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    ExecutionPlanProperties as _, PlanProperties, ReplaceChildrenOptions,
};
use futures::Stream;
use prost::Message;
use weir_proto::nodes::SmallPartitionsNode;

use super::coalesce::CoalesceExec;
use super::exec::PartitionsExec;
use crate::codec::NodeCodec;
use crate::error::{Error, Result};
use crate::estimate::batch_bytes;
use crate::manifest::manifest_schema;
use crate::one_input::{one_input, properties_over, statistics_of_whole_input};
use crate::write_node::only_input;

/// Which partitions are small: an extension of a session's configuration. Without it, they stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmallPartitions {
    /// Those of fewer bytes.
    pub below_bytes: u64,
}

/// `plan`, which is optimized: what it writes after an exchange has no small partitions. Partitions that the user asked for stay, and so do rows in
/// order.
///
/// # Errors
/// DataFusion's, when a node cannot be made again.
pub(crate) fn without_small(
    plan: Arc<dyn ExecutionPlan>,
    small: SmallPartitions,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let plan = plan.transform_up(|plan| {
        let inputs = plan.children();
        let [input] = inputs.as_slice() else {
            return Ok(Transformed::no(plan));
        };
        let writes = plan.schema() == manifest_schema() && input.schema() != manifest_schema();
        let has = input.output_partitioning().partition_count();
        let wanted = writes && has > 1 && input.output_ordering().is_none() && is_exchanged(input);
        if !wanted {
            return Ok(Transformed::no(plan));
        }
        let together = SmallPartitionsExec::new(small.below_bytes, Arc::clone(input));
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let plan = Arc::clone(&plan).replace_children(vec![Arc::new(together)], options)?;
        Ok(Transformed::yes(plan))
    })?;
    Ok(plan.data)
}

/// Whether the partitions of `plan` are those of exchanges that the planner chose.
fn is_exchanged(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if plan.is::<PartitionsExec>() || plan.is::<CoalesceExec>() {
        return false;
    }
    if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
        return matches!(exchange.partitioning(), Partitioning::Hash(..));
    }
    let inputs = plan.children();
    // The side that a join collects gives it no partitions, and neither do subqueries, which come after the input.
    let collects = plan.downcast_ref::<HashJoinExec>().map_or(
        plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>(),
        |join| *join.partition_mode() == PartitionMode::CollectLeft,
    );
    match inputs.as_slice() {
        [] => false,
        [_, probed] if collects => is_exchanged(probed),
        [input, ..] if plan.is::<ScalarSubqueryExec>() => is_exchanged(input),
        inputs => inputs.iter().all(|input| is_exchanged(input)),
    }
}

/// The rows of its input, those of small partitions together in the one that ends last. It counts them: `merged_partitions`.
#[derive(Debug)]
struct SmallPartitionsExec {
    below_bytes: u64,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    left: Arc<Mutex<Left>>,
    metrics: ExecutionPlanMetricsSet,
}

/// What the partitions of a task have in common.
#[derive(Debug)]
struct Left {
    /// Partitions that have not ended.
    open: usize,
    /// The rows of those that ended too early.
    batches: VecDeque<RecordBatch>,
}

impl SmallPartitionsExec {
    fn new(below_bytes: u64, input: Arc<dyn ExecutionPlan>) -> Self {
        let partitions = input.output_partitioning().partition_count();
        let properties = properties_over(&input, input.schema(), partitions);
        Self {
            below_bytes,
            input,
            properties,
            left: Arc::new(Mutex::new(Left {
                open: partitions,
                batches: VecDeque::new(),
            })),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Ok(Self::new(self.below_bytes, input))
    }
}

impl DisplayAs for SmallPartitionsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SmallPartitionsExec: those below {} bytes together",
            self.below_bytes
        )
    }
}

impl ExecutionPlan for SmallPartitionsExec {
    one_input!("SmallPartitionsExec");

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    // What is left is counted anew.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(Arc::new(self.with_input(Arc::clone(&self.input))?))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        Ok(Box::pin(Held {
            input: self.input.execute(partition, context)?,
            below_bytes: self.below_bytes,
            phase: Phase::Holding { bytes: 0 },
            batches: VecDeque::new(),
            left: Arc::clone(&self.left),
            merged: MetricBuilder::new(&self.metrics).counter("merged_partitions", partition),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
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

/// The rows of one partition.
struct Held {
    input: SendableRecordBatchStream,
    below_bytes: u64,
    phase: Phase,
    /// To be passed on, or held back.
    batches: VecDeque<RecordBatch>,
    left: Arc<Mutex<Left>>,
    merged: Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There are not enough of them yet.
    Holding {
        bytes: u64,
    },
    Passing,
    Ended,
}

impl Held {
    /// Leaves what is held back to the last partition; as the last, takes what others have left.
    fn end(&mut self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.open = left.open.saturating_sub(1);
        if left.open == 0 {
            self.batches.append(&mut left.batches);
        } else if matches!(self.phase, Phase::Holding { .. }) && !self.batches.is_empty() {
            left.batches.append(&mut self.batches);
            self.merged.add(1);
        }
        self.phase = Phase::Ended;
    }
}

impl Stream for Held {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let held = &mut *self;
        loop {
            if !matches!(held.phase, Phase::Holding { .. })
                && let Some(batch) = held.batches.pop_front()
            {
                return Poll::Ready(Some(Ok(batch)));
            }
            if held.phase == Phase::Ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut held.input).poll_next(context)) {
                Some(Ok(batch)) => {
                    if let Phase::Holding { bytes } = &mut held.phase {
                        *bytes += batch_bytes(&batch);
                        if *bytes >= held.below_bytes {
                            held.phase = Phase::Passing;
                        }
                    }
                    held.batches.push_back(batch);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => held.end(),
            }
        }
    }
}

impl RecordBatchStream for Held {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

/// Encodes and decodes `SmallPartitionsExec`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SmallPartitionsCodec;

impl NodeCodec for SmallPartitionsCodec {
    fn name(&self) -> &'static str {
        "SmallPartitionsExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let exec = node.downcast_ref::<SmallPartitionsExec>();
        let message = exec.map(|exec| SmallPartitionsNode {
            below_bytes: exec.below_bytes,
        });
        Ok(message.map(|message| message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let node = SmallPartitionsNode::decode(payload).map_err(|error| {
            Error::internal("a node of small partitions is damaged").with_source(error)
        })?;
        Ok(Arc::new(SmallPartitionsExec::new(node.below_bytes, input)))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray as _, Int64Array};
    use arrow::datatypes::Int64Type;
    use datafusion::datasource::memory::MemorySourceConfig;
    use futures::TryStreamExt as _;

    use super::*;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let numbers = Int64Array::from_iter_values(numbers);
        RecordBatch::try_from_iter([("n", Arc::new(numbers) as _)]).unwrap()
    }

    /// How many rows each partition gives, run in the order of `turns`, and their sum.
    async fn rows(below_bytes: u64, turns: &[usize]) -> (Vec<usize>, i64) {
        let partitions = [
            vec![batch(0..10), batch(10..20)],
            vec![batch(20..23)],
            vec![],
            vec![batch(23..30)],
        ];
        let schema = batch(0..0).schema();
        let input = MemorySourceConfig::try_new_exec(&partitions, schema, None).unwrap();
        let exec = SmallPartitionsExec::new(below_bytes, input);
        let (mut counts, mut sum) = (vec![0; partitions.len()], 0);
        for turn in turns {
            let rows = exec.execute(*turn, Arc::default()).unwrap();
            let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
            counts[*turn] = rows.iter().map(RecordBatch::num_rows).sum();
            let numbers = rows
                .iter()
                .map(|batch| batch.column(0).as_primitive::<Int64Type>());
            sum += numbers
                .flat_map(|numbers| numbers.values().to_vec())
                .sum::<i64>();
        }
        (counts, sum)
    }

    #[tokio::test]
    async fn rows_of_small_partitions_leave_by_the_one_that_ends_last() {
        let sum = (0..30).sum();
        // Of eight bytes each: the first is large.
        assert_eq!(rows(100, &[0, 1, 2, 3]).await, (vec![20, 0, 0, 10], sum));
        assert_eq!(rows(100, &[3, 2, 1, 0]).await, (vec![30, 0, 0, 0], sum));
        assert_eq!(rows(100, &[1, 3, 0, 2]).await, (vec![20, 0, 10, 0], sum));
        assert_eq!(rows(1 << 20, &[0, 1, 2, 3]).await, (vec![0, 0, 0, 30], sum));
        assert_eq!(rows(0, &[0, 1, 2, 3]).await, (vec![20, 3, 0, 7], sum));
    }
}
