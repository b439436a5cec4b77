//! A runner over a plain DataFusion session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use weir_plan::Result;
use weir_plan::logical::WeirQueryPlanner;

use super::Script;
use crate::runner::{BatchJob, BatchOutput, BatchRunner};

/// Counts what it runs; the records read are the rows of the tables in memory it scans.
pub(crate) struct MemoryRunner {
    context: SessionContext,
    runs: AtomicUsize,
    pub(crate) script: Script,
}

impl MemoryRunner {
    pub(crate) fn new() -> Self {
        let state = SessionStateBuilder::new()
            .with_config(SessionConfig::new().with_target_partitions(2))
            .with_default_features()
            .with_query_planner(Arc::new(WeirQueryPlanner::default()))
            .build();
        Self {
            context: SessionContext::new_with_state(state),
            runs: AtomicUsize::new(0),
            script: Script::default(),
        }
    }

    /// Where a test makes its dataframes.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// How many executions were begun.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for MemoryRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryRunner")
    }
}

#[async_trait]
impl BatchRunner for MemoryRunner {
    async fn run(&self, job: BatchJob) -> Result<BatchOutput> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let run = async {
            let mut state = self.context.state();
            state.execution_props_mut().query_execution_start_time = Some(job.timestamp);
            let plan = state.create_physical_plan(&job.plan).await?;
            let input_rows = memory_rows(&plan);
            let rows = collect(plan, state.task_ctx()).await?;
            Ok(BatchOutput { rows, input_rows })
        };
        self.script.play("runner run", run).await
    }
}

fn memory_rows(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>()
        && let Some(memory) = scan.data_source().downcast_ref::<MemorySourceConfig>()
    {
        let batches = memory.partitions().iter().flatten();
        return batches.map(|batch| batch.num_rows() as u64).sum();
    }
    plan.children().into_iter().map(memory_rows).sum()
}
