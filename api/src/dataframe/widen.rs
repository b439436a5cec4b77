//! The type that holds the values of two: Spark's widening, in ANSI mode.
//!
//! The rules are `AnsiTypeCoercion.findWiderTypeForTwo` of Spark 4.

use datafusion::arrow::datatypes::DataType::{self, *};
use datafusion::arrow::datatypes::TimeUnit;

/// Digits of Spark's widest decimal.
const MAX_DIGITS: i32 = 38;

/// The type of a column's values, however they are stored: partition columns come as dictionaries.
pub(super) fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        Dictionary(_, values) => plain(values),
        other => other,
    }
}

/// The type that rows of `one` and of `other` have together, if there is one.
pub(super) fn wider(one: &DataType, other: &DataType) -> Option<DataType> {
    if one == other {
        return Some(one.clone());
    }
    let (one, other) = (plain(one), plain(other));
    if one == other {
        return Some(one.clone());
    }
    match (one, other) {
        (Null, other) => return Some(other.clone()),
        (one, Null) => return Some(one.clone()),
        _ => {}
    }
    if is_text(one) && is_text(other) || is_bytes(one) && is_bytes(other) {
        return Some(one.clone());
    }
    numeric(one, other)
        .or_else(|| temporal(one, other))
        .or_else(|| text(one, other))
        .or_else(|| text(other, one))
        .or_else(|| nested(one, other))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, Utf8 | LargeUtf8 | Utf8View)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, Binary | LargeBinary | BinaryView)
}

fn numeric(one: &DataType, other: &DataType) -> Option<DataType> {
    let (rank, other_rank) = (rank(one)?, rank(other)?);
    match (decimal(one), decimal(other)) {
        (Some((digits, scale)), Some((other_digits, other_scale)))
            if matches!(one, Decimal128(..)) || matches!(other, Decimal128(..)) =>
        {
            let scale_both = scale.max(other_scale);
            let whole = (digits - scale).max(other_digits - other_scale);
            // Whole digits count more than those behind the point.
            let digits = (whole + scale_both).min(MAX_DIGITS);
            let scale = scale_both.min(digits - whole).max(0);
            Some(Decimal128(
                u8::try_from(digits).ok()?,
                i8::try_from(scale).ok()?,
            ))
        }
        // A float cannot hold every whole number; Spark asks no closer.
        _ if one != &Float64 && other != &Float64 && (one == &Float32 || other == &Float32) => {
            Some(Float64)
        }
        _ => Some(if rank >= other_rank { one } else { other }.clone()),
    }
}

fn rank(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        Int8 => 1,
        Int16 => 2,
        Int32 => 3,
        Int64 => 4,
        Decimal128(..) => 5,
        Float32 => 6,
        Float64 => 7,
        _ => return None,
    })
}

/// Digits and those behind the point of a decimal, or of the decimal that holds a whole number.
fn decimal(data_type: &DataType) -> Option<(i32, i32)> {
    Some(match data_type {
        Int8 => (3, 0),
        Int16 => (5, 0),
        Int32 => (10, 0),
        Int64 => (20, 0),
        Decimal128(digits, scale) => (i32::from(*digits), i32::from(*scale)),
        _ => return None,
    })
}

fn temporal(one: &DataType, other: &DataType) -> Option<DataType> {
    match (one, other) {
        (Date32, time @ Timestamp(..)) | (time @ Timestamp(..), Date32) => Some(time.clone()),
        // With a zone it is Spark's `timestamp`, without one its `timestamp_ntz`.
        (Timestamp(_, Some(zone)), Timestamp(..)) | (Timestamp(..), Timestamp(_, Some(zone))) => {
            Some(Timestamp(TimeUnit::Microsecond, Some(zone.clone())))
        }
        (Timestamp(..), Timestamp(..)) => Some(Timestamp(TimeUnit::Microsecond, None)),
        _ => None,
    }
}

/// Text takes the other's type: values that do not read as one fail the query.
fn text(text: &DataType, other: &DataType) -> Option<DataType> {
    if !is_text(text) {
        return None;
    }
    match other {
        Int8 | Int16 | Int32 | Int64 => Some(Int64),
        Decimal128(..) | Float32 | Float64 => Some(Float64),
        Boolean | Date32 | Timestamp(..) => Some(other.clone()),
        other if is_bytes(other) => Some(other.clone()),
        _ => None,
    }
}

fn nested(one: &DataType, other: &DataType) -> Option<DataType> {
    match (one, other) {
        (List(item), List(other)) => {
            let data_type = wider(item.data_type(), other.data_type())?;
            let nullable = item.is_nullable() || other.is_nullable();
            let item = item.as_ref().clone();
            Some(List(
                item.with_data_type(data_type)
                    .with_nullable(nullable)
                    .into(),
            ))
        }
        (Struct(fields), Struct(others)) if fields.len() == others.len() => {
            let fields: Option<Vec<_>> = fields
                .iter()
                .zip(others)
                .map(|(field, other)| {
                    if field.name() != other.name() {
                        return None;
                    }
                    let data_type = wider(field.data_type(), other.data_type())?;
                    let nullable = field.is_nullable() || other.is_nullable();
                    let field = field.as_ref().clone();
                    Some(field.with_data_type(data_type).with_nullable(nullable))
                })
                .collect();
            Some(Struct(fields?.into()))
        }
        _ => None,
    }
}
