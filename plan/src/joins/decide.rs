//! Deciding all joins of a plan, in the middle of its physical optimization.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::execution::SessionState;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use tracing::warn;

use super::broadcast::{BroadcastLimit, NoBroadcasts};
use super::choice::{Chosen, choose, is_join, is_shuffled, limit_broadcast, shuffles, strategy};
use super::marker::without_hint;
use super::salt::{find_skew, is_salted, salted};

/// A list of DataFusion's rules.
pub(crate) type Rules = Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>;

/// A plan whose joins are decided.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// Those at the bottom first.
    pub(crate) joins: Vec<Chosen>,
}

/// `rules` up to `JoinSelection`, which chooses by size, and those that come after the joins are decided: they add exchanges.
pub(crate) fn split_at_joins(
    rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>],
) -> (Rules, Rules) {
    let selection = rules.iter().position(|rule| rule.name() == JOIN_SELECTION);
    let (before, after) = rules.split_at(selection.map_or(0, |at| at + 1));
    (before.to_vec(), after.to_vec())
}

/// DataFusion's name of its `JoinSelection`.
const JOIN_SELECTION: &str = "join_selection";

/// Follows the hints of `plan`, which `JoinSelection` has been over, and removes them; salts the joins that are skewed, if
/// they are to be looked for. A hint that cannot be followed is logged.
///
/// # Errors
/// DataFusion's, when a join that a hint or a salt asks for cannot be made.
pub(crate) async fn decide(
    plan: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    find_skew: bool,
) -> Result<Decided, DataFusionError> {
    let config = state.config_options();
    let broadcasts = state.config().get_extension::<NoBroadcasts>().is_none();
    let mut joins = Vec::new();
    let plan = plan.transform_up(|plan| {
        let Some((changed, chosen)) = choose(&plan, config, broadcasts)? else {
            return Ok(Transformed::no(plan));
        };
        if let Some(refused) = &chosen.refused {
            warn!("{}: {refused}", chosen.join);
        }
        joins.push(chosen);
        Ok(changed.map_or_else(|| Transformed::no(plan), Transformed::yes))
    })?;
    let mut plan = plan.data;
    if find_skew {
        plan = salt_skewed(plan, state, &mut joins).await?;
    }
    let plan = plan.transform_up(|plan| Ok(without_hint(plan)))?;
    // In one partition, nothing is broadcast, and there is no other way.
    let limit = state.config().get_extension::<BroadcastLimit>();
    let plan = match limit.filter(|_| shuffles(config)) {
        Some(limit) => plan
            .data
            .transform_up(|plan| limit_broadcast(plan, *limit))?,
        None => plan,
    };
    Ok(Decided {
        plan: plan.data,
        joins,
    })
}

/// `plan`, with what is skewed salted. `joins` are its joins.
async fn salt_skewed(
    plan: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    joins: &mut [Chosen],
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    // Reading waits, and a walk over a plan does not: what is found is put in by a second walk, in the same order.
    let mut all = Vec::new();
    let plan = plan.transform_up(|plan| {
        if is_join(&plan) {
            all.push(Arc::clone(&plan));
        }
        Ok(Transformed::no(plan))
    })?;
    let mut found = Vec::new();
    for join in all {
        let hash = join.downcast_ref::<HashJoinExec>();
        found.push(
            match hash.filter(|join| is_shuffled(join) && !is_salted(join)) {
                Some(join) => find_skew(join, state).await,
                None => None,
            },
        );
    }
    let mut found = found.into_iter().zip(joins);
    let plan = plan.data.transform_up(|plan| {
        let Some((found, chosen)) = is_join(&plan).then(|| found.next()).flatten() else {
            return Ok(Transformed::no(plan));
        };
        let (Some(skew), Some(join)) = (found, plan.downcast_ref::<HashJoinExec>()) else {
            return Ok(Transformed::no(plan));
        };
        let plan = salted(join, skew.side, skew.salt)?;
        chosen.strategy = strategy(&plan);
        chosen.reason = format!("{}; {}", chosen.reason, skew.seen);
        Ok(Transformed::yes(plan))
    })?;
    Ok(plan.data)
}

#[cfg(test)]
mod tests {
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

    use super::*;

    #[test]
    fn joins_are_decided_right_after_they_are_chosen_by_size() {
        let rules = PhysicalOptimizer::new().rules;
        let (before, after) = split_at_joins(&rules);
        assert_eq!(before.last().unwrap().name(), JOIN_SELECTION);
        assert_eq!(before.len() + after.len(), rules.len());
        assert!(after.iter().any(|rule| rule.name() == "EnsureRequirements"));
    }
}
