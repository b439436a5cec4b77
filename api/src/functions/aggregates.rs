//! Functions of groups of rows; nulls are left out. With [`WindowExt::over`](super::WindowExt::over) they are functions of windows.

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn as engine;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Cast, Expr, lit};
use weir_plan::functions::collections::EMPTY_IF_NULL;
use weir_plan::functions::kernel::Function;

pub use engine::{avg, max, min};
pub use weir_plan::functions::sum;

/// As [`avg`].
#[must_use]
pub fn mean(expr: Expr) -> Expr {
    avg(expr)
}

/// The sum of the different values.
#[must_use]
pub fn sum_distinct(expr: Expr) -> Expr {
    engine::sum_distinct(expr)
}

/// How many rows `expr` is not null in; `count(lit(1))` counts rows.
#[must_use]
pub fn count(expr: Expr) -> Expr {
    engine::count(expr)
}

/// How many different values `expr` has, nulls left out.
#[must_use]
pub fn count_distinct(expr: Expr) -> Expr {
    engine::count_distinct(expr)
}

/// How many rows `expr` is true in.
#[must_use]
pub fn count_if(expr: Expr) -> Expr {
    engine::count(super::nullif(expr, lit(false)))
}

/// About how many different values `expr` has (HyperLogLog, of which the relative error is about 0.8 %; Spark's is 5 % unless
/// told otherwise, so that large counts differ from its).
#[must_use]
pub fn approx_count_distinct(expr: Expr) -> Expr {
    typed(engine::approx_distinct(expr), DataType::Int64)
}

/// The standard deviation of a sample (`n - 1`); null for fewer than two values.
#[must_use]
pub fn stddev(expr: Expr) -> Expr {
    engine::stddev(double(expr))
}

/// As [`stddev`].
#[must_use]
pub fn stddev_samp(expr: Expr) -> Expr {
    stddev(expr)
}

/// The standard deviation of all values.
#[must_use]
pub fn stddev_pop(expr: Expr) -> Expr {
    engine::stddev_pop(double(expr))
}

/// The variance of a sample (`n - 1`); null for fewer than two values.
#[must_use]
pub fn variance(expr: Expr) -> Expr {
    engine::var_sample(double(expr))
}

/// As [`variance`].
#[must_use]
pub fn var_samp(expr: Expr) -> Expr {
    variance(expr)
}

/// The variance of all values.
#[must_use]
pub fn var_pop(expr: Expr) -> Expr {
    engine::var_pop(double(expr))
}

/// Pearson's coefficient of correlation; null where a column has one value only, of which Spark's ANSI mode ends the query.
#[must_use]
pub fn corr(one: Expr, other: Expr) -> Expr {
    engine::corr(double(one), double(other))
}

/// The covariance of a sample (`n - 1`); null for fewer than two pairs.
#[must_use]
pub fn covar_samp(one: Expr, other: Expr) -> Expr {
    engine::covar_samp(double(one), double(other))
}

/// The covariance of all values.
#[must_use]
pub fn covar_pop(one: Expr, other: Expr) -> Expr {
    engine::covar_pop(double(one), double(other))
}

/// The middle value, or the mean of the two in the middle (`double`).
#[must_use]
pub fn median(expr: Expr) -> Expr {
    engine::median(double(expr))
}

/// Whether it is true in every row.
#[must_use]
pub fn bool_and(expr: Expr) -> Expr {
    engine::bool_and(expr)
}

/// As [`bool_and`].
#[must_use]
pub fn every(expr: Expr) -> Expr {
    bool_and(expr)
}

/// Whether it is true in a row.
#[must_use]
pub fn bool_or(expr: Expr) -> Expr {
    engine::bool_or(expr)
}

/// As [`bool_or`].
#[must_use]
pub fn some(expr: Expr) -> Expr {
    bool_or(expr)
}

/// Any value, also null.
#[must_use]
pub fn any_value(expr: Expr) -> Expr {
    super::first(expr, false)
}

/// `expr` of the row with the greatest `by`; of several such rows any.
#[must_use]
pub fn max_by(expr: Expr, by: Expr) -> Expr {
    let order = vec![by.clone().sort(false, false)];
    filtered(engine::first_value(expr, order), by.is_not_null())
}

/// `expr` of the row with the least `by`; of several such rows any.
#[must_use]
pub fn min_by(expr: Expr, by: Expr) -> Expr {
    let order = vec![by.clone().sort(true, false)];
    filtered(engine::first_value(expr, order), by.is_not_null())
}

/// The values as an array, in no order that is said.
#[must_use]
pub fn collect_list(expr: Expr) -> Expr {
    let present = expr.clone().is_not_null();
    let collected = filtered(engine::array_agg(expr), present);
    Function::call(&EMPTY_IF_NULL, vec![collected])
}

/// The different values as an array, in no order that is said.
#[must_use]
pub fn collect_set(expr: Expr) -> Expr {
    let present = expr.clone().is_not_null();
    let collected = match filtered(engine::array_agg(expr), present) {
        Expr::AggregateFunction(mut aggregate) => {
            aggregate.params.distinct = true;
            Expr::AggregateFunction(aggregate)
        }
        other => other,
    };
    Function::call(&EMPTY_IF_NULL, vec![collected])
}

fn double(expr: Expr) -> Expr {
    typed(expr, DataType::Float64)
}

fn typed(expr: Expr, to: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}

/// `aggregate` of the rows for which `predicate` is true.
fn filtered(aggregate: Expr, predicate: Expr) -> Expr {
    match aggregate {
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            params.filter = Some(Box::new(predicate));
            Expr::AggregateFunction(AggregateFunction { func, params })
        }
        other => other,
    }
}
