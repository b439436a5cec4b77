//! A dataframe's groups, waiting for their aggregates.

mod salted;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::functions::math::expr_fn::isnan;
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::logical_expr::{Expr, ExprSchemable, GroupingSet, LogicalPlanBuilder, lit, not};
use weir_plan::functions::ddl::type_name;
use weir_plan::{Error, Result};

use super::hint::check_buckets;
use super::pivot::Pivot;
use super::widen::plain;
use super::{DataFrame, resolve};
use crate::functions::{self, col};

use salted::aggregate_in_two_steps;

/// What [`DataFrame::group_by`], [`DataFrame::rollup`] and [`DataFrame::cube`] return.
#[derive(Debug, Clone)]
pub struct GroupedData {
    frame: DataFrame,
    keys: Vec<Expr>,
    grouping: Grouping,
    pivot: Option<Pivot>,
}

/// Which combinations of the keys make groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    /// All keys together.
    Together,
    /// All keys together, after the rows of each of so many buckets.
    Salted(u32),
    /// All keys, then without the last, and so on, down to none.
    Rollup,
    /// Every subset of the keys.
    Cube,
}

impl GroupedData {
    pub(super) fn new(frame: DataFrame, keys: Vec<Expr>, grouping: Grouping) -> Self {
        Self {
            frame,
            keys,
            grouping,
            pivot: None,
        }
    }

    /// One row per group: its keys and `aggregates`, which may compute with aggregates and keys. Null is a
    /// key like any other.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist, that is neither a key nor aggregated, or an aggregate
    /// over types it does not take.
    pub fn agg(self, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let aggregates: Vec<Expr> = aggregates.into_iter().collect();
        match self.pivot {
            Some(pivot) => pivot.aggregate(self.frame, self.keys, aggregates),
            None => aggregate(self.frame, self.keys, self.grouping, aggregates),
        }
    }

    /// The number of rows per group, in column `count`.
    ///
    /// # Errors
    /// As [`Self::agg`].
    pub fn count(self) -> Result<DataFrame> {
        self.agg([functions::count(lit(1)).alias("count")])
    }

    /// The sums of `columns`, called `sum(column)`; of every numeric column without any.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist or is not numeric.
    pub fn sum<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Result<DataFrame> {
        self.numeric("sum", functions::sum, columns)
    }

    /// The means of `columns`, called `avg(column)`; of every numeric column without any.
    ///
    /// # Errors
    /// As [`Self::sum`].
    pub fn avg<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Result<DataFrame> {
        self.numeric("avg", functions::avg, columns)
    }

    /// [`Self::avg`].
    ///
    /// # Errors
    /// As [`Self::sum`].
    pub fn mean<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Result<DataFrame> {
        self.avg(columns)
    }

    /// The least values of `columns`, called `min(column)`; of every numeric column without any.
    ///
    /// # Errors
    /// As [`Self::sum`].
    pub fn min<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Result<DataFrame> {
        self.numeric("min", functions::min, columns)
    }

    /// The greatest values of `columns`, called `max(column)`; of every numeric column without any.
    ///
    /// # Errors
    /// As [`Self::sum`].
    pub fn max<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Result<DataFrame> {
        self.numeric("max", functions::max, columns)
    }

    /// A column for each of `values` of the column `on`, holding the aggregates of the group's rows with that
    /// value; null where there are none. With several aggregates columns are called `value_aggregate`.
    ///
    /// The values are not looked up: that would run the query to plan it.
    ///
    /// # Errors
    /// `InvalidPlan` without values, after a rollup or cube, or after another pivot.
    pub fn pivot<V: Into<ScalarValue>>(
        mut self,
        on: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self> {
        if self.grouping != Grouping::Together || self.pivot.is_some() {
            return Err(Error::invalid_plan(
                "pivot() follows group_by(), once; it goes with no rollup, cube, salt or other pivot",
            ));
        }
        let values = values.into_iter().map(Into::into).collect();
        let on = resolve::resolve(col(on), self.frame.schema())?;
        self.pivot = Some(Pivot::new(on, values, self.frame.schema())?);
        Ok(self)
    }

    /// Spreads the rows of each group over `buckets`, aggregates those of each bucket, and then each group's buckets: for groups so large that
    /// the task which has one takes longer than all others. The result is the same, but for the order in which floating point numbers
    /// are added.
    ///
    /// # Errors
    /// `InvalidArgument` for no buckets, and for more than [`BUCKETS_MAX`](weir_plan::joins::BUCKETS_MAX); `InvalidPlan` without keys, and
    /// after a rollup, cube or pivot. [`Self::agg`] then refuses what cannot be made of parts: `Unsupported`, naming it.
    pub fn salted(mut self, buckets: u32) -> Result<Self> {
        check_buckets(buckets)?;
        let is_plain = self.grouping == Grouping::Together && self.pivot.is_none();
        if !is_plain || self.keys.is_empty() {
            return Err(Error::invalid_plan(
                "salted() follows group_by() of at least one key; it goes with no rollup, cube or pivot",
            ));
        }
        self.grouping = Grouping::Salted(buckets);
        Ok(self)
    }

    fn numeric<'a>(
        self,
        name: &str,
        aggregate: fn(Expr) -> Expr,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> Result<DataFrame> {
        let schema = self.frame.schema();
        let mut names: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        if names.is_empty() {
            let keys: Vec<&String> = self
                .keys
                .iter()
                .filter_map(|key| match key {
                    Expr::Column(column) => Some(&column.name),
                    _ => None,
                })
                .collect();
            names = schema
                .fields()
                .iter()
                .filter(|field| is_numeric(field.data_type()) && !keys.contains(&field.name()))
                .map(|field| field.name().clone())
                .collect();
        }
        let mut aggregates = Vec::new();
        for column in names {
            let resolved = resolve::resolve(col(&column), schema)?;
            let data_type = resolved.get_type(schema)?;
            if !is_numeric(&data_type) {
                return Err(Error::invalid_plan(format!(
                    "{name}() takes numeric columns, and {column:?} is {}; \
                     agg() takes other aggregates",
                    type_name(plain(&data_type))
                )));
            }
            aggregates.push(aggregate(resolved).alias(format!("{name}({column})")));
        }
        self.agg(aggregates)
    }
}

fn is_numeric(data_type: &DataType) -> bool {
    plain(data_type).is_numeric()
}

/// Groups `frame` and computes `aggregates`, which need not be aggregates all the way down.
pub(super) fn aggregate(
    frame: DataFrame,
    keys: Vec<Expr>,
    grouping: Grouping,
    aggregates: Vec<Expr>,
) -> Result<DataFrame> {
    let schema = frame.schema().clone();
    let resolved = |exprs: Vec<Expr>| -> Result<Vec<Expr>> {
        exprs
            .into_iter()
            .map(|expr| least_numbers(resolve::resolve_named(expr, &schema)?, &schema))
            .collect()
    };
    let (keys, aggregates) = (resolved(keys)?, resolved(aggregates)?);
    let plain_keys: Vec<Expr> = keys.iter().cloned().map(Expr::unalias).collect();
    let calls = find_aggregate_exprs(&aggregates);
    let groups = match grouping {
        _ if keys.is_empty() => vec![],
        Grouping::Together | Grouping::Salted(_) => plain_keys.clone(),
        Grouping::Rollup => vec![Expr::GroupingSet(GroupingSet::Rollup(plain_keys.clone()))],
        Grouping::Cube => vec![Expr::GroupingSet(GroupingSet::Cube(plain_keys.clone()))],
    };
    frame.map_plan(|plan| {
        let grouped = match grouping {
            Grouping::Salted(buckets) => aggregate_in_two_steps(plan, &groups, &calls, buckets)?,
            _ => LogicalPlanBuilder::from(plan)
                .aggregate(groups, calls.clone())?
                .build()?,
        };
        let output = grouped.schema();
        let computed = output.fields().len() - calls.len();
        let column = |at: usize| Expr::Column(Column::from(output.qualified_field(at)));
        let mut selected: Vec<Expr> = keys
            .iter()
            .enumerate()
            .map(|(at, key)| match key {
                Expr::Alias(alias) => {
                    column(at).alias_qualified(alias.relation.clone(), &alias.name)
                }
                _ => column(at),
            })
            .collect();
        for expr in aggregates {
            let replaced = expr.transform_down(|expr| {
                let place = calls
                    .iter()
                    .position(|call| *call == expr)
                    .map(|at| computed + at)
                    .or_else(|| plain_keys.iter().position(|key| *key == expr));
                if let Some(at) = place {
                    return Ok(Transformed::new(column(at), true, TreeNodeRecursion::Jump));
                }
                if let Expr::Column(column) = &expr {
                    return Err(Error::invalid_plan(format!(
                        "column {:?} is neither grouped by nor aggregated; \
                         group by it, or take its first(), min() or max()",
                        column.name
                    ))
                    .into());
                }
                Ok(Transformed::no(expr))
            })?;
            selected.push(replaced.data);
        }
        Ok(LogicalPlanBuilder::from(grouped)
            .project(selected)?
            .build()?)
    })
}

/// The engine's `min` of floats takes NaN for the least of some groups; in Spark it is the greatest value.
fn least_numbers(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = expr.transform_up(|expr| {
        let Expr::AggregateFunction(call) = &expr else {
            return Ok(Transformed::no(expr));
        };
        let [value] = &call.params.args[..] else {
            return Ok(Transformed::no(expr));
        };
        if call.func.name() != "min" || !value.get_type(schema)?.is_floating() {
            return Ok(Transformed::no(expr));
        }
        let mut numbers = call.clone();
        let number = not(isnan(value.clone()));
        numbers.params.filter = Some(Box::new(match &call.params.filter {
            Some(filter) => filter.as_ref().clone().and(number),
            None => number,
        }));
        // Of nothing but NaN it is NaN.
        let least = functions::coalesce(vec![Expr::AggregateFunction(numbers), expr]);
        Ok(Transformed::yes(least))
    })?;
    Ok(expr.data)
}
