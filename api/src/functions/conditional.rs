//! Nulls, and choices between values. As the engine compares them, `-0.0` is less than `0.0`, which in Spark are equal.

use datafusion::functions::expr_fn as engine;
use datafusion::logical_expr::Expr;

/// The first of `exprs` that is not null.
#[must_use]
pub fn coalesce(exprs: Vec<Expr>) -> Expr {
    engine::coalesce(exprs)
}

/// `expr`, or `other` where it is null.
#[must_use]
pub fn nvl(expr: Expr, other: Expr) -> Expr {
    engine::coalesce(vec![expr, other])
}

/// As [`nvl`].
#[must_use]
pub fn ifnull(expr: Expr, other: Expr) -> Expr {
    nvl(expr, other)
}

/// `present` where `expr` is not null, else `absent`.
#[must_use]
pub fn nvl2(expr: Expr, present: Expr, absent: Expr) -> Expr {
    engine::nvl2(expr, present, absent)
}

/// `expr`, or null where it equals `other`.
#[must_use]
pub fn nullif(expr: Expr, other: Expr) -> Expr {
    engine::nullif(expr, other)
}

/// Whether it is null.
#[must_use]
pub fn isnull(expr: Expr) -> Expr {
    expr.is_null()
}

/// Whether it is not null.
#[must_use]
pub fn isnotnull(expr: Expr) -> Expr {
    expr.is_not_null()
}

/// The greatest of `exprs`, nulls left out; `NaN` is greater than any other number.
#[must_use]
pub fn greatest(exprs: Vec<Expr>) -> Expr {
    engine::greatest(exprs)
}

/// The least of `exprs`, nulls left out; `NaN` is greater than any other number.
#[must_use]
pub fn least(exprs: Vec<Expr>) -> Expr {
    engine::least(exprs)
}
