//! The in-process engine: DataFusion, with Weir's logical nodes planned.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionContext;
use weir_plan::logical::WritePlanner;
use weir_plan::{Result, STREAM_INPUT_ROWS};
use weir_streaming::{BatchJob, BatchOutput, BatchRunner};

/// DataFusion's planner with Weir's extension planners.
#[derive(Debug)]
pub(super) struct WeirQueryPlanner;

#[async_trait]
impl QueryPlanner for WeirQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(WritePlanner)])
            .create_physical_plan(plan, session)
            .await
    }
}

/// Runs batches in this process.
pub(super) struct LocalRunner {
    context: SessionContext,
}

impl LocalRunner {
    pub(super) fn new(context: SessionContext) -> Self {
        Self { context }
    }
}

impl fmt::Debug for LocalRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalRunner")
    }
}

#[async_trait]
impl BatchRunner for LocalRunner {
    async fn run(&self, job: BatchJob) -> Result<BatchOutput> {
        let mut state = self.context.state();
        // What `current_timestamp()` becomes when the plan is simplified.
        state.execution_props_mut().query_execution_start_time = Some(job.timestamp);
        let plan = state.create_physical_plan(&job.plan).await?;
        let rows = collect(Arc::clone(&plan), state.task_ctx()).await?;
        Ok(BatchOutput {
            rows,
            input_rows: stream_input_rows(&plan),
        })
    }
}

fn stream_input_rows(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = plan
        .metrics()
        .and_then(|metrics| metrics.sum_by_name(STREAM_INPUT_ROWS))
        .map_or(0, |rows| rows.as_usize() as u64);
    own + plan
        .children()
        .into_iter()
        .map(stream_input_rows)
        .sum::<u64>()
}
