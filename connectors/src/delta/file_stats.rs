//! Files' statistics and partition values, as arrays to prune by.
//!
//! What is not known is null. Floating-point columns have none: a NaN is in no statistics.
//! Nor have decimals of many digits, which were floats on their way into the log.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::array::{
    Array, ArrayRef, BooleanArray, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, TimestampMicrosecondType};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use serde_json::{Number, Value};
use weir_plan::{Error, Result};

use super::decimal_stats::is_exact;
use super::live::LiveFile;

/// Statistics hold times in milliseconds, cut off: a greatest value is at most this much greater.
const TIME_CUT_OFF_MICROS: i64 = 999;

/// The values of partition column `field` of `files`.
///
/// # Errors
/// `Internal` for a value the column's type does not have.
pub(super) fn partition_array(files: &[LiveFile], field: &Field) -> Result<ArrayRef> {
    let texts: StringArray = files
        .iter()
        .map(|file| file.partition_values.get(field.name()))
        .map(|value| value?.as_deref().filter(|text| !text.is_empty()))
        .collect();
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(&texts, field.data_type(), &options).map_err(|error| {
        Error::internal(format!(
            "a value of partition column {:?} in the log is no {}",
            field.name(),
            field.data_type()
        ))
        .with_source(error)
    })
}

/// See the module's documentation.
pub(super) struct FileStats<'a> {
    files: &'a [LiveFile],
    stats: Vec<Option<Value>>,
    schema: &'a Schema,
    partition_by: &'a [String],
}

impl<'a> FileStats<'a> {
    pub(super) fn new(
        files: &'a [LiveFile],
        schema: &'a Schema,
        partition_by: &'a [String],
    ) -> Self {
        let stats = files
            .iter()
            .map(|file| serde_json::from_str(file.stats.as_deref()?).ok())
            .collect();
        Self {
            files,
            stats,
            schema,
            partition_by,
        }
    }

    fn field(&self, column: &Column) -> Option<(&'a Field, bool)> {
        let field = self.schema.field_with_name(&column.name).ok()?;
        Some((field, self.partition_by.contains(field.name())))
    }

    /// The statistic `kind` of `column`, of its type.
    fn bounds(&self, kind: &str, column: &Column) -> Option<ArrayRef> {
        let (field, partition) = self.field(column)?;
        if partition {
            return partition_array(self.files, field).ok();
        }
        match field.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => return None,
            other if other.is_nested() || other.is_binary() => return None,
            _ => {}
        }
        let texts: StringArray = self
            .stats
            .iter()
            .map(
                |stats| match stats.as_ref()?.get(kind)?.get(field.name())? {
                    Value::String(text) => Some(text.clone()),
                    Value::Null | Value::Array(_) | Value::Object(_) => None,
                    Value::Number(bound) if !is_known(bound, field.data_type()) => None,
                    other => Some(other.to_string()),
                },
            )
            .collect();
        // A value that cannot be read is one that is not known.
        let values = cast_with_options(&texts, field.data_type(), &CastOptions::default()).ok()?;
        match values.data_type() {
            DataType::Timestamp(_, zone) if kind == "maxValues" => {
                let values = values.as_primitive::<TimestampMicrosecondType>();
                let later: TimestampMicrosecondArray = values
                    .iter()
                    .map(|value| value?.checked_add(TIME_CUT_OFF_MICROS))
                    .collect();
                Some(Arc::new(later.with_timezone_opt(zone.clone())))
            }
            _ => Some(values),
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        let stats = self.stats.iter();
        stats.map(|stats| stats.as_ref()?.get("numRecords")?.as_u64())
    }
}

/// Whether `bound` is the value in the file, of a column of `data_type`.
fn is_known(bound: &Number, data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(_, scale) => is_exact(bound, i32::from(*scale)),
        _ => true,
    }
}

impl PruningStatistics for FileStats<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds("minValues", column)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds("maxValues", column)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (field, partition) = self.field(column)?;
        let counts: UInt64Array = if partition {
            let values = partition_array(self.files, field).ok()?;
            let rows = self.rows().enumerate();
            rows.map(
                |(file, rows)| {
                    if values.is_null(file) { rows } else { Some(0) }
                },
            )
            .collect()
        } else {
            let stats = self.stats.iter();
            stats
                .map(|stats| {
                    stats
                        .as_ref()?
                        .get("nullCount")?
                        .get(field.name())?
                        .as_u64()
                })
                .collect()
        };
        Some(Arc::new(counts))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.rows().collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Decimal128Array;
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_of_decimals_of_many_digits_are_unknown() {
        let file = |max: &str| -> LiveFile {
            let stats = format!(r#"{{"minValues":{{"d":1.25}},"maxValues":{{"d":{max}}}}}"#);
            serde_json::from_value(json!({"path": "x", "stats": stats})).unwrap()
        };
        let files = [file("90071992547409.93"), file("9.75")];
        let decimal = DataType::Decimal128(18, 2);
        let schema = Schema::new(vec![Field::new("d", decimal.clone(), true)]);
        let stats = FileStats::new(&files, &schema, &[]);
        let bounds = |values: Vec<Option<i128>>| -> ArrayRef {
            Arc::new(Decimal128Array::from(values).with_data_type(decimal.clone()))
        };
        let column = Column::from_name("d");
        let most = stats.max_values(&column).unwrap();
        assert_eq!(&most, &bounds(vec![None, Some(975)]));
        let least = stats.min_values(&column).unwrap();
        assert_eq!(&least, &bounds(vec![Some(125), Some(125)]));
    }
}
