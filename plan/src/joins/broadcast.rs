//! The node that ends a query whose broadcast side is larger than was thought, before it fills the memory of those it is sent to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::filter_pushdown::{FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::TryStreamExt as _;
use prost::Message;
use weir_proto::nodes::BroadcastLimitNode;

use crate::codec::NodeCodec;
use crate::error::{Error, ErrorKind, Result, causes};
use crate::estimate::batch_bytes;
use crate::one_input::{one_input, same_rows};
use crate::settings::BROADCAST_LIMIT;
use crate::write_node::only_input;

/// Of the rows that a join may broadcast: an extension of a session's configuration. Without it, there is no limit.
#[derive(Debug, Clone, Copy)]
pub struct BroadcastLimit {
    /// From each task that sends them.
    pub bytes: u64,
}

/// Nothing is broadcast, whatever hints say, where another way exists: an extension of a session's configuration.
#[derive(Debug, Clone, Copy)]
pub struct NoBroadcasts;

/// What an error says that a [`BroadcastLimit`] was passed: it arrives from executors as text.
const TOO_LARGE: &str = "the side of a join that was to be broadcast is larger than";

/// Whether `error` says that a side to broadcast was larger than [`BroadcastLimit`].
#[must_use]
pub fn is_broadcast_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| cause.to_string().contains(TOO_LARGE))
}

/// Passes the rows of its input, and fails when they are more than `limit` bytes.
#[derive(Debug)]
pub(super) struct BroadcastLimitExec {
    limit: u64,
    input: Arc<dyn ExecutionPlan>,
    /// Of all partitions that run in this process.
    passed: Arc<AtomicU64>,
}

impl BroadcastLimitExec {
    pub(super) fn new(limit: u64, input: Arc<dyn ExecutionPlan>) -> Self {
        Self {
            limit,
            input,
            passed: Arc::default(),
        }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Ok(Self::new(self.limit, input))
    }
}

impl DisplayAs for BroadcastLimitExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BroadcastLimitExec: {} bytes", self.limit)
    }
}

impl ExecutionPlan for BroadcastLimitExec {
    one_input!("BroadcastLimitExec");
    same_rows!();

    // Counted anew.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(Arc::new(Self::new(self.limit, Arc::clone(&self.input))))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let (limit, passed) = (self.limit, Arc::clone(&self.passed));
        let rows = self.input.execute(partition, context)?;
        let counted = rows.and_then(move |batch| {
            let bytes = batch_bytes(&batch);
            let so_far = passed.fetch_add(bytes, Ordering::Relaxed) + bytes;
            std::future::ready(match so_far > limit {
                true => Err(too_large(limit).into()),
                false => Ok(batch),
            })
        });
        let stream = RecordBatchStreamAdapter::new(self.schema(), counted);
        Ok(Box::pin(stream))
    }

    // It is in the way of nothing.
    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription, DataFusionError> {
        FilterDescription::from_children(parent_filters, &self.children())
    }
}

fn too_large(limit: u64) -> Error {
    Error::new(
        ErrorKind::ResourcesExhausted,
        format!(
            "{TOO_LARGE} {} = {limit} bytes: shuffle it (hint \"shuffle_hash\" or \"merge\"), or raise the setting",
            BROADCAST_LIMIT.key
        ),
    )
}

/// Encodes and decodes `BroadcastLimitExec`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BroadcastLimitCodec;

impl NodeCodec for BroadcastLimitCodec {
    fn name(&self) -> &'static str {
        "BroadcastLimitExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let exec = node.downcast_ref::<BroadcastLimitExec>();
        let message = exec.map(|exec| BroadcastLimitNode { limit: exec.limit });
        Ok(message.map(|message| message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let node = BroadcastLimitNode::decode(payload).map_err(|error| {
            Error::internal("a node of a broadcast's limit is damaged").with_source(error)
        })?;
        Ok(Arc::new(BroadcastLimitExec::new(node.limit, input)))
    }
}
