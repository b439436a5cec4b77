//! Column functions, as `pyspark.sql.functions` names them.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Column;
pub use datafusion::functions_aggregate::expr_fn::{avg, max, min, sum};
use datafusion::logical_expr::{Cast, Expr, TryCast};
pub use datafusion::logical_expr::{lit, not, when};
pub use weir_plan::functions::pinned;
use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

/// The column `name`, exactly as spelt: dots and capitals are part of it.
#[must_use]
pub fn col(name: impl Into<String>) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// How many rows `expr` is not null in; `count(lit(1))` counts rows.
#[must_use]
pub fn count(expr: Expr) -> Expr {
    datafusion::functions_aggregate::expr_fn::count(expr)
}

/// How many different values `expr` has, nulls left out.
#[must_use]
pub fn count_distinct(expr: Expr) -> Expr {
    datafusion::functions_aggregate::expr_fn::count_distinct(expr)
}

/// The time a query began; in a stream, the time its batch was planned, also when it runs again.
#[must_use]
pub fn current_timestamp() -> Expr {
    datafusion::functions::expr_fn::now()
}

/// The first of `exprs` that is not null.
#[must_use]
pub fn coalesce(exprs: Vec<Expr>) -> Expr {
    datafusion::functions::expr_fn::coalesce(exprs)
}

/// Methods of PySpark's `Column` that DataFusion's `Expr` lacks.
pub trait ColumnExt: Sized {
    /// As type `to`, a Spark type name (`"string"`, `"bigint"`, `"timestamp"`, `"decimal(10,2)"`).
    /// A value that cannot be converted fails the query, as in Spark's ANSI mode.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown type name.
    fn cast(self, to: &str) -> Result<Expr>;

    /// As [`Self::cast`], with null for a value that cannot be converted.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown type name.
    fn try_cast(self, to: &str) -> Result<Expr>;
}

impl ColumnExt for Expr {
    fn cast(self, to: &str) -> Result<Expr> {
        Ok(Expr::Cast(Cast::new(Box::new(self), parse_type(to)?)))
    }

    fn try_cast(self, to: &str) -> Result<Expr> {
        Ok(Expr::TryCast(TryCast::new(Box::new(self), parse_type(to)?)))
    }
}

const TYPES: &[(&str, DataType)] = &[
    ("string", DataType::Utf8),
    ("binary", DataType::Binary),
    ("boolean", DataType::Boolean),
    ("tinyint", DataType::Int8),
    ("byte", DataType::Int8),
    ("smallint", DataType::Int16),
    ("short", DataType::Int16),
    ("int", DataType::Int32),
    ("integer", DataType::Int32),
    ("bigint", DataType::Int64),
    ("long", DataType::Int64),
    ("float", DataType::Float32),
    ("double", DataType::Float64),
    ("date", DataType::Date32),
];

/// Spark's simple type names; timestamps are microseconds in UTC.
fn parse_type(name: &str) -> Result<DataType> {
    let wanted = name.trim().to_lowercase();
    if let Some((_, found)) = TYPES.iter().find(|(known, _)| *known == wanted) {
        return Ok(found.clone());
    }
    if wanted == "timestamp" {
        return Ok(DataType::Timestamp(
            TimeUnit::Microsecond,
            Some("UTC".into()),
        ));
    }
    if wanted == "timestamp_ntz" {
        return Ok(DataType::Timestamp(TimeUnit::Microsecond, None));
    }
    if let Some(inside) = wanted
        .strip_prefix("decimal")
        .and_then(|rest| rest.trim().strip_prefix('(')?.strip_suffix(')'))
        && let Some((precision, scale)) = inside.split_once(',')
        && let (Ok(precision @ 1..=38), Ok(scale)) =
            (precision.trim().parse(), scale.trim().parse())
        && (0..=38).contains(&scale)
    {
        return Ok(DataType::Decimal128(precision, scale));
    }
    Err(Error::invalid_argument(format!(
        "unknown type {name:?}{}",
        did_you_mean(&wanted, TYPES.iter().map(|(known, _)| *known))
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spark_type_names_are_understood() {
        assert_eq!(parse_type("STRING").unwrap(), DataType::Utf8);
        assert_eq!(
            parse_type("decimal(10, 2)").unwrap(),
            DataType::Decimal128(10, 2)
        );
    }

    #[test]
    fn misspelt_type_is_refused_with_the_nearest_one() {
        let error = parse_type("strin").unwrap_err();
        assert!(error.to_string().contains("\"string\""), "{error}");
        assert!(parse_type("decimal(99,2)").is_err());
    }
}
