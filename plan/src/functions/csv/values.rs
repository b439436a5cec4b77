//! Fields into columns, as Spark's `UnivocityParser` converts them.

use super::options::CsvOptions;
use crate::error::Result;
use crate::functions::column::{Column, Kind};
use crate::functions::json::parse_decimal;
use crate::functions::time::text::{parse_date, parse_timestamp, parse_timestamp_ntz};

/// Appends `text`; null and `false` where it is not of the column's type.
pub(super) fn push(column: &mut Column, text: &str, options: &CsvOptions) -> Result<bool> {
    // As Spark: an empty field is null whatever else is.
    if text.is_empty() || text == options.null {
        column.push_null()?;
        return Ok(true);
    }
    let fitted = match &mut column.kind {
        Kind::Text(bytes) | Kind::Binary(bytes) => {
            bytes.push(text.as_bytes())?;
            true
        }
        Kind::Boolean(values) => match text.to_lowercase().as_str() {
            "true" => {
                values.append(true);
                true
            }
            "false" => {
                values.append(false);
                true
            }
            _ => false,
        },
        Kind::Int8(values) => keep(values, text.parse().ok()),
        Kind::Int16(values) => keep(values, text.parse().ok()),
        Kind::Int32(values) => keep(values, text.parse().ok()),
        Kind::Int64(values) => keep(values, text.parse().ok()),
        Kind::Float32(values) => keep(
            values,
            special(text).map_or_else(|| number(text), |value| Some(value as f32)),
        ),
        Kind::Float64(values) => keep(values, special(text).or_else(|| number(text))),
        Kind::Decimal(values, precision, scale) => {
            keep(values, parse_decimal(text, *precision, *scale))
        }
        Kind::Date(values) => keep(
            values,
            match &options.date_format {
                Some(pattern) => pattern.read_date(text),
                None => parse_date(text),
            },
        ),
        Kind::Timestamp(values, Some(_)) => keep(
            values,
            match &options.timestamp_format {
                Some(pattern) => pattern.read(text),
                None => parse_timestamp(text),
            },
        ),
        Kind::Timestamp(values, None) => keep(
            values,
            match &options.timestamp_ntz_format {
                Some(pattern) => pattern.read(text),
                None => parse_timestamp_ntz(text),
            },
        ),
        // Refused with the schema.
        Kind::List(..) | Kind::Map(..) | Kind::Struct(..) => false,
    };
    match fitted {
        true => column.nulls.append_non_null(),
        false => column.push_null()?,
    }
    Ok(fitted)
}

fn keep<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    let found = value.is_some();
    values.extend(value);
    found
}

/// Spark's `nanValue`, `positiveInf` and `negativeInf`, by their defaults.
fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Java reads blanks around a number, and no `inf` or `nan` of Rust's.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    let numeric = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E'));
    match numeric {
        true => text.parse().ok(),
        false => None,
    }
}
