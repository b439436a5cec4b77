//! How many tasks read a leaf, and which part each of them reads.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedLeafExec,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
};
use weir_connectors::shared_leaf;

/// As many tasks as it takes to give each part one of the `threads` of an executor.
pub(super) fn desired_tasks(
    threads: usize,
) -> impl for<'a> Fn(
    DesiredTaskCountEvent<'a>,
) -> Option<Result<DesiredTaskCountEventResponse, DataFusionError>>
+ Send
+ Sync
+ 'static {
    move |event: DesiredTaskCountEvent<'_>| {
        let leaf = shared_leaf(event.plan.as_ref())?;
        let tasks = leaf.parts().div_ceil(threads.max(1)).max(1);
        Some(Ok(DesiredTaskCountEventResponse::desired(tasks)))
    }
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
