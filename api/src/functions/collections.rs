//! Arrays, maps and structs.

use datafusion::functions_nested::expr_fn as nested;
use datafusion::logical_expr::{Expr, lit};
use weir_plan::functions::collections::{ARRAY_CONTAINS, ELEMENT_AT, FLATTEN, SIZE};
use weir_plan::functions::kernel::Function;

/// An array of `exprs`, which become of one type.
#[must_use]
pub fn array(exprs: Vec<Expr>) -> Expr {
    nested::make_array(exprs)
}

/// A struct of fields: names and values.
#[must_use]
pub fn named_struct<'a>(fields: impl IntoIterator<Item = (&'a str, Expr)>) -> Expr {
    let args = fields
        .into_iter()
        .flat_map(|(name, value)| [lit(name), value]);
    datafusion::functions::expr_fn::named_struct(args.collect())
}

/// How many elements an array or entries a map has (`int`).
#[must_use]
pub fn size(expr: Expr) -> Expr {
    Function::call(&SIZE, vec![expr])
}

/// Whether `value` is in the array; null where it is not, but nulls are.
#[must_use]
pub fn array_contains(expr: Expr, value: Expr) -> Expr {
    Function::call(&ARRAY_CONTAINS, vec![expr, value])
}

/// An array's element, from 1 or, below 0, from the end, of which one that is not there ends the query; or a map's value of a
/// key, null where there is none.
#[must_use]
pub fn element_at(expr: Expr, extraction: Expr) -> Expr {
    Function::call(&ELEMENT_AT, vec![expr, extraction])
}

/// The array's different values, each where it first is.
#[must_use]
pub fn array_distinct(expr: Expr) -> Expr {
    nested::array_distinct(expr)
}

/// The array in ascending order, nulls last.
#[must_use]
pub fn array_sort(expr: Expr) -> Expr {
    nested::array_sort(expr, lit("ASC"), lit("NULLS LAST"))
}

/// The array in ascending order with nulls first, or in descending order with nulls last.
#[must_use]
pub fn sort_array(expr: Expr, ascending: bool) -> Expr {
    let (order, nulls) = match ascending {
        true => ("ASC", "NULLS FIRST"),
        false => ("DESC", "NULLS LAST"),
    };
    nested::array_sort(expr, lit(order), lit(nulls))
}

/// An array's arrays one after the other; null where one of them is null.
#[must_use]
pub fn flatten(expr: Expr) -> Expr {
    Function::call(&FLATTEN, vec![expr])
}

/// The keys of a map.
#[must_use]
pub fn map_keys(expr: Expr) -> Expr {
    nested::map_keys(expr)
}

/// The values of a map.
#[must_use]
pub fn map_values(expr: Expr) -> Expr {
    nested::map_values(expr)
}
