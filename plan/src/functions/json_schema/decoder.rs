//! Records of JSON into the reader's values: defaults for what is left out, and nothing null that may not be.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use datafusion::common::DataFusionError;

use super::schema::{JsonKind, JsonType};
use crate::functions::avro::within;
use crate::functions::decode::{Bad, Decoded};
use crate::functions::json::{Defaults, Inner, read_records};

/// Reads records as values of one schema.
#[derive(Debug)]
pub(crate) struct JsonDecoder {
    reader: JsonType,
    defaults: Defaults,
}

impl JsonDecoder {
    pub(crate) fn new(reader: JsonType) -> Self {
        Self {
            defaults: defaults(&reader),
            reader,
        }
    }

    /// A value for each of `bodies`.
    ///
    /// # Errors
    /// Those that are about no record.
    pub(crate) fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        let Decoded { values, bad } =
            read_records(&self.reader.data_type(), &self.defaults, bodies)?;
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

/// What stands for the properties of `json_type` that a record does not have.
fn defaults(json_type: &JsonType) -> Defaults {
    let inner = match &json_type.kind {
        JsonKind::Object(properties) => {
            let fields = properties.iter().map(|property| {
                let default = property.default.as_ref().filter(|value| !value.is_null());
                Defaults {
                    text: default.map(ToString::to_string),
                    ..defaults(&property.json_type)
                }
            });
            Inner::Fields(fields.collect())
        }
        JsonKind::Array(item) => Inner::Item(Box::new(defaults(item))),
        JsonKind::Map(value) => Inner::Item(Box::new(defaults(value))),
        _ => Inner::None,
    };
    Defaults { text: None, inner }
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
