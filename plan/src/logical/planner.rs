//! DataFusion's planner, with Weir's logical nodes planned and its joins decided ([`crate::joins`]).

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner as _};

use super::persist::PersistPlanner;
use super::write::WritePlanner;
use crate::compact::{CompactSorts, compacted};
use crate::joins::{Chosen, DecidedJoins, HintPlanner, Rules, decide, place_salts, split_at_joins};
use crate::partitioning::{
    RepartitionNode, RepartitionPlanner, SmallPartitions, exchanged, without_small,
};
use crate::placement::StageTasks;

/// See the module's documentation.
#[derive(Debug, Clone, Copy)]
pub struct WeirQueryPlanner {
    /// Whether rows may be sampled to find skewed joins ([`crate::joins::SkewJoin`]). Not for an estimate.
    pub find_skew: bool,
}

impl Default for WeirQueryPlanner {
    fn default() -> Self {
        Self { find_skew: true }
    }
}

impl WeirQueryPlanner {
    /// `plan` for one process, and its joins, those at the bottom first.
    ///
    /// # Errors
    /// DataFusion's, when it cannot be planned.
    async fn plan_with_joins(
        self,
        plan: &LogicalPlan,
        state: &SessionState,
    ) -> Result<(Arc<dyn ExecutionPlan>, Vec<Chosen>), DataFusionError> {
        let planner = planner();
        let config = state.config_options();
        let (before, after) = split_at_joins(state.physical_optimizers());
        // The planner checks what it has made at the end of its rules, and a join of which only the sides are chosen has no
        // exchanges below it yet: its own rules up to there are run here.
        let mut unruled = with_rules(state, Vec::new());
        // In place: a state built with another configuration replaces the catalog that they share by an empty one.
        let options = unruled.config().get_or_insert_default().options_mut();
        options.optimizer.prefer_hash_join = true;
        let unruled = unruled.build();
        let mut chosen = planner.create_physical_plan(plan, &unruled).await?;
        for rule in before {
            chosen = rule.optimize(chosen, config)?;
        }
        let decided = decide(chosen, state, self.find_skew).await?;
        let after = with_rules(state, after).build();
        let mut plan = planner.optimize_physical_plan(decided.plan, &after, |_, _| {})?;
        // A cluster's exchanges are known once a plan is distributed.
        if state.config().get_extension::<StageTasks>().is_none() {
            let partitions = config.execution.target_partitions;
            let placed = plan.transform_up(|plan| place_salts(plan, partitions, 1))?;
            plan = placed.data;
        }
        let mut plan = exchanged(plan)?;
        if let Some(small) = state.config().get_extension::<SmallPartitions>() {
            plan = without_small(plan, *small)?;
        }
        if state.config().get_extension::<CompactSorts>().is_some() {
            plan = compacted(plan)?;
        }
        Ok((plan, decided.joins))
    }
}

fn with_rules(state: &SessionState, rules: Rules) -> SessionStateBuilder {
    SessionStateBuilder::new_from_existing(state.clone()).with_physical_optimizer_rules(rules)
}

fn planner() -> DefaultPhysicalPlanner {
    DefaultPhysicalPlanner::with_extension_planners(vec![
        Arc::new(WritePlanner),
        Arc::new(PersistPlanner),
        Arc::new(HintPlanner),
        Arc::new(RepartitionPlanner),
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
            Some(state) if !is_explained(plan) && exists(plan, is_join_or_own)? => {
                let mut state = state.clone();
                if exists(plan, RepartitionNode::is)? {
                    // Who says how many partitions there are is not to find more of them above.
                    let optimizer = &mut state.config_mut().options_mut().optimizer;
                    optimizer.enable_round_robin_repartition = false;
                }
                let (plan, joins) = self.plan_with_joins(plan, &state).await?;
                if let Some(decided) = state.config().get_extension::<DecidedJoins>() {
                    decided.put(joins);
                }
                Ok(plan)
            }
            _ => planner().create_physical_plan(plan, session).await,
        }
    }
}

/// The planner makes the text of a plan that is only explained of its own rules.
fn is_explained(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Explain(_))
}

fn is_join_or_own(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Join(_) | LogicalPlan::Extension(_))
}

/// Whether `wanted` is true of a node of `plan`, or of its subqueries.
fn exists(
    plan: &LogicalPlan,
    wanted: impl Fn(&LogicalPlan) -> bool,
) -> Result<bool, DataFusionError> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= wanted(node);
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}
