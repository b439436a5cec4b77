//! DataFusion's planner, with Weir's logical nodes planned and its joins decided ([`crate::joins`]).

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner as _};

use super::write::WritePlanner;
use crate::joins::{Chosen, HintPlanner, decide, split_at_joins};

/// See the module's documentation.
#[derive(Debug, Clone, Copy, Default)]
pub struct WeirQueryPlanner;

impl WeirQueryPlanner {
    /// `plan` for one process, and its joins, those at the bottom first.
    ///
    /// # Errors
    /// DataFusion's, when it cannot be planned.
    pub async fn plan_with_joins(
        plan: &LogicalPlan,
        state: &SessionState,
    ) -> Result<(Arc<dyn ExecutionPlan>, Vec<Chosen>), DataFusionError> {
        let planner = planner();
        let with_rules = |rules| {
            SessionStateBuilder::new_from_existing(state.clone())
                .with_physical_optimizer_rules(rules)
                .build()
        };
        let (before, after) = split_at_joins(state.physical_optimizers());
        let (before, after) = (with_rules(before), with_rules(after));
        let chosen = planner.create_physical_plan(plan, &before).await?;
        let decided = decide(chosen, state.config_options())?;
        let plan = planner.optimize_physical_plan(decided.plan, &after, |_, _| {})?;
        Ok((plan, decided.joins))
    }
}

fn planner() -> DefaultPhysicalPlanner {
    DefaultPhysicalPlanner::with_extension_planners(vec![
        Arc::new(WritePlanner),
        Arc::new(HintPlanner),
    ])
}

#[async_trait]
impl QueryPlanner for WeirQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let state = session.as_any().downcast_ref::<SessionState>();
        match state {
            Some(state) if has_joins_or_hints(plan)? => {
                Ok(Self::plan_with_joins(plan, state).await?.0)
            }
            _ => planner().create_physical_plan(plan, session).await,
        }
    }
}

fn has_joins_or_hints(plan: &LogicalPlan) -> Result<bool, DataFusionError> {
    plan.exists(|node| {
        let join = matches!(node, LogicalPlan::Join(_));
        // A subquery that is left is planned by itself, within.
        let own = matches!(node, LogicalPlan::Extension(_) | LogicalPlan::Subquery(_));
        Ok(join || own)
    })
}
