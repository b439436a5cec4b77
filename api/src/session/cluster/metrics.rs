//! What the tasks of a finished query measured.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use datafusion_distributed::{DistributedMetricsFormat, rewrite_distributed_plan_with_metrics};
use tracing::warn;
use weir_plan::Result;

/// How long executors may take to report, once the rows are here.
const REPORT_WITHIN: Duration = Duration::from_secs(5);

/// `plan`, which was executed, with the metrics of its tasks, as `format` says. Without those of a task whose executor
/// was lost after its last row: they only inform.
pub(crate) async fn with_task_metrics(
    plan: Arc<dyn ExecutionPlan>,
    format: DistributedMetricsFormat,
) -> Result<Arc<dyn ExecutionPlan>> {
    // A plan that runs in this process comes back at once, as it is.
    let reported = rewrite_distributed_plan_with_metrics(Arc::clone(&plan), format);
    match tokio::time::timeout(REPORT_WITHIN, reported).await {
        Ok(with_metrics) => Ok(with_metrics?),
        Err(_) => {
            warn!("an executor did not report the metrics of its tasks");
            Ok(plan)
        }
    }
}
