//! Values as JSON of one schema: text as `to_json` writes it, of values that the schema has.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType};

use super::schema::{JsonKind, JsonType};
use crate::error::Result;
use crate::functions::avro::within;
use crate::functions::encode::{
    Records, distinct_keys, first_null, live_items, mismatch, nulls_within, plain, refused, unfit,
};
use crate::functions::json::{quote, write_timestamp, write_value};
use crate::options::did_you_mean;

/// Writes values of one schema.
#[derive(Debug)]
pub(crate) struct JsonEncoder {
    json_type: JsonType,
}

impl JsonEncoder {
    pub(crate) fn new(json_type: JsonType) -> Self {
        Self { json_type }
    }

    /// A record for each of `values`, none of which is null, behind `header`.
    ///
    /// # Errors
    /// `InvalidPlan` for values of a type that is not the schema's, `Compute` for one that does not fit, with its place.
    pub(crate) fn encode(&self, values: &ArrayRef, header: &[u8]) -> Result<Records> {
        let column = Column::new(values, None, &self.json_type, "")?;
        let mut records = Records::with_capacity(values.len());
        let mut text = String::new();
        for row in 0..values.len() {
            text.clear();
            column.write(row, &mut text)?;
            records.push(|bytes| {
                bytes.extend_from_slice(header);
                bytes.extend_from_slice(text.as_bytes());
                Ok::<_, crate::Error>(())
            })?;
        }
        Ok(records)
    }
}

/// A column that was looked at.
enum Column<'t> {
    /// Written as `to_json` does.
    Plain(ArrayRef),
    /// With their microseconds, where there are some, which `to_json` cuts.
    Times(ArrayRef),
    List(ArrayRef, Box<Self>),
    Map(ArrayRef, Box<Self>),
    /// Name, whether null is written, and values.
    Object(ArrayRef, Vec<(&'t str, bool, Self)>),
}

impl<'t> Column<'t> {
    /// What counts is not null; those rows are not written whose surroundings are.
    fn new(
        array: &ArrayRef,
        live: Option<&NullBuffer>,
        json_type: &'t JsonType,
        place: &str,
    ) -> Result<Self> {
        let array = plain(array)?;
        let nulls = nulls_within(&array, live);
        if array.data_type() == &DataType::Null {
            return Ok(Self::Plain(array));
        }
        let other = || mismatch(place, array.data_type(), json_type.kind.name());
        let text = |data_type: &DataType| {
            use DataType::{Binary, Date32, Utf8};
            matches!(data_type, Utf8 | Binary | Date32)
        };
        Ok(match (&json_type.kind, array.data_type()) {
            (JsonKind::Any | JsonKind::String, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                Self::Times(array)
            }
            (JsonKind::Any, given) if given.is_nested() => return Err(other()),
            (JsonKind::Any | JsonKind::Number, DataType::Float32 | DataType::Float64) => {
                finite(&array, nulls.as_ref(), place)?;
                Self::Plain(array)
            }
            (JsonKind::Any, _) | (JsonKind::Boolean, DataType::Boolean) => Self::Plain(array),
            (JsonKind::String, given) if text(given) => Self::Plain(array),
            (
                JsonKind::Integer | JsonKind::Number,
                DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64,
            )
            | (JsonKind::Number, DataType::Decimal128(..)) => Self::Plain(array),
            (JsonKind::Array(item), DataType::List(_)) => {
                let list = array.as_list::<i32>();
                let inner = live_items(list.offsets(), nulls.as_ref(), list.values().len());
                let items =
                    Self::counted(list.values(), inner.as_ref(), item, &within(place, "items"))?;
                Self::List(array, Box::new(items))
            }
            (JsonKind::Map(value), DataType::Map(..)) => {
                let map = array.as_map();
                if map.keys().data_type() != &DataType::Utf8 {
                    return Err(mismatch(place, array.data_type(), "a map with string keys"));
                }
                distinct_keys(map.keys(), map.offsets(), nulls.as_ref(), place)?;
                let inner = live_items(map.offsets(), nulls.as_ref(), map.values().len());
                let place = within(place, "additionalProperties");
                let values = Self::counted(map.values(), inner.as_ref(), value, &place)?;
                Self::Map(array, Box::new(values))
            }
            (JsonKind::Object(_), DataType::Struct(_)) => {
                let properties = Self::properties(&array, nulls.as_ref(), json_type, place)?;
                Self::Object(array, properties)
            }
            _ => return Err(other()),
        })
    }

    /// Null only where the type has it.
    fn counted(
        array: &ArrayRef,
        live: Option<&NullBuffer>,
        json_type: &'t JsonType,
        place: &str,
    ) -> Result<Self> {
        match first_null(array, live) {
            Some(row) if !json_type.nullable => {
                let why = format!("and its type {} has no null", json_type.kind.name());
                Err(unfit(place, array, row, &why))
            }
            _ => Self::new(array, live, json_type, place),
        }
    }

    fn properties(
        array: &ArrayRef,
        nulls: Option<&NullBuffer>,
        json_type: &'t JsonType,
        place: &str,
    ) -> Result<Vec<(&'t str, bool, Self)>> {
        let JsonKind::Object(properties) = &json_type.kind else {
            return Ok(Vec::new());
        };
        let structs = array.as_struct();
        for (index, given) in structs.fields().iter().enumerate() {
            let place = within(place, given.name());
            if !properties
                .iter()
                .any(|property| property.name == *given.name())
            {
                let names = properties.iter().map(|property| property.name.as_str());
                let near = did_you_mean(given.name(), names);
                let why = format!("is not in the schema{near}; leave it out of the column");
                return Err(refused(&place, &why));
            }
            if structs.fields()[..index]
                .iter()
                .any(|before| before.name() == given.name())
            {
                return Err(refused(&place, "is in the column twice"));
            }
        }
        let mut found = Vec::with_capacity(properties.len());
        for property in properties {
            let place = within(place, &property.name);
            let Some(column) = structs.column_by_name(&property.name) else {
                match property.required {
                    true => {
                        return Err(refused(
                            &place,
                            "is not in the column, and required: add it",
                        ));
                    }
                    false => continue,
                }
            };
            if let Some(row) = first_null(column, nulls) {
                if property.required && !property.json_type.nullable {
                    return Err(unfit(&place, column, row, "and it is required"));
                }
                if property
                    .default
                    .as_ref()
                    .is_some_and(|default| !default.is_null())
                {
                    let why = "which would be read as the default of the schema's property";
                    return Err(unfit(&place, column, row, why));
                }
            }
            let column = Self::new(column, nulls, &property.json_type, &place)?;
            found.push((property.name.as_str(), property.required, column));
        }
        Ok(found)
    }

    fn array(&self) -> &ArrayRef {
        match self {
            Self::Plain(array)
            | Self::Times(array)
            | Self::List(array, _)
            | Self::Map(array, _)
            | Self::Object(array, _) => array,
        }
    }

    fn is_null(&self, row: usize) -> bool {
        let array = self.array();
        array.data_type() == &DataType::Null || array.is_null(row)
    }

    fn write(&self, row: usize, out: &mut String) -> Result<()> {
        if self.is_null(row) {
            out.push_str("null");
            return Ok(());
        }
        let bounds = |offsets: &[i32]| {
            let at = |row: usize| usize::try_from(offsets[row]).unwrap_or(0);
            at(row)..at(row + 1)
        };
        match self {
            Self::Plain(array) => write_value(array, row, out)?,
            Self::Times(array) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let zone = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
                let digits = if micros % 1000 == 0 { 3 } else { 6 };
                write_timestamp(micros, zone, digits, out);
            }
            Self::List(array, items) => {
                out.push('[');
                for (index, item) in bounds(array.as_list::<i32>().offsets()).enumerate() {
                    comma(index, out);
                    items.write(item, out)?;
                }
                out.push(']');
            }
            Self::Map(array, values) => {
                let map = array.as_map();
                let keys = map.keys().as_string::<i32>();
                out.push('{');
                for (index, entry) in bounds(map.offsets()).enumerate() {
                    comma(index, out);
                    quote(keys.value(entry), out);
                    out.push(':');
                    values.write(entry, out)?;
                }
                out.push('}');
            }
            Self::Object(_, properties) => {
                let written = properties
                    .iter()
                    .filter(|(_, required, column)| *required || !column.is_null(row));
                out.push('{');
                for (index, (name, _, column)) in written.enumerate() {
                    comma(index, out);
                    quote(name, out);
                    out.push(':');
                    column.write(row, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

fn comma(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

/// JSON has no other numbers.
fn finite(array: &ArrayRef, nulls: Option<&NullBuffer>, place: &str) -> Result<()> {
    let broken = |row: &usize| {
        let value = match array.as_primitive_opt::<Float32Type>() {
            Some(floats) => f64::from(floats.value(*row)),
            None => array.as_primitive::<Float64Type>().value(*row),
        };
        !value.is_finite() && nulls.is_none_or(|nulls| nulls.is_valid(*row))
    };
    match (0..array.len()).find(broken) {
        Some(row) => Err(unfit(place, array, row, "which is no number of JSON")),
        None => Ok(()),
    }
}
