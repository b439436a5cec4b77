//! How many tasks read a leaf, and which part each of them reads.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::physical_plan::ExecutionPlanProperties as _;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedLeafExec,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
};
use weir_connectors::shared_leaf;

/// As many tasks as it takes to give each part a thread of its own.
pub(super) fn desired_tasks(
    event: DesiredTaskCountEvent<'_>,
) -> Option<Result<DesiredTaskCountEventResponse, DataFusionError>> {
    let leaf = shared_leaf(event.plan.as_ref())?;
    let threads = event.plan.output_partitioning().partition_count().max(1);
    let tasks = leaf.parts().div_ceil(threads).max(1);
    Some(Ok(DesiredTaskCountEventResponse::desired(tasks)))
}

/// A leaf for each task.
pub(super) fn share_leaf(
    event: ScaleUpLeafNodeEvent<'_>,
) -> Option<Result<ScaleUpLeafNodeEventResponse, DataFusionError>> {
    let leaf = shared_leaf(event.plan.as_ref())?;
    let shared = leaf
        .share(event.task_count)
        .map_err(DataFusionError::from)
        .and_then(|leaves| DistributedLeafExec::try_new(Arc::clone(event.plan), leaves))
        .map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf)));
    Some(shared)
}
