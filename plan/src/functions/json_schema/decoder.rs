//! Records of JSON into the reader's values: defaults for what is left out, and nothing null that may not be.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, StructArray, UInt32Array,
};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_null, take};
use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use serde_json::Value;

use super::schema::{JsonKind, JsonType, Property};
use crate::error::Error;
use crate::functions::avro::within;
use crate::functions::decode::{Bad, Decoded};
use crate::functions::json::read_records;

/// Reads records as values of one schema.
#[derive(Debug)]
pub(crate) struct JsonDecoder {
    reader: JsonType,
}

impl JsonDecoder {
    pub(crate) fn new(reader: JsonType) -> Self {
        Self { reader }
    }

    /// A value for each of `bodies`.
    ///
    /// # Errors
    /// Those that are about no record.
    pub(crate) fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        let Decoded { values, bad } = read_records(&self.reader.data_type(), bodies)?;
        let values = filled(&values, &self.reader)?;
        let mut reasons: Vec<Option<String>> = vec![None; bodies.len()];
        let records: Vec<usize> = (0..bodies.len()).collect();
        nulls(&values, &self.reader, "", &records, &mut reasons);
        for Bad { row, reason } in bad {
            reasons[row] = Some(reason);
        }
        let places = reasons
            .iter()
            .enumerate()
            .map(|(row, reason)| match reason {
                None => u32::try_from(row).ok(),
                Some(_) => None,
            });
        let values = match reasons.iter().all(Option::is_none) {
            true => values,
            false => take(&values, &UInt32Array::from_iter(places), None)?,
        };
        let bad = reasons.into_iter().enumerate();
        let bad = bad.filter_map(|(row, reason)| reason.map(|reason| Bad { row, reason }));
        Ok(Decoded {
            values,
            bad: bad.collect(),
        })
    }
}

/// `array` with the defaults of properties that are not there.
fn filled(array: &ArrayRef, json_type: &JsonType) -> Result<ArrayRef, DataFusionError> {
    match (&json_type.kind, array.data_type()) {
        (JsonKind::Object(properties), DataType::Struct(fields)) => {
            let structs = array.as_struct();
            let mut columns = Vec::with_capacity(properties.len());
            for (property, column) in properties.iter().zip(structs.columns()) {
                let column = filled(column, &property.json_type)?;
                columns.push(match &property.default {
                    Some(default) if !default.is_null() && column.null_count() > 0 => {
                        let default = constant(default, column.data_type(), property)?;
                        let missing: BooleanArray = is_null(&column)?;
                        zip(&missing, &arrow::array::Scalar::new(default), &column)?
                    }
                    _ => column,
                });
            }
            let nulls = structs.nulls().cloned();
            Ok(Arc::new(StructArray::try_new(
                fields.clone(),
                columns,
                nulls,
            )?))
        }
        (JsonKind::Array(item), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(field),
                list.offsets().clone(),
                filled(list.values(), item)?,
                list.nulls().cloned(),
            )?))
        }
        (JsonKind::Map(value), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let columns = vec![Arc::clone(map.keys()), filled(map.values(), value)?];
            let pairs = StructArray::try_new(map.entries().fields().clone(), columns, None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(entries),
                offsets,
                pairs,
                nulls,
                *sorted,
            )?))
        }
        _ => Ok(Arc::clone(array)),
    }
}

fn constant(
    default: &Value,
    data_type: &DataType,
    property: &Property,
) -> Result<ArrayRef, DataFusionError> {
    let text = default.to_string();
    let read = read_records(data_type, &[text.as_bytes()])?;
    match read.bad.first() {
        None => Ok(read.values),
        Some(bad) => Err(Error::invalid_argument(format!(
            "the default of property {:?} does not fit its type: {}",
            property.name, bad.reason
        ))
        .into()),
    }
}

/// Puts down, for the record each row of `array` is of, the first value that is null and may not be.
fn nulls(
    array: &ArrayRef,
    json_type: &JsonType,
    place: &str,
    records: &[usize],
    reasons: &mut [Option<String>],
) {
    match &json_type.kind {
        JsonKind::Object(properties) => {
            let structs = array.as_struct();
            for (property, column) in properties.iter().zip(structs.columns()) {
                let place = within(place, &property.name);
                if property.required && !property.json_type.nullable && column.null_count() > 0 {
                    for row in 0..column.len() {
                        if structs.is_valid(row) && column.is_null(row) {
                            reasons[records[row]].get_or_insert_with(|| {
                                format!("field {place:?} is required, and missing or null")
                            });
                        }
                    }
                }
                nulls(column, &property.json_type, &place, records, reasons);
            }
        }
        JsonKind::Array(item) => {
            let list = array.as_list::<i32>();
            let owners = owners(list.offsets(), records);
            let place = within(place, "items");
            nulls(list.values(), item, &place, &owners, reasons);
        }
        JsonKind::Map(value) => {
            let map = array.as_map();
            let owners = owners(map.offsets(), records);
            nulls(map.values(), value, place, &owners, reasons);
        }
        _ => {}
    }
}

/// The record of each item.
fn owners(offsets: &[i32], records: &[usize]) -> Vec<usize> {
    let mut owners = Vec::new();
    for (row, bounds) in offsets.windows(2).enumerate() {
        let items = usize::try_from(bounds[1] - bounds[0]).unwrap_or(0);
        owners.resize(owners.len() + items, records[row]);
    }
    owners
}
