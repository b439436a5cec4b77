//! What the tasks of a finished query measured.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use datafusion_distributed::{
    DistributedExec, DistributedMetricsFormat, rewrite_distributed_plan_with_metrics,
};
use tracing::warn;
use weir_plan::Result;

/// How long executors may take to report, once the rows are here.
const REPORT_WITHIN: Duration = Duration::from_secs(5);

/// `plan`, which was executed, with the metrics of its tasks. Without those of a task whose executor
/// was lost after its last row: they only inform.
pub(crate) async fn with_task_metrics(
    plan: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(distributed) = plan.downcast_ref::<DistributedExec>() else {
        return Ok(plan);
    };
    let reported = tokio::time::timeout(REPORT_WITHIN, distributed.wait_for_metrics()).await;
    if reported.is_err() {
        warn!("an executor did not report the metrics of its tasks");
        return Ok(plan);
    }
    let with_metrics =
        rewrite_distributed_plan_with_metrics(plan, DistributedMetricsFormat::Aggregated).await?;
    Ok(with_metrics)
}
