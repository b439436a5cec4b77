//! JSON text: [`weir_plan::functions::from_json`] is one of them.

use datafusion::logical_expr::{Expr, lit};
use weir_plan::functions::kernel::Function;
use weir_plan::functions::registry::{GET_JSON_OBJECT, TO_JSON};

/// The value at `path` (`"$.a.b[0]"`) of the JSON text `expr`, as text; null where there is none or the
/// text is broken before it. Wildcards are refused when the query runs.
#[must_use]
pub fn get_json_object(expr: Expr, path: &str) -> Expr {
    Function::call(&GET_JSON_OBJECT, vec![expr, lit(path)])
}

/// A struct, array or map as JSON text. Null fields are left out, timestamps have milliseconds, as in Spark.
#[must_use]
pub fn to_json(expr: Expr) -> Expr {
    Function::call(&TO_JSON, vec![expr])
}
