//! `repartition` and `coalesce` as logical nodes, and how they are planned.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNode,
    UserDefinedLogicalNodeCore, lit,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;

use super::coalesce::CoalesceExec;
use super::exchange::RepartitionedExec;
use super::range::RangeNode;
use crate::error::{Error, Result};
use crate::functions::hash::row::HASH;
use crate::functions::kernel::Function;
use crate::functions::math::whole::PMOD;
use crate::logical::{only_plan, own_node};
use crate::placement::StageTasks;

/// The most partitions that rows are spread over.
pub const PARTITIONS_MAX: usize = 10_000;

/// Which partition a row goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
enum Spread {
    /// The next one: partitions differ by a few rows.
    Turns,
    /// The number in the last column of the input (`Int32`, from 0), which the result has not.
    Numbered,
    /// That of the rows it comes with: partitions are put together, and nothing is exchanged.
    Together,
}

/// Gives the rows of its input in so many partitions, or in no more: see its makers.
#[derive(Debug, Clone)]
pub struct RepartitionNode {
    partitions: usize,
    spread: Spread,
    input: LogicalPlan,
    schema: DFSchemaRef,
}

impl RepartitionNode {
    /// `input` in `partitions`, of which each row takes the next. Spark's `repartition(n)`.
    ///
    /// # Errors
    /// `InvalidArgument` for no partitions, and for more than [`PARTITIONS_MAX`].
    pub fn in_turns(partitions: usize, input: LogicalPlan) -> Result<LogicalPlan> {
        check("repartition", partitions)?;
        Self::try_new(partitions, Spread::Turns, input).map(Self::into_plan)
    }

    /// `input` in `partitions`: rows with the same values of `keys` are in one. Spark's `repartition(n, columns)`, by the same hash: a
    /// row has the same partition's number in both.
    ///
    /// # Errors
    /// As [`Self::in_turns`]; `InvalidArgument` without keys; DataFusion's, for keys that cannot be hashed.
    pub fn by(keys: Vec<Expr>, partitions: usize, input: LogicalPlan) -> Result<LogicalPlan> {
        check("repartition", partitions)?;
        if keys.is_empty() {
            return Err(Error::invalid_argument(
                "repartition by no columns: name at least one, or leave them away",
            ));
        }
        let modulo = i32::try_from(partitions)
            .map_err(|_| Error::internal("more partitions than were allowed"))?;
        let number = Function::call(&PMOD, vec![Function::call(&HASH, keys), lit(modulo)]);
        Self::by_number(number, partitions, input)
    }

    /// `input` in `partitions`, each row in that of its `number` (`Int32`, from 0).
    pub(super) fn by_number(
        number: Expr,
        partitions: usize,
        input: LogicalPlan,
    ) -> Result<LogicalPlan> {
        let columns = input.schema().columns().into_iter().map(Expr::Column);
        let columns: Vec<Expr> = columns
            .chain([number.alias(unused_name(input.schema()))])
            .collect();
        let numbered = LogicalPlanBuilder::from(input).project(columns)?.build()?;
        Self::try_new(partitions, Spread::Numbered, numbered).map(Self::into_plan)
    }

    /// `input` in at most `partitions`. Spark's `coalesce(n)`.
    ///
    /// # Errors
    /// As [`Self::in_turns`].
    pub fn together(partitions: usize, input: LogicalPlan) -> Result<LogicalPlan> {
        check("coalesce", partitions)?;
        Self::try_new(partitions, Spread::Together, input).map(Self::into_plan)
    }

    /// Whether `plan` is such a node.
    #[must_use]
    pub fn is(plan: &LogicalPlan) -> bool {
        own_node::<Self>(plan).is_some()
    }

    fn try_new(partitions: usize, spread: Spread, input: LogicalPlan) -> Result<Self> {
        let schema = match spread {
            Spread::Turns | Spread::Together => Arc::clone(input.schema()),
            Spread::Numbered => Arc::new(without_last(input.schema())?),
        };
        Ok(Self {
            partitions,
            spread,
            input,
            schema,
        })
    }

    fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension {
            node: Arc::new(self),
        })
    }
}

pub(super) fn check(verb: &str, partitions: usize) -> Result<()> {
    if (1..=PARTITIONS_MAX).contains(&partitions) {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "{verb}({partitions}): rows are in at least 1 partition, and at most {PARTITIONS_MAX}"
    )))
}

/// What no column of `schema` is called.
fn unused_name(schema: &DFSchema) -> String {
    let mut name = "__weir_partition".to_owned();
    while schema.fields().iter().any(|field| *field.name() == name) {
        name.push('_');
    }
    name
}

fn without_last(schema: &DFSchema) -> Result<DFSchema> {
    let fields = schema.iter();
    let fields: Vec<_> = fields
        .take(schema.fields().len().saturating_sub(1))
        .map(|(relation, field)| (relation.cloned(), Arc::clone(field)))
        .collect();
    Ok(DFSchema::new_with_metadata(
        fields,
        schema.metadata().clone(),
    )?)
}

impl PartialEq for RepartitionNode {
    fn eq(&self, other: &Self) -> bool {
        (self.partitions, self.spread, &self.input)
            == (other.partitions, other.spread, &other.input)
    }
}

impl Eq for RepartitionNode {}

impl Hash for RepartitionNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.partitions, self.spread).hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for RepartitionNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for RepartitionNode {
    fn name(&self) -> &'static str {
        "Repartition"
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

    // Which partition a row goes to does not depend on others.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let mut needed = output_columns.to_vec();
        if self.spread == Spread::Numbered {
            needed.push(self.schema.fields().len());
        }
        Some(vec![needed])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions = self.partitions;
        match self.spread {
            Spread::Turns => write!(f, "Repartition: {partitions} partitions in turns"),
            Spread::Numbered => write!(f, "Repartition: {partitions} partitions by number"),
            Spread::Together => write!(f, "Coalesce: at most {partitions} partitions"),
        }
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        inputs: Vec<LogicalPlan>,
    ) -> Result<Self, DataFusionError> {
        let input = only_plan(UserDefinedLogicalNodeCore::name(self), inputs)?;
        Ok(Self::try_new(self.partitions, self.spread, input)?)
    }
}

/// How many tasks are to share `partitions`.
fn tasks_for(partitions: usize, config: &SessionConfig) -> usize {
    let most = config.get_extension::<StageTasks>();
    let most = most.map_or(1, |most| most.0.max(1));
    most.min(partitions)
}

/// Plans [`RepartitionNode`]s.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RepartitionPlanner;

#[async_trait]
impl ExtensionPlanner for RepartitionPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        if node.as_any().is::<RangeNode>() {
            return Err(Error::unsupported(
                "repartition_by_range has no bounds yet: they are sampled by the actions of a Weir DataFrame, not by DataFusion's",
            )
            .into());
        }
        let Some(node) = node.as_any().downcast_ref::<RepartitionNode>() else {
            return Ok(None);
        };
        let [input] = physical_inputs else {
            return Err(Error::internal("rows to repartition are of one input").into());
        };
        let (partitions, input) = (node.partitions, Arc::clone(input));
        let tasks = tasks_for(partitions, session.config());
        Ok(Some(match node.spread {
            Spread::Together => {
                let each = partitions / tasks;
                Arc::new(CoalesceExec::new(partitions, each, tasks > 1, input))
            }
            Spread::Turns | Spread::Numbered => {
                let numbered = node.spread == Spread::Numbered;
                let each = partitions
                    .div_ceil(tasks)
                    .max(if tasks > 1 { 2 } else { 1 });
                Arc::new(RepartitionedExec::try_new(
                    partitions, each, numbered, input,
                )?)
            }
        }))
    }
}
