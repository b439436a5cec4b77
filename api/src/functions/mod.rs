//! Column functions, as `pyspark.sql.functions` names them.

mod column;
mod datetime;
mod json;
mod text;
mod window;

use datafusion::common::Column;
pub use datafusion::functions_aggregate::expr_fn::{avg, max, min, sum};
use datafusion::logical_expr::{Cast, Expr};
pub use datafusion::logical_expr::{lit, not, when};
use weir_plan::functions::ddl::timestamp_type;
pub use weir_plan::functions::ddl::type_name;
pub use weir_plan::functions::{from_json, pinned};

pub use column::{ColumnExt, IntoSort};
pub use datetime::*;
pub use json::{get_json_object, to_json};
pub use text::*;
pub use window::{
    Window, WindowExt, WindowSpec, cume_dist, dense_rank, first, lag, last, lead, nth_value, ntile,
    percent_rank, rank, row_number,
};

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
    let now = datafusion::functions::expr_fn::now();
    Expr::Cast(Cast::new(Box::new(now), timestamp_type()))
}

/// The first of `exprs` that is not null.
#[must_use]
pub fn coalesce(exprs: Vec<Expr>) -> Expr {
    datafusion::functions::expr_fn::coalesce(exprs)
}
