//! Which nodes see all rows only while one task runs them.
//!
//! A plan of one partition needs no exchange below a sort, a limit or an aggregation: all rows are there. The library cuts a plan at its
//! exchanges only, and shares the leaves of each piece out over tasks: every task would sort, limit or aggregate its own part of the rows,
//! and all of their results would be taken. Where there is no exchange to cut at, the piece is therefore kept to one task.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::physical_expr::Distribution;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use datafusion_distributed::{DesiredTaskCountEvent, DesiredTaskCountEventResponse};

/// At most one task for a node that needs all rows, or all of a key, where no exchange brings them to it.
pub(super) fn keep_whole(
    event: DesiredTaskCountEvent<'_>,
) -> Option<Result<DesiredTaskCountEventResponse, DataFusionError>> {
    needs_one_task(event.plan).then(|| Ok(DesiredTaskCountEventResponse::maximum(1)))
}

fn needs_one_task(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let one_partition =
        |plan: &Arc<dyn ExecutionPlan>| plan.output_partitioning().partition_count() <= 1;
    if plan.fetch().is_some() && one_partition(plan) {
        return true;
    }
    let requirements = plan.input_distribution_requirements();
    let mut inputs = requirements.per_child_distributions().zip(plan.children());
    inputs.any(|(required, child)| {
        !matches!(required, Distribution::UnspecifiedDistribution)
            && one_partition(child)
            // The exchange itself: the library cuts below it, and sends all rows to each task above it.
            && !child.is::<CoalescePartitionsExec>()
    })
}
