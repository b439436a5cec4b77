//! How many tasks share the partitions that the user asks for.

use datafusion::common::DataFusionError;
use datafusion_distributed::{DesiredTaskCountEvent, DesiredTaskCountEventResponse};
use weir_plan::partitioning::{CoalesceExec, PartitionsExec};

/// As many as there are partitions, if there are executors for them; of partitions that are put together, no more.
pub(super) fn tasks_of_partitions(
    event: DesiredTaskCountEvent<'_>,
) -> Option<Result<DesiredTaskCountEventResponse, DataFusionError>> {
    if let Some(exchanged) = event.plan.downcast_ref::<PartitionsExec>() {
        let tasks = exchanged.partitions();
        return Some(Ok(DesiredTaskCountEventResponse::desired(tasks)));
    }
    let together = event.plan.downcast_ref::<CoalesceExec>()?;
    let tasks = together.partitions();
    Some(Ok(DesiredTaskCountEventResponse::maximum(tasks)))
}
