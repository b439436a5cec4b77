//! What breaks `range`, `in_set` and `matches`, in the column's own type.

use serde_json::Value;
use weir::datafusion::arrow::datatypes::DataType;
use weir::datafusion::common::ScalarValue;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir::{Error, Result};

use super::suite::{Bound as End, Kind};
use super::table::Table;

pub(super) fn wrong_type(column: &str, found: &DataType, expected: &str) -> Error {
    Error::invalid_plan(format!(
        "column {column:?} is of type {found}; this check takes {expected}"
    ))
}

pub(super) fn text_column(table: &Table, column: &str) -> Result<()> {
    match table.type_of(column)? {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        other => Err(wrong_type(column, &other, "texts")),
    }
}

/// The values outside of a range. Null is inside: `not_null` refuses it. NaN is outside of any.
pub(super) fn outside(table: &Table, kind: &Kind) -> Result<Expr> {
    let Kind::Range {
        column,
        min,
        max,
        exclusive_min,
        exclusive_max,
    } = kind
    else {
        return Err(Error::internal("a range was expected"));
    };
    let found = table.type_of(column)?;
    let numeric = found.is_numeric();
    if !(numeric || matches!(found, DataType::Date32 | DataType::Timestamp(..))) {
        return Err(wrong_type(column, &found, "numbers, dates and timestamps"));
    }
    let value = |end: &End| match end {
        End::Number(number) if numeric => Ok(number_literal(&number.to_string(), &found)),
        End::Text(text) if !numeric => literal(column, text, &found),
        End::Number(other) => Err(not_a(column, &other.to_string(), &found)),
        End::Text(other) => Err(not_a(column, other, &found)),
    };
    let mut outside = Vec::new();
    if let Some(min) = min {
        let min = lit(value(min)?);
        outside.push(if *exclusive_min {
            col(column).lt_eq(min)
        } else {
            col(column).lt(min)
        });
    }
    if let Some(max) = max {
        let max = lit(value(max)?);
        outside.push(if *exclusive_max {
            col(column).gt_eq(max)
        } else {
            col(column).gt(max)
        });
    }
    if found.is_floating() {
        // The engine orders NaN above, and its negative below, every number.
        outside.push(col(column).gt(lit(f64::INFINITY)));
        outside.push(col(column).lt(lit(f64::NEG_INFINITY)));
    }
    outside
        .into_iter()
        .reduce(Expr::or)
        .ok_or_else(|| Error::internal("a range without an end"))
}

/// The values that are not in a set. Null is let pass.
pub(super) fn not_in(table: &Table, column: &str, values: &[Value]) -> Result<Expr> {
    let found = table.type_of(column)?;
    let literals = values
        .iter()
        .map(|value| match value {
            Value::Number(number) if found.is_numeric() => {
                Ok(lit(number_literal(&number.to_string(), &found)))
            }
            Value::Bool(flag) if found == DataType::Boolean => Ok(lit(*flag)),
            Value::String(text) if !found.is_numeric() && found != DataType::Boolean => {
                literal(column, text, &found).map(lit)
            }
            other => Err(not_a(column, &other.to_string(), &found)),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(col(column).in_list(literals, true))
}

/// A number in the column's own type, exactly; as a double where that type has no such number.
fn number_literal(text: &str, of: &DataType) -> ScalarValue {
    let exact = ScalarValue::try_from_string(text.to_owned(), of).ok();
    let lossless = |value: &ScalarValue| {
        !matches!(of, DataType::Decimal128(..) | DataType::Decimal256(..))
            || value
                .cast_to(&DataType::Float64)
                .is_ok_and(|double| double.to_string().parse::<f64>() == text.parse::<f64>())
    };
    match exact.filter(|value| !value.is_null() && lossless(value)) {
        Some(value) => value,
        None => ScalarValue::Float64(text.parse().ok()),
    }
}

fn literal(column: &str, text: &str, of: &DataType) -> Result<ScalarValue> {
    match ScalarValue::try_from_string(text.to_owned(), of) {
        Ok(value) if !value.is_null() => Ok(value),
        _ => Err(not_a(column, text, of)),
    }
}

fn not_a(column: &str, given: &str, of: &DataType) -> Error {
    Error::invalid_plan(format!(
        "column {column:?} is of type {of}, and {given:?} is no value of it"
    ))
}
