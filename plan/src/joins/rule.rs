//! The optimizer rule that follows hints, and what `explain` says of joins.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use tracing::warn;

use super::choice::{Chosen, choose};
use super::marker::HintedExec;

/// Follows the hints of a plan, and removes them. To be run after `JoinSelection`, before exchanges are added.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApplyJoinHints;

impl PhysicalOptimizerRule for ApplyJoinHints {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let plan = plan.transform_up(|plan| {
            let Some(join) = plan.downcast_ref::<HashJoinExec>() else {
                return Ok(Transformed::no(plan));
            };
            let (changed, chosen) = choose(join, config)?;
            if let Some(refused) = &chosen.refused {
                warn!("join {}: {refused}", chosen.join);
            }
            Ok(changed.map_or_else(|| Transformed::no(Arc::clone(&plan)), Transformed::yes))
        })?;
        let plan = plan.data.transform_up(|plan| {
            let input = plan.downcast_ref::<HintedExec>().map(|hinted| Arc::clone(hinted.input()));
            Ok(input.map_or_else(|| Transformed::no(plan), Transformed::yes))
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &'static str {
        "weir_apply_join_hints"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The joins of `plan`, planned up to `JoinSelection` with its hints still in it: from the top, as they will be run.
///
/// # Errors
/// As [`ApplyJoinHints`].
pub fn chosen_joins(
    plan: &Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
) -> Result<Vec<Chosen>, DataFusionError> {
    let mut chosen = Vec::new();
    plan.apply(|plan| {
        if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            chosen.push(choose(join, config)?.1);
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    Ok(chosen)
}
