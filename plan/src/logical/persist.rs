//! Rows that are computed once, when a query first needs them: a logical node that stands for them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

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
use futures::lock::Mutex;

use crate::error::{Error, Result};

/// What there is of rows that are to be computed once. All nodes of one `persist()` share it.
#[derive(Debug, Default)]
pub struct Persisted {
    rows: Mutex<Rows>,
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
    /// that reads them.
    ///
    /// # Errors
    /// Those of `compute`: the next query tries again.
    pub async fn ensure(&self, compute: impl AsyncFnOnce() -> Result<LogicalPlan>) -> Result<()> {
        let mut rows = self.rows.lock().await;
        if matches!(*rows, Rows::NotComputed) {
            *rows = Rows::Kept(compute().await?);
        }
        Ok(())
    }

    /// Forgets the rows, for good. Queries that read them go on to.
    pub async fn release(&self) {
        *self.rows.lock().await = Rows::Released;
    }

    /// The plan that reads them, if they are kept by now.
    fn kept(&self) -> Option<LogicalPlan> {
        match &*self.rows.try_lock()? {
            Rows::Kept(plan) => Some(plan.clone()),
            Rows::NotComputed | Rows::Released => None,
        }
    }

    fn is_released(&self) -> bool {
        let rows = self.rows.try_lock();
        rows.is_some_and(|rows| matches!(*rows, Rows::Released))
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
        match plan {
            LogicalPlan::Extension(node) => node.node.as_any().downcast_ref(),
            _ => None,
        }
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

    /// `plan` without such nodes: with what reads the kept rows, or what computes them, in their places.
    ///
    /// # Errors
    /// DataFusion's, never for a plan that was made.
    pub fn replaced_in(plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.transform_down_with_subqueries(|plan| {
            let Some(node) = Self::of(&plan) else {
                return Ok(Transformed::no(plan));
            };
            if let Some(kept) = node.rows.kept() {
                return Ok(Transformed::new(kept, true, TreeNodeRecursion::Jump));
            }
            // What is below may be persisted, too.
            let input = Self::replaced_in(node.input.clone())?;
            Ok(Transformed::new(input, true, TreeNodeRecursion::Jump))
        })?;
        Ok(plan.data)
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
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else {
            return Err(Error::internal("rows to persist are of one input").into());
        };
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
