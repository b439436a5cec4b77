//! Scalars whose values are looked at one by one: decimals, times, texts, enums.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, DictionaryArray,
    FixedSizeBinaryBuilder, Int32Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Decimal128Type, Int32Type, TimestampMicrosecondType};
use serde_json::Value;

use super::fit::{internal, text_of};
use super::schema::{data_type, items};
use crate::error::Result;
use crate::functions::encode::unfit;

pub(super) fn decimals(
    array: &ArrayRef,
    scale: i8,
    nulls: Option<&NullBuffer>,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let DataType::Decimal128(digits, wanted) = data_type(schema, place)? else {
        return Err(internal("a decimal"));
    };
    let bound = 10_i128.pow(u32::from(digits));
    // Of `fixed`: so many bits and a sign.
    let bits = schema["size"].as_u64().map(|size| size.saturating_mul(8));
    let fits = |value: i128| {
        let used = 129
            - u64::from(match value < 0 {
                true => value.leading_ones(),
                false => value.leading_zeros(),
            });
        value.unsigned_abs() < bound.unsigned_abs() && bits.is_none_or(|bits| used <= bits)
    };
    let values = array.as_primitive::<Decimal128Type>();
    let mut scaled = Vec::with_capacity(values.len());
    let places = i32::from(wanted) - i32::from(scale);
    let power = 10_i128.checked_pow(places.unsigned_abs());
    for (row, value) in values.values().iter().enumerate() {
        let found = match (power, places >= 0) {
            _ if *value == 0 => Some(0),
            (Some(power), true) => value.checked_mul(power),
            (Some(power), false) if value % power == 0 => Some(value / power),
            _ => None,
        };
        scaled.push(match found.filter(|value| fits(*value)) {
            Some(value) => value,
            None if nulls.is_some_and(|nulls| nulls.is_null(row)) => 0,
            None => {
                let why = format!("which is no {} without rounding", text_of(schema));
                return Err(unfit(place, array, row, &why));
            }
        });
    }
    let scaled = Decimal128Array::new(scaled.into(), values.nulls().cloned());
    let scaled = scaled.with_precision_and_scale(digits, wanted);
    Ok(Arc::new(scaled.map_err(internal)?))
}

pub(super) fn timestamps(
    array: &ArrayRef,
    millis: bool,
    nulls: Option<&NullBuffer>,
    place: &str,
) -> Result<ArrayRef> {
    let micros: &TimestampMicrosecondArray = array.as_primitive::<TimestampMicrosecondType>();
    if !millis {
        return Ok(Arc::clone(array));
    }
    let uneven = |row: &usize| {
        micros.value(*row) % 1000 != 0 && nulls.is_none_or(|nulls| nulls.is_valid(*row))
    };
    if let Some(row) = (0..micros.len()).find(uneven) {
        let why = "which has microseconds, and its type milliseconds only";
        return Err(unfit(place, array, row, why));
    }
    let millis: ScalarBuffer<i64> = micros.values().iter().map(|micros| micros / 1000).collect();
    Ok(Arc::new(TimestampMillisecondArray::new(
        millis,
        micros.nulls().cloned(),
    )))
}

pub(super) fn fixed(
    values: &BinaryArray,
    valid: &impl Fn(usize) -> bool,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let size = schema["size"].as_u64().unwrap_or(0);
    let width = i32::try_from(size).map_err(internal)?;
    let mut bytes = FixedSizeBinaryBuilder::with_capacity(values.len(), width);
    for row in 0..values.len() {
        match valid(row) {
            false => bytes.append_null(),
            true if values.value(row).len() as u64 == size => {
                bytes.append_value(values.value(row)).map_err(internal)?;
            }
            true => {
                let why = format!(
                    "of {} bytes, and its type is of {size} bytes",
                    values.value(row).len()
                );
                return Err(unfit(place, values, row, &why));
            }
        }
    }
    Ok(Arc::new(bytes.finish()))
}

pub(super) fn texts(
    values: &BinaryArray,
    valid: &impl Fn(usize) -> bool,
    place: &str,
) -> Result<ArrayRef> {
    let mut texts = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        texts.push(match (valid(row), std::str::from_utf8(values.value(row))) {
            (false, _) => None,
            (true, Ok(text)) => Some(text),
            (true, Err(_)) => return Err(unfit(place, values, row, "which is no UTF-8")),
        });
    }
    Ok(Arc::new(StringArray::from(texts)))
}

pub(super) fn symbols(
    values: &StringArray,
    valid: &impl Fn(usize) -> bool,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let known: Vec<&str> = items(schema, "symbols")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let numbers: HashMap<&str, i32> = known.iter().copied().zip(0..).collect();
    let mut keys = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        keys.push(match (valid(row), numbers.get(values.value(row))) {
            (false, _) => None,
            (true, Some(number)) => Some(*number),
            (true, None) => {
                let why = format!("which is no symbol of enum {}", schema["name"]);
                return Err(unfit(place, values, row, &why));
            }
        });
    }
    let keys = Int32Array::from(keys);
    let symbols = Arc::new(StringArray::from(known));
    let dictionary = DictionaryArray::<Int32Type>::try_new(keys, symbols);
    Ok(Arc::new(dictionary.map_err(internal)?))
}
