//! Rows to columns and back: pivot and unpivot.

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::{
    Cast, Expr, ExprFunctionExt, ExprSchemable, Operator, binary_expr, lit,
};
use weir_plan::functions::ddl::type_name;
use weir_plan::{Error, Result};

use super::arguments::IntoColumn;
use super::grouped::{Grouping, aggregate};
use super::widen::{plain, wider};
use super::{DataFrame, resolve};
use crate::functions::col;

/// The pivoted column between the two aggregations.
const PIVOTED: &str = "__pivoted";
/// The pairs that unpivoting makes of a row.
const PAIRS: &str = "__unpivoted";

/// A column whose values become columns.
#[derive(Debug, Clone)]
pub(super) struct Pivot {
    on: Expr,
    values: Vec<ScalarValue>,
}

impl Pivot {
    /// # Errors
    /// `InvalidPlan` without values, or for one that the column cannot hold.
    pub(super) fn new(on: Expr, values: Vec<ScalarValue>, schema: &DFSchema) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::invalid_plan(
                "pivot() needs the values that become columns; Weir does not look them up",
            ));
        }
        let data_type = plain(&on.get_type(schema)?).clone();
        let values = values
            .into_iter()
            .map(|value| {
                value.cast_to(&data_type).map_err(|error| {
                    Error::invalid_plan(format!(
                        "pivot(): {value} is no value of a column of {}",
                        type_name(&data_type)
                    ))
                    .with_source(error)
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { on, values })
    }

    /// First one row per key and value, then one per key: a value that a key has no row of stays null, which
    /// a count over no rows would not be.
    pub(super) fn aggregate(
        self,
        frame: DataFrame,
        keys: Vec<Expr>,
        aggregates: Vec<Expr>,
    ) -> Result<DataFrame> {
        let width = keys.len();
        let mut both = keys;
        both.push(self.on.clone().alias(PIVOTED));
        let cells = aggregate(frame, both, Grouping::Together, aggregates)?;
        let columns: Vec<Expr> = resolve::all_columns(cells.schema()).collect();
        let names = cells.columns();
        let (keys, rest) = columns.split_at(width);
        let aggregates = &rest[1..];
        let mut pivoted = Vec::new();
        for value in &self.values {
            let title = match value.is_null() {
                true => "null".to_owned(),
                false => value.to_string(),
            };
            for (at, cell) in aggregates.iter().enumerate() {
                let name = match aggregates.len() {
                    1 => title.clone(),
                    _ => format!("{title}_{}", names[width + 1 + at]),
                };
                let here = binary_expr(
                    col(PIVOTED),
                    Operator::IsNotDistinctFrom,
                    lit(value.clone()),
                );
                let cell =
                    datafusion::functions_aggregate::expr_fn::first_value(cell.clone(), vec![])
                        .filter(here)
                        .build()?;
                pivoted.push(cell.alias(name));
            }
        }
        let keys = keys.to_vec();
        aggregate(cells, keys, Grouping::Together, pivoted)
    }
}

impl DataFrame {
    /// A row for each of the columns `values` of each row: the columns `ids`, the name of the column in
    /// `variable`, and its value in `value`, of the type that holds all of them.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist, without values, and for values of types that do not
    /// fit together.
    pub fn unpivot<'a, C: IntoColumn>(
        self,
        ids: impl IntoIterator<Item = C>,
        values: impl IntoIterator<Item = &'a str>,
        variable: &str,
        value: &str,
    ) -> Result<Self> {
        let values: Vec<&str> = values.into_iter().collect();
        let mut common = None;
        for name in &values {
            self.check_columns([*name])?;
            let data_type = plain(&col(*name).get_type(self.schema())?).clone();
            common = match common {
                None => Some((name, data_type)),
                // Text would be read as numbers; Spark does so in unions, but not here.
                Some((first, common)) => match wider(&common, &data_type).filter(|_| {
                    common.is_string() == data_type.is_string()
                        || common.is_null()
                        || data_type.is_null()
                }) {
                    Some(wide) => Some((first, wide)),
                    None => {
                        return Err(Error::invalid_plan(format!(
                            "unpivot puts {first:?} ({}) and {name:?} ({}) into one column, \
                             which cannot hold both; cast one of them",
                            type_name(&common),
                            type_name(&data_type)
                        )));
                    }
                },
            };
        }
        let Some((_, data_type)) = common else {
            return Err(Error::invalid_plan(
                "unpivot needs at least one column of values",
            ));
        };
        let pairs = values.iter().map(|name| {
            named_struct(vec![
                lit("variable"),
                lit(*name),
                lit("value"),
                Expr::Cast(Cast::new(Box::new(col(*name)), data_type.clone())),
            ])
        });
        let pairs = make_array(pairs.collect());
        let mut columns: Vec<Expr> = ids.into_iter().map(IntoColumn::into_column).collect();
        let width = columns.len();
        columns.push(pairs.alias(PAIRS));
        let rows = self.select(columns)?;
        let inner = rows.inner.unnest_columns(&[PAIRS])?;
        let rows = Self::new(rows.session, inner);
        let mut columns: Vec<Expr> = resolve::all_columns(rows.schema()).take(width).collect();
        columns.push(get_field(col(PAIRS), "variable").alias(variable));
        columns.push(get_field(col(PAIRS), "value").alias(value));
        rows.select(columns)
    }

    /// [`Self::unpivot`].
    ///
    /// # Errors
    /// As [`Self::unpivot`].
    pub fn melt<'a, C: IntoColumn>(
        self,
        ids: impl IntoIterator<Item = C>,
        values: impl IntoIterator<Item = &'a str>,
        variable: &str,
        value: &str,
    ) -> Result<Self> {
        self.unpivot(ids, values, variable, value)
    }
}
