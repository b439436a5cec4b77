//! Running plans: in this process, or on executors.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use datafusion_distributed::DistributedMetricsFormat;
use weir_connectors::delta::refreshed;
use weir_plan::{Result, STREAM_INPUT_ROWS};
use weir_streaming::{BatchJob, BatchOutput, BatchRunner};

use super::cluster::with_task_metrics;
use super::exchanges::{Exchanges, Joins, Prepared};

/// Runs batches, again where an executor was lost.
pub(super) struct PlanRunner {
    context: SessionContext,
    round_robin: bool,
    exchanges: Arc<Exchanges>,
}

impl PlanRunner {
    /// A runner that spreads rows over more tasks than read them only if `round_robin`.
    ///
    /// The engine's round robin gathers 8192 rows before it passes them on, whatever their size: of
    /// records of some 100 KB that is gigabytes outside of the memory pool, and beyond 2 GB the batch
    /// fails at every try. A source that is to be read by more tasks is split by its own options.
    pub(super) fn new(
        context: SessionContext,
        round_robin: bool,
        exchanges: Arc<Exchanges>,
    ) -> Self {
        Self {
            context,
            round_robin,
            exchanges,
        }
    }

    fn state(&self, job: &BatchJob) -> SessionState {
        let mut state = self.context.state();
        // What `current_timestamp()` becomes when the plan is simplified.
        state.execution_props_mut().query_execution_start_time = Some(job.timestamp);
        let optimizer = &mut state.config_mut().options_mut().optimizer;
        optimizer.enable_round_robin_repartition = self.round_robin;
        state
    }

    async fn attempt(prepared: &Prepared, joins: Joins) -> Result<BatchOutput> {
        let attempt = prepared.attempt(joins).await?;
        let rows = attempt.collect().await?;
        let plan = attempt.into_plan();
        let mut input_rows = 0;
        for plan in prepared.parts().iter().chain([&plan]) {
            let plan = with_task_metrics(Arc::clone(plan), DistributedMetricsFormat::Aggregated);
            input_rows += stream_input_rows(&plan.await?);
        }
        Ok(BatchOutput { rows, input_rows })
    }
}

impl fmt::Debug for PlanRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanRunner")
            .field("exchanges", &self.exchanges)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl BatchRunner for PlanRunner {
    async fn run(&self, job: BatchJob) -> Result<BatchOutput> {
        let exchanges = &self.exchanges;
        let prepared = exchanges.prepare(self.state(&job), &job.plan).await?;
        exchanges
            .complete(|joins| Self::attempt(&prepared, joins))
            .await
    }

    async fn refresh(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        refreshed(plan).await
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

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::SessionConfig;

    use super::*;

    #[tokio::test]
    async fn rows_are_not_spread_over_more_tasks_unless_asked_for() {
        let config = SessionConfig::new().with_target_partitions(4);
        let context = SessionContext::new_with_config(config);
        let rows = "select value + 1 as more from generate_series(1, 100000)";
        let job = BatchJob {
            plan: context.state().create_logical_plan(rows).await.unwrap(),
            timestamp: chrono::Utc::now(),
        };
        for spread in [false, true] {
            let runner = PlanRunner::new(context.clone(), spread, Arc::new(Exchanges::none()));
            let state = runner.state(&job);
            assert_eq!(state.config().target_partitions(), 4);
            let prepared = runner.exchanges.prepare(state, &job.plan).await.unwrap();
            let attempt = prepared.attempt(Joins::Chosen).await.unwrap();
            let plan = attempt.into_plan();
            let shown = displayable(plan.as_ref()).indent(false).to_string();
            assert_eq!(shown.contains("RepartitionExec"), spread, "{shown}");
        }
    }
}
