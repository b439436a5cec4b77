//! Rows that are computed once, when a query first needs them: a logical node that stands for them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, DataFusionError};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::{only_plan, own_node};
use crate::error::Result;

/// What there is of rows that are to be computed once. All nodes of one `persist()` share it.
#[derive(Debug, Default)]
pub struct Persisted {
    rows: Mutex<Rows>,
    /// Held by who computes them.
    computing: futures::lock::Mutex<()>,
}

#[derive(Debug, Default)]
enum Rows {
    #[default]
    NotComputed,
    /// The plan that reads them.
    Kept(LogicalPlan),
    /// They are computed by every query again.
    Released,
}

impl Persisted {
    /// Computes the rows, unless they are kept, or were released; whoever asks meanwhile waits. `compute` returns the plan
    /// that reads them, as this does; of released ones, nothing.
    ///
    /// # Errors
    /// Those of `compute`: the next query tries again.
    pub async fn ensure(
        &self,
        compute: impl AsyncFnOnce() -> Result<LogicalPlan>,
    ) -> Result<Option<LogicalPlan>> {
        let _computing = self.computing.lock().await;
        if !matches!(*self.rows(), Rows::NotComputed) {
            return Ok(self.kept());
        }
        let plan = compute().await?;
        // Released meanwhile, they are this query's only.
        if let rows @ Rows::NotComputed = &mut *self.rows() {
            *rows = Rows::Kept(plan.clone());
        }
        Ok(Some(plan))
    }

    /// Forgets the rows, for good. Queries that read them go on to.
    pub fn release(&self) {
        *self.rows() = Rows::Released;
    }

    /// Whether they were.
    #[must_use]
    pub fn is_released(&self) -> bool {
        matches!(*self.rows(), Rows::Released)
    }

    /// The plan that reads them, if they are kept by now.
    fn kept(&self) -> Option<LogicalPlan> {
        match &*self.rows() {
            Rows::Kept(plan) => Some(plan.clone()),
            Rows::NotComputed | Rows::Released => None,
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the rows of its input: those that are kept, if they are.
#[derive(Debug, Clone)]
pub struct PersistNode {
    rows: Arc<Persisted>,
    input: LogicalPlan,
}

impl PersistNode {
    /// `input`, of which the rows are to be computed once.
    #[must_use]
    pub fn plan(input: LogicalPlan) -> LogicalPlan {
        LogicalPlan::Extension(Extension {
            node: Arc::new(Self {
                rows: Arc::default(),
                input,
            }),
        })
    }

    /// The node that `plan` is, if it is one.
    #[must_use]
    pub fn of(plan: &LogicalPlan) -> Option<&Self> {
        own_node(plan)
    }

    /// The nodes of `plan` whose rows it needs: none that is below another, and none whose rows were released.
    ///
    /// # Errors
    /// DataFusion's, never for a plan that was made.
    pub fn all_in(plan: &LogicalPlan) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        plan.apply_with_subqueries(|node| {
            let Some(node) = Self::of(node).filter(|node| !node.rows.is_released()) else {
                return Ok(TreeNodeRecursion::Continue);
            };
            found.push(node.clone());
            Ok(TreeNodeRecursion::Jump)
        })?;
        Ok(found)
    }

    /// `plan` without such nodes: with what `kept` says, or else what computes the rows, in their places.
    ///
    /// # Errors
    /// DataFusion's, never for a plan that was made.
    pub fn replaced_in(
        plan: LogicalPlan,
        kept: &dyn Fn(&Self) -> Option<LogicalPlan>,
    ) -> Result<LogicalPlan> {
        let plan = plan.transform_down_with_subqueries(|plan| {
            let Some(node) = Self::of(&plan) else {
                return Ok(Transformed::no(plan));
            };
            let rows = match kept(node) {
                Some(kept) => kept,
                // What is below may be persisted, too.
                None => Self::replaced_in(node.input.clone(), kept)?,
            };
            Ok(Transformed::new(rows, true, TreeNodeRecursion::Jump))
        })?;
        Ok(plan.data)
    }

    /// The plan that reads the rows, if they are kept by now.
    #[must_use]
    pub fn kept(&self) -> Option<LogicalPlan> {
        self.rows.kept()
    }

    /// Whether `other` is of the same `persist()`.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows)
    }

    /// What is shared by all nodes of this one's `persist()`.
    #[must_use]
    pub fn rows(&self) -> &Persisted {
        &self.rows
    }

    /// What computes the rows.
    #[must_use]
    pub fn input(&self) -> &LogicalPlan {
        &self.input
    }
}

// Two nodes are the same when their rows are.
impl PartialEq for PersistNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows) && self.input == other.input
    }
}

impl Eq for PersistNode {}

impl Hash for PersistNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
    }
}

impl PartialOrd for PersistNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for PersistNode {
    fn name(&self) -> &'static str {
        "Persist"
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

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Persist")
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        inputs: Vec<LogicalPlan>,
    ) -> Result<Self, DataFusionError> {
        let input = only_plan(UserDefinedLogicalNodeCore::name(self), inputs)?;
        Ok(Self {
            rows: Arc::clone(&self.rows),
            input,
        })
    }
}

/// Plans [`PersistNode`]s that nobody has replaced: their rows are computed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PersistPlanner;

#[async_trait]
impl ExtensionPlanner for PersistPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        let is_one = node.as_any().is::<PersistNode>();
        Ok(physical_inputs.first().filter(|_| is_one).map(Arc::clone))
    }
}
