//! What a user says about one side of a join, as a node above that side.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchemaRef, DataFusionError};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::marker::HintedExec;
use crate::error::{Error, Result};
use crate::logical::only_plan;
use crate::options::did_you_mean;

/// How the side it is given for is to be joined. Spark's join hints (`JoinStrategyHint`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JoinHint {
    /// This side is sent whole to every task of the other.
    Broadcast,
    /// Both are shuffled, and sorted.
    Merge,
    /// Both are shuffled, and a hash table is built of this one.
    ShuffleHash,
    /// Both are shuffled by a salt, too: each of this side's rows is given one of so many buckets, at least 1, and the other
    /// side's rows are copied to all.
    Salted(u32),
}

/// Spark's names, in its order of precedence.
const NAMES: &[(&str, JoinHint)] = &[
    ("broadcast", JoinHint::Broadcast),
    ("broadcastjoin", JoinHint::Broadcast),
    ("mapjoin", JoinHint::Broadcast),
    ("merge", JoinHint::Merge),
    ("shuffle_merge", JoinHint::Merge),
    ("mergejoin", JoinHint::Merge),
    ("shuffle_hash", JoinHint::ShuffleHash),
];

/// What Spark has, and Weir has not.
const UNSUPPORTED: &[&str] = &[
    "shuffle_replicate_nl",
    "coalesce",
    "repartition",
    "repartition_by_range",
    "rebalance",
];

impl JoinHint {
    /// The hint of a name of Spark's; capitals do not matter.
    ///
    /// # Errors
    /// `Unsupported` for a hint of Spark's that is not about how a side is joined, or that no join here does;
    /// `InvalidArgument` for any other name, with the nearest.
    pub fn parse(name: &str) -> Result<Self> {
        let plain = name.to_lowercase();
        if let Some((_, hint)) = NAMES.iter().find(|(known, _)| *known == plain) {
            return Ok(*hint);
        }
        let known = NAMES.iter().map(|(name, _)| *name);
        if UNSUPPORTED.contains(&plain.as_str()) {
            return Err(Error::unsupported(format!(
                "hint {name:?} is not supported; those for joins are {}",
                known.collect::<Vec<_>>().join(", ")
            )));
        }
        Err(Error::invalid_argument(format!(
            "unknown hint {name:?}{}",
            did_you_mean(&plain, known)
        )))
    }
}

impl fmt::Display for JoinHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broadcast => f.write_str("broadcast"),
            Self::Merge => f.write_str("merge"),
            Self::ShuffleHash => f.write_str("shuffle_hash"),
            Self::Salted(buckets) => write!(f, "salted({buckets})"),
        }
    }
}

/// Gives the rows of its input, which a hint is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
pub struct HintNode {
    hint: JoinHint,
    input: LogicalPlan,
}

impl HintNode {
    /// `input`, hinted.
    #[must_use]
    pub fn plan(hint: JoinHint, input: LogicalPlan) -> LogicalPlan {
        LogicalPlan::Extension(Extension {
            node: Arc::new(Self { hint, input }),
        })
    }
}

impl UserDefinedLogicalNodeCore for HintNode {
    fn name(&self) -> &'static str {
        "JoinHint"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    // It is in the way of nothing.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinHint: {}", self.hint)
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        inputs: Vec<LogicalPlan>,
    ) -> Result<Self, DataFusionError> {
        let input = only_plan(UserDefinedLogicalNodeCore::name(self), inputs)?;
        Ok(Self {
            hint: self.hint,
            input,
        })
    }
}

/// Plans [`HintNode`]s.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HintPlanner;

#[async_trait]
impl ExtensionPlanner for HintPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        let Some(hinted) = node.as_any().downcast_ref::<HintNode>() else {
            return Ok(None);
        };
        let [input] = physical_inputs else {
            return Err(Error::internal("a hint is for one input").into());
        };
        let exec = HintedExec::new(hinted.hint, Arc::clone(input));
        Ok(Some(Arc::new(exec)))
    }
}
