//! Deciding all joins of a plan, in the middle of its physical optimization.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use tracing::warn;

use super::choice::{Chosen, choose};
use super::marker::HintedExec;

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

/// Follows the hints of `plan`, which `JoinSelection` has been over, and removes them. One that cannot be followed is logged.
///
/// # Errors
/// DataFusion's, when a join that a hint asks for cannot be made.
pub(crate) fn decide(
    plan: Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
) -> Result<Decided, DataFusionError> {
    let mut joins = Vec::new();
    let plan = plan.transform_up(|plan| {
        let Some((changed, chosen)) = choose(&plan, config)? else {
            return Ok(Transformed::no(plan));
        };
        if let Some(refused) = &chosen.refused {
            warn!("{}: {refused}", chosen.join);
        }
        joins.push(chosen);
        Ok(changed.map_or_else(|| Transformed::no(plan), Transformed::yes))
    })?;
    let plan = plan.data.transform_up(|plan| {
        let hinted = plan.downcast_ref::<HintedExec>();
        let input = hinted.map(|hinted| Arc::clone(hinted.input()));
        Ok(input.map_or_else(|| Transformed::no(plan), Transformed::yes))
    })?;
    Ok(Decided {
        plan: plan.data,
        joins,
    })
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
