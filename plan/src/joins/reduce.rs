//! Joins that leave rows out come first.
//!
//! ```text
//!  supplier ⋈ lineitem ⋈ nation, of which a filter leaves one   →   supplier ⋈ nation ⋈ lineitem
//!  customer ⋈ orders, of which a filtered aggregation has few   →   customer ⋈ (orders ⋉ aggregation)
//! ```
//!
//! Joins are run in the order in which a query names its tables. A join that only looks at columns of one side of the join
//! below it may as well be done with that side alone: the rows are the same, and those that it leaves out are not joined
//! before. That pays for two kinds, and only those are moved: semi-joins with groups of which a filter leaves some, and
//! inner joins with what is filtered and no larger than the side.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, JoinType};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::estimate::row_bytes;

/// See the module's documentation. It runs when filters are where they belong, and before columns that are not needed are
/// projected away between joins.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReducingJoinsFirst;

/// DataFusion's name of the rule that it runs before.
const BEFORE: &str = "optimize_projections";

impl ReducingJoinsFirst {
    /// `rules` with this one in its place.
    #[must_use]
    pub fn among(
        rules: &[Arc<dyn OptimizerRule + Send + Sync>],
    ) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        let mut rules = rules.to_vec();
        let at = rules.iter().position(|rule| rule.name() == BEFORE);
        rules.insert(at.unwrap_or(rules.len()), Arc::new(Self));
        rules
    }
}

impl OptimizerRule for ReducingJoinsFirst {
    fn name(&self) -> &str {
        "reducing_joins_first"
    }

    // What is below has been reduced when its join is looked at.
    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>, DataFusionError> {
        let LogicalPlan::Join(join) = &plan else {
            return Ok(Transformed::no(plan));
        };
        match moved(join)? {
            Some(moved) => Ok(Transformed::yes(moved)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// The side of the join below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// `join`, done with a side of the join at its left alone; none if it stays where it is.
fn moved(join: &Join) -> Result<Option<LogicalPlan>, DataFusionError> {
    let LogicalPlan::Join(below) = join.left.as_ref() else {
        return Ok(None);
    };
    if below.join_type != JoinType::Inner || below.on.is_empty() || join.on.is_empty() {
        return Ok(None);
    }
    let Some(side) = side_of(join, below) else {
        return Ok(None);
    };
    if !pays(join, below, side) {
        return Ok(None);
    }
    let (left, right) = (&below.left, &below.right);
    let reduced = Join {
        left: Arc::clone(match side {
            Side::Left => left,
            Side::Right => right,
        }),
        ..join.clone()
    };
    let reduced = again(rebuilt(reduced)?)?;
    let (left, right) = match side {
        Side::Left => (Arc::new(reduced), Arc::clone(right)),
        Side::Right => (Arc::clone(left), Arc::new(reduced)),
    };
    // What was joined with a table is now joined with a part of it, which may pay by itself.
    let whole = again(rebuilt(Join {
        left,
        right,
        ..below.clone()
    })?)?;
    // In the order of the columns that they had.
    let wanted = join.schema.columns();
    if whole.schema().columns() == wanted {
        return Ok(Some(whole));
    }
    let wanted = wanted.into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(whole)
        .project(wanted)?
        .build()
        .map(Some)
}

/// A join that may move further.
fn again(join: Join) -> Result<LogicalPlan, DataFusionError> {
    let further = moved(&join)?;
    Ok(further.unwrap_or(LogicalPlan::Join(join)))
}

/// `join`, of other sides than it was made for.
fn rebuilt(join: Join) -> Result<Join, DataFusionError> {
    Join::try_new(
        join.left,
        join.right,
        join.on,
        join.filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )
}

/// The only side of `below` whose columns `join` looks at.
fn side_of(join: &Join, below: &Join) -> Option<Side> {
    let own = |column: &&Column| join.left.schema().has_column(column);
    let keys = join.on.iter().flat_map(|(left, _)| left.column_refs());
    let filter = join.filter.iter().flat_map(Expr::column_refs);
    let looked_at: Vec<&Column> = keys.chain(filter.filter(own)).collect();
    [(Side::Left, &below.left), (Side::Right, &below.right)]
        .into_iter()
        .find(|(_, input)| {
            let schema = input.schema();
            looked_at.iter().all(|column| schema.has_column(column))
        })
        .map(|(side, _)| side)
        .filter(|_| !looked_at.is_empty())
}

fn pays(join: &Join, below: &Join, side: Side) -> bool {
    let (input, other) = match side {
        Side::Left => (&below.left, &below.right),
        Side::Right => (&below.right, &below.left),
    };
    match join.join_type {
        JoinType::LeftSemi => has_few_groups(&join.right),
        JoinType::Inner if is_filtered(&join.right) => {
            let known = (bytes(&join.right), bytes(input), bytes(other));
            let (Some(reducing), Some(input), Some(other_bytes)) = known else {
                return false;
            };
            // Of a large side, those rows are fewer that a filtered one leaves of it.
            reducing <= input && (input <= other_bytes || !is_filtered(other))
        }
        _ => false,
    }
}

/// Whether `plan` is groups of which a filter leaves some.
fn has_few_groups(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_few_groups(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_few_groups(&alias.input),
        LogicalPlan::Filter(filter) => is_aggregation(&filter.input),
        _ => false,
    }
}

fn is_aggregation(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_aggregation(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_aggregation(&alias.input),
        LogicalPlan::Aggregate(_) => true,
        _ => false,
    }
}

/// Whether there is a filter in it, of more than nulls: of keys, those match nothing anyway.
fn is_filtered(plan: &LogicalPlan) -> bool {
    let leaves_out = |filter: &Expr| {
        let mut parts = split_conjunction(filter).into_iter();
        parts.any(|part| !matches!(part, Expr::IsNotNull(_)))
    };
    let filters = |plan: &LogicalPlan| {
        Ok(match plan {
            LogicalPlan::Filter(filter) => leaves_out(&filter.predicate),
            LogicalPlan::TableScan(scan) => scan.filters.iter().any(leaves_out),
            _ => false,
        })
    };
    plan.exists(filters).unwrap_or_default()
}

/// Of all tables that it reads; none if one is not known.
fn bytes(plan: &LogicalPlan) -> Option<u64> {
    let mut total = Some(0_u64);
    let visited = plan.apply(|plan| {
        let own = match plan {
            LogicalPlan::TableScan(scan) => table_bytes(scan),
            _ if plan.inputs().is_empty() => None,
            _ => Some(0),
        };
        total = total.zip(own).map(|(total, own)| total.saturating_add(own));
        Ok(match total {
            Some(_) => TreeNodeRecursion::Continue,
            None => TreeNodeRecursion::Stop,
        })
    });
    visited.ok().and(total)
}

fn table_bytes(scan: &TableScan) -> Option<u64> {
    let provider = source_as_provider(&scan.source).ok()?;
    let statistics = provider.statistics()?;
    let bytes = statistics.total_byte_size.get_value().copied();
    let of_rows = |rows: &usize| rows.saturating_mul(row_bytes(&provider.schema()));
    let bytes = bytes.or_else(|| statistics.num_rows.get_value().map(of_rows));
    bytes.map(|bytes| bytes as u64)
}
