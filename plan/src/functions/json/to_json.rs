//! `to_json(value)`: structs, arrays and maps as JSON text. Null fields are left out, as in Spark.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::DataFusionError;

use crate::error::{Error, Result};
use crate::functions::strings;
use crate::functions::time::civil::{MICROS_PER_SECOND, civil_of, split};

/// Over a column of structs, arrays or maps.
pub(in crate::functions) fn to_json_kernel(args: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
    let values = &args[0];
    let mut out = StringBuilder::with_capacity(values.len(), values.len() * 32);
    let mut text = String::new();
    for row in 0..values.len() {
        if values.is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        write_value(values, row, &mut text)?;
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

/// The value of `row` as JSON; its own null fields are left out.
pub(in crate::functions) fn write_value(
    array: &ArrayRef,
    row: usize,
    out: &mut String,
) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    // Writing into a string cannot fail.
    let _ = match array.data_type() {
        DataType::Null => write!(out, "null"),
        DataType::Boolean => write!(out, "{}", array.as_boolean().value(row)),
        DataType::Int8 => write!(out, "{}", array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => write!(out, "{}", array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(out, "{}", array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            out.push_str(&strings::java_float(value));
            quote_special(value.is_finite(), out);
            Ok(())
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            out.push_str(&strings::java_double(value));
            quote_special(value.is_finite(), out);
            Ok(())
        }
        DataType::Decimal128(..) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            write!(out, "{}", decimals.value_as_string(row))
        }
        DataType::Utf8 => {
            quote(array.as_string::<i32>().value(row), out);
            Ok(())
        }
        DataType::LargeUtf8 => {
            quote(array.as_string::<i64>().value(row), out);
            Ok(())
        }
        DataType::Utf8View => {
            quote(array.as_string_view().value(row), out);
            Ok(())
        }
        DataType::Binary => {
            quote(
                &strings::encode_base64(array.as_binary::<i32>().value(row)),
                out,
            );
            Ok(())
        }
        DataType::Date32 => {
            let (year, month, day) = civil_of(array.as_primitive::<Date32Type>().value(row));
            write!(out, "\"{year:04}-{month:02}-{day:02}\"")
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            write_timestamp(micros, zone.is_some(), 3, out);
            Ok(())
        }
        DataType::Struct(fields) => {
            let structs = array.as_struct();
            out.push('{');
            let mut first = true;
            for (field, column) in fields.iter().zip(structs.columns()) {
                if column.is_null(row) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                quote(field.name(), out);
                out.push(':');
                write_value(column, row, out)?;
            }
            out.push('}');
            Ok(())
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..items.len() {
                if index > 0 {
                    out.push(',');
                }
                write_value(&items, index, out)?;
            }
            out.push(']');
            Ok(())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for index in 0..entries.len() {
                if index > 0 {
                    out.push(',');
                }
                let mut key = String::new();
                write_value(entries.column(0), index, &mut key)?;
                if key.starts_with('"') {
                    out.push_str(&key);
                } else {
                    quote(&key, out);
                }
                out.push(':');
                write_value(entries.column(1), index, out)?;
            }
            out.push('}');
            Ok(())
        }
        other => {
            return Err(Error::unsupported(format!(
                "to_json: type {other} is not supported; cast it first"
            )));
        }
    };
    Ok(())
}

fn quote_special(finite: bool, out: &mut String) {
    if !finite {
        let start = out
            .rfind(|c: char| !(c.is_ascii_alphabetic() || c == '-'))
            .map_or(0, |at| at + 1);
        out.insert(start, '"');
        out.push('"');
    }
}

/// Spark's default format, which has milliseconds: `digits` is 3, or 6 for all there are. A zone's `Z` if it has one.
pub(in crate::functions) fn write_timestamp(
    micros: i64,
    zone: bool,
    digits: usize,
    out: &mut String,
) {
    let (days, of_day) = split(micros);
    let (year, month, day) = civil_of(days);
    let seconds = of_day / MICROS_PER_SECOND;
    let fraction = of_day % MICROS_PER_SECOND;
    let fraction = if digits == 3 {
        fraction / 1000
    } else {
        fraction
    };
    let _ = write!(
        out,
        "\"{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:0digits$}{}\"",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        if zone { "Z" } else { "" }
    );
}

/// `text` as a JSON string with characters beyond the basic plane as pairs of escapes: how Jackson
/// copies JSON, though not how Spark's `to_json` writes it.
pub(super) fn quote_escaped(text: &str, out: &mut String) {
    let start = out.len();
    quote(text, out);
    if text.chars().any(|c| c > '\u{ffff}') {
        let quoted = out.split_off(start);
        for c in quoted.chars() {
            if c > '\u{ffff}' {
                for half in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{half:04X}");
                }
            } else {
                out.push(c);
            }
        }
    }
}

/// `text` as a JSON string.
pub(in crate::functions) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        let _ = match c {
            '"' => write!(out, "\\\""),
            '\\' => write!(out, "\\\\"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            '\u{8}' => write!(out, "\\b"),
            '\u{c}' => write!(out, "\\f"),
            c if c < ' ' => write!(out, "\\u{:04X}", u32::from(c)),
            c => {
                out.push(c);
                Ok(())
            }
        };
    }
    out.push('"');
}
