//! The write step as a logical node, so that it is planned, and distributed, like any other.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::only_plan;
use crate::error::{Error, Result};
use crate::manifest::manifest_schema;
use crate::sink::WriteStep;

static SCHEMA: LazyLock<Result<DFSchemaRef, DataFusionError>> =
    LazyLock::new(|| DFSchema::try_from(manifest_schema().as_ref().clone()).map(Arc::new));

/// Writes its input by a [`WriteStep`] and returns the manifest of the files.
#[derive(Debug, Clone)]
pub struct WriteNode {
    step: Arc<dyn WriteStep>,
    input: LogicalPlan,
    schema: DFSchemaRef,
}

impl WriteNode {
    /// The plan that writes the rows of `input`.
    ///
    /// # Errors
    /// `Internal`, never for a manifest's fixed schema.
    pub fn plan(step: Arc<dyn WriteStep>, input: LogicalPlan) -> Result<LogicalPlan> {
        let schema = match &*SCHEMA {
            Ok(schema) => Arc::clone(schema),
            Err(error) => return Err(Error::internal(error.to_string())),
        };
        Ok(LogicalPlan::Extension(Extension {
            node: Arc::new(Self {
                step,
                input,
                schema,
            }),
        }))
    }
}

// A step has no equality of its own: two writes are the same when they are one object.
impl PartialEq for WriteNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.step, &other.step) && self.input == other.input
    }
}

impl Eq for WriteNode {}

impl Hash for WriteNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
    }
}

impl PartialOrd for WriteNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for WriteNode {
    fn name(&self) -> &'static str {
        "Write"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Write: {}", self.step.description())
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        inputs: Vec<LogicalPlan>,
    ) -> Result<Self, DataFusionError> {
        let input = only_plan(UserDefinedLogicalNodeCore::name(self), inputs)?;
        Ok(Self {
            step: Arc::clone(&self.step),
            input,
            schema: Arc::clone(&self.schema),
        })
    }

    // Every column is written: none may be pruned from the input.
    fn necessary_children_exprs(&self, _output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![(0..self.input.schema().fields().len()).collect()])
    }
}

/// Plans [`WriteNode`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct WritePlanner;

#[async_trait]
impl ExtensionPlanner for WritePlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        let Some(write) = node.as_any().downcast_ref::<WriteNode>() else {
            return Ok(None);
        };
        let [input] = physical_inputs else {
            return Err(Error::internal("a write takes one input").into());
        };
        Ok(Some(write.step.create_exec(Arc::clone(input))?))
    }
}
