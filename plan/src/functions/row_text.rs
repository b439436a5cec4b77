//! One row of a struct as a line of JSON: how examples of rows are shown.
//!
//! Null is `null`, numbers and booleans are JSON's, what JSON has no number for (`NaN`) and every other
//! type is its text. The keys are the struct's fields, in their order.

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DataFusionError;
use serde_json::{Map, Number, Value};

/// Row `row` of `rows` as JSON, on one line.
pub(super) fn row_json(rows: &StructArray, row: usize) -> Result<String, DataFusionError> {
    let mut fields = Map::new();
    for (name, column) in rows.column_names().into_iter().zip(rows.columns()) {
        fields.insert(name.to_owned(), value_json(column.as_ref(), row)?);
    }
    Ok(Value::Object(fields).to_string())
}

fn value_json(column: &dyn Array, row: usize) -> Result<Value, DataFusionError> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let float = match column.data_type() {
        DataType::Boolean => return Ok(Value::Bool(column.as_boolean().value(row))),
        DataType::Float64 => Some(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => Some(f64::from(column.as_primitive::<Float32Type>().value(row))),
        _ => None,
    };
    if let Some(number) = float.and_then(Number::from_f64) {
        return Ok(Value::Number(number));
    }
    let text = ArrayFormatter::try_new(column, &FormatOptions::default())?
        .value(row)
        .try_to_string()?;
    if column.data_type().is_integer()
        && let Ok(number) = text.parse::<Number>()
    {
        return Ok(Value::Number(number));
    }
    Ok(Value::String(text))
}
