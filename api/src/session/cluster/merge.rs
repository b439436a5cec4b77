//! What is known only once a plan is distributed: how many partitions its exchanges by slots have
//! ([`weir_plan::partitioning`]), and those of salted rows ([`place_salts`]), and that rows in order leave a task by one stream.
//!
//! Whoever takes rows from a task gets those of all its partitions by one connection, and buffers so many of them
//! (64 MiB, of itself). A merge that waits for the first row of one partition, while the rows of another have filled the buffer,
//! would wait for ever: the row comes after those that nobody takes. Each task therefore merges its own partitions, and
//! the merge above takes one stream from each.
//!
//! ```text
//!  SortPreservingMergeExec                SortPreservingMergeExec
//!    NetworkCoalesceExec          ─▶        NetworkCoalesceExec
//!      SortExec (2 partitions)                SortPreservingMergeExec
//!                                               SortExec (2 partitions)
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::execution::SessionState;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties as _, ReplaceChildrenOptions,
};
use datafusion_distributed::{
    NetworkBoundary as _, NetworkCoalesceExec, Stage, get_distributed_worker_resolver,
};
use weir_plan::joins::place_salts;
use weir_plan::partitioning::fit_slots;
use weir_plan::{Error, StageTasks};

/// Plans as `planner` does, and merges in tasks.
#[derive(Debug)]
pub(super) struct MergeInTasks {
    pub(super) planner: Arc<dyn QueryPlanner + Send + Sync>,
}

#[async_trait]
impl QueryPlanner for MergeInTasks {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let state = session.as_any().downcast_ref::<SessionState>();
        let state = state.ok_or_else(|| Error::internal("a session of another kind"))?;
        let mut state = state.clone();
        let executors = get_distributed_worker_resolver(state.config())?.get_urls()?;
        state
            .config_mut()
            .set_extension(Arc::new(StageTasks(executors.len())));
        let plan = self.planner.create_physical_plan(plan, &state).await?;
        let each = state.config().target_partitions();
        let plan = plan.transform_up(|plan| {
            merge_in_tasks(plan)?
                .transform_data(fit_slots)?
                .transform_data(|plan| place_salts(plan, each, executors.len()))
        })?;
        Ok(plan.data)
    }
}

fn merge_in_tasks(
    plan: Arc<dyn ExecutionPlan>,
) -> Result<Transformed<Arc<dyn ExecutionPlan>>, DataFusionError> {
    let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() else {
        return Ok(Transformed::no(plan));
    };
    let Some(boundary) = merge.input().downcast_ref::<NetworkCoalesceExec>() else {
        return Ok(Transformed::no(plan));
    };
    let mut stage = boundary.input_stage().clone();
    let Stage::Local(tasks) = &mut stage else {
        return Ok(Transformed::no(plan));
    };
    if tasks.plan.output_partitioning().partition_count() <= 1 {
        return Ok(Transformed::no(plan));
    }
    let order = merge.expr().clone();
    let merged = SortPreservingMergeExec::new(order, Arc::clone(&tasks.plan));
    tasks.plan = Arc::new(merged.with_fetch(merge.fetch()));
    // A merge above is of one task.
    let boundary = NetworkCoalesceExec::try_new(Arc::clone(&tasks.plan), tasks.tasks, 1)?;
    // Its number, among all of the plan's, stays.
    let boundary = boundary.with_input_stage(stage)?;
    let merge = plan.replace_children(
        vec![boundary],
        ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
    )?;
    Ok(Transformed::yes(merge))
}
