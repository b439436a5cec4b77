//! Partition columns and their values.
//!
//! The log stores a partition value as text in which "" means null, for every type: there is no empty
//! string partition. An empty string is therefore written as null, as Spark does, and refused where
//! the column must not be null. The text `__HIVE_DEFAULT_PARTITION__` marks null in paths and is
//! refused as a value, because files of the two would not be told apart.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Field, TimestampMicrosecondType};
use deltalake::NULL_PARTITION_VALUE_DATA_PATH;
use deltalake::kernel::{Add, DataType, PrimitiveType, StructType};
use weir_plan::Result;

use super::data_type::mismatch;
use super::schema::find;

/// 0001-01-01 and 9999-12-31, in days since 1970: what every reader's text form can hold.
const DAYS: (i32, i32) = (-719_162, 2_932_896);
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The partition columns `wanted`, as `schema` spells them.
///
/// # Errors
/// `SchemaMismatch` for a column that is not there, of a type whose values have no safe text form,
/// named twice, or when no other column is left.
pub(super) fn partition_columns(
    wanted: &[String],
    schema: &StructType,
    place: &str,
) -> Result<Vec<String>> {
    let mut columns: Vec<String> = Vec::with_capacity(wanted.len());
    for name in wanted {
        let Some(field) = find(schema, name) else {
            let known: Vec<&str> = schema.fields().map(|field| field.name().as_str()).collect();
            return Err(mismatch(format!(
                "partition column {name:?} of {place} is not among the columns: {}",
                known.join(", ")
            )));
        };
        if columns.contains(field.name()) {
            return Err(mismatch(format!(
                "partition column {name:?} of {place} is given twice"
            )));
        }
        match field.data_type() {
            DataType::Primitive(
                PrimitiveType::String
                | PrimitiveType::Byte
                | PrimitiveType::Short
                | PrimitiveType::Integer
                | PrimitiveType::Long
                | PrimitiveType::Boolean
                | PrimitiveType::Date
                | PrimitiveType::Timestamp
                | PrimitiveType::TimestampNtz
                | PrimitiveType::Decimal(_),
            ) => columns.push(field.name().clone()),
            other => {
                return Err(mismatch(format!(
                    "partition column {name:?} of {place} has type {other}; partition by a string, \
                     integer, decimal, boolean, date or timestamp"
                )));
            }
        }
    }
    if !columns.is_empty() && columns.len() == schema.num_fields() {
        return Err(mismatch(format!(
            "{place} is partitioned by all of its columns; leave at least one for the files"
        )));
    }
    Ok(columns)
}

/// The values of partition column `field`, fit to be written: see the module's documentation.
///
/// # Errors
/// `SchemaMismatch` for a value that cannot be stored, naming the column.
pub(super) fn partition_values(values: ArrayRef, field: &Field) -> Result<ArrayRef> {
    match values.data_type() {
        ArrowType::Utf8 => string_values(values, field),
        ArrowType::Date32 => {
            let days = values.as_primitive::<Date32Type>();
            in_range(min(days).map(i64::from), max(days).map(i64::from), 1, field)?;
            Ok(values)
        }
        ArrowType::Timestamp(..) => {
            let micros = values.as_primitive::<TimestampMicrosecondType>();
            in_range(min(micros), max(micros), MICROS_PER_DAY, field)?;
            Ok(values)
        }
        _ => Ok(values),
    }
}

fn string_values(values: ArrayRef, field: &Field) -> Result<ArrayRef> {
    let strings = values.as_string::<i32>();
    let mut empty = false;
    for text in strings.iter().flatten() {
        if text == NULL_PARTITION_VALUE_DATA_PATH {
            return Err(mismatch(format!(
                "a row has {text:?} in partition column {:?}, where it stands for null; replace it",
                field.name()
            )));
        }
        empty |= text.is_empty();
    }
    if !empty {
        return Ok(values);
    }
    if !field.is_nullable() {
        return Err(mismatch(format!(
            "a row has an empty string in partition column {:?}, which a delta table stores as null, \
             and the column must not be null; replace it",
            field.name()
        )));
    }
    let nulled: StringArray = strings
        .iter()
        .map(|text| text.filter(|text| !text.is_empty()))
        .collect();
    Ok(Arc::new(nulled))
}

fn in_range(least: Option<i64>, most: Option<i64>, unit: i64, field: &Field) -> Result<()> {
    let first = i64::from(DAYS.0) * unit;
    let last = (i64::from(DAYS.1) + 1) * unit;
    if least.is_some_and(|value| value < first) || most.is_some_and(|value| value >= last) {
        return Err(mismatch(format!(
            "a row has a time outside the years 1 to 9999 in partition column {:?}; correct it",
            field.name()
        )));
    }
    Ok(())
}

/// Writes the partition timestamps of `add` with their zone.
///
/// The form without one, which the writer gives, is read in the reader's own time zone by Spark.
pub(super) fn zone_timestamps(add: &mut Add, schema: &StructType) {
    for (column, value) in &mut add.partition_values {
        let zoned = schema
            .field(column)
            .is_some_and(|field| *field.data_type() == DataType::TIMESTAMP);
        if let Some(text) = value.as_mut().filter(|_| zoned) {
            *text = format!("{}Z", text.replacen(' ', "T", 1));
        }
    }
}
