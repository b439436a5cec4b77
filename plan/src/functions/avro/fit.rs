//! Arrays of Spark's types as arrays of `arrow-avro`'s, for a schema: the other way of `values`.
//!
//! Each value is looked at here, so that what `arrow-avro` writes is what the schema's readers will read: it takes a null for whatever is
//! in its place where a schema has none, cuts decimals, and knows no field names.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, MapArray, NullArray,
    StructArray, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use serde_json::Value;

use super::fit_scalars::{decimals, fixed, symbols, texts, timestamps};
use super::fit_unions::union;
use super::schema::{branches, data_type, items, kind, logical, within};
use super::values::structure;
use crate::error::{Error, Result};
use crate::functions::encode::{
    cast_strictly, distinct_keys, first_null, integers, live_items, mismatch, nulls_within, plain,
    refused, unfit,
};
use crate::options::did_you_mean;

/// `array` as values of `schema`, of which only those count that `live` does not name null.
///
/// # Errors
/// `InvalidPlan` for a type that is not the schema's, `Compute` for a value that does not fit, with its place.
pub(super) fn fitted(
    array: &ArrayRef,
    live: Option<&NullBuffer>,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let array = &plain(array)?;
    if kind(schema) == "union" {
        return union(array, live, schema, place);
    }
    if let Some(row) = first_null(array, live)
        && kind(schema) != "null"
    {
        let why = format!("and its type {} has no null", text_of(schema));
        return Err(unfit(place, array, row, &why));
    }
    required(array, live, schema, place)
}

/// A type as messages name it.
pub(super) fn text_of(schema: &Value) -> Cow<'_, str> {
    match logical(schema) {
        Some("decimal") => {
            let digits = |key: &str| schema[key].as_u64().unwrap_or(0);
            format!("decimal({}, {})", digits("precision"), digits("scale")).into()
        }
        Some(logical) => format!("{} ({logical})", kind(schema)).into(),
        None => kind(schema).into(),
    }
}

pub(super) fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(format!(
        "values of an Avro schema have another form: {error}"
    ))
}

/// No null counts here.
pub(super) fn required(
    array: &ArrayRef,
    live: Option<&NullBuffer>,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    if array.data_type() == &DataType::Null && kind(schema) != "null" {
        // Nothing is live.
        let none = new_null_array(&data_type(schema, place)?, array.len());
        let dead = NullBuffer::new_null(array.len());
        return required(&none, Some(&dead), schema, place);
    }
    let nulls = nulls_within(array, live);
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let other = || mismatch(place, array.data_type(), &text_of(schema));
    Ok(match (kind(schema), logical(schema), array.data_type()) {
        (_, Some("decimal"), DataType::Decimal128(_, scale)) => {
            decimals(array, *scale, nulls.as_ref(), schema, place)?
        }
        (_, Some("date"), DataType::Date32) => Arc::clone(array),
        (
            _,
            Some(
                "timestamp-micros"
                | "local-timestamp-micros"
                | "timestamp-millis"
                | "local-timestamp-millis",
            ),
            DataType::Timestamp(TimeUnit::Microsecond, zone),
        ) => {
            let name = logical(schema).unwrap_or("");
            if name.starts_with("local-") == zone.is_some() {
                return Err(other());
            }
            timestamps(array, name.ends_with("millis"), nulls.as_ref(), place)?
        }
        (_, Some(_), _) => return Err(other()),
        ("null", _, _) => {
            if let Some(row) = (0..array.len()).find(|row| valid(*row)) {
                return Err(unfit(place, array, row, "and its type is null"));
            }
            Arc::new(NullArray::new(array.len()))
        }
        ("boolean", _, DataType::Boolean) => {
            let booleans = array.as_boolean();
            // `arrow-avro` counts the offset of booleans within a list twice.
            let bits = booleans.values().iter().collect();
            Arc::new(BooleanArray::new(bits, booleans.nulls().cloned()))
        }
        ("int", _, _) => {
            let wide = integers(array).ok_or_else(other)?;
            let mut narrow = Vec::with_capacity(wide.len());
            for (row, value) in wide.values().iter().enumerate() {
                narrow.push(match i32::try_from(*value) {
                    Ok(value) => value,
                    Err(_) if !valid(row) => 0,
                    Err(_) => {
                        return Err(unfit(place, array, row, "which is too large for an int"));
                    }
                });
            }
            Arc::new(Int32Array::new(narrow.into(), wide.nulls().cloned()))
        }
        ("long", _, _) => Arc::new(integers(array).ok_or_else(other)?),
        ("float", _, DataType::Float32) | ("double", _, DataType::Float64) => Arc::clone(array),
        ("double", _, DataType::Float32 | DataType::Int8 | DataType::Int16 | DataType::Int32) => {
            cast_strictly(array, &DataType::Float64).ok_or_else(other)?
        }
        ("bytes", _, DataType::Binary) => Arc::clone(array),
        ("fixed", _, DataType::Binary) => fixed(array.as_binary(), &valid, schema, place)?,
        ("string", _, DataType::Utf8) => Arc::clone(array),
        ("string", _, DataType::Binary) => texts(array.as_binary(), &valid, place)?,
        ("enum", _, DataType::Utf8) => symbols(array.as_string(), &valid, schema, place)?,
        ("array", _, DataType::List(_)) => {
            let list = array.as_list::<i32>();
            let inner = live_items(list.offsets(), nulls.as_ref(), list.values().len());
            let place = within(place, "items");
            let values = fitted(list.values(), inner.as_ref(), &schema["items"], &place)?;
            let item = Field::new("item", values.data_type().clone(), true);
            let list = ListArray::try_new(
                Arc::new(item),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            );
            Arc::new(list.map_err(internal)?)
        }
        ("map", _, DataType::Map(..)) => map(array.as_map(), nulls.as_ref(), schema, place)?,
        ("record", _, DataType::Struct(_)) => {
            record(array.as_struct(), nulls.as_ref(), schema, place)?
        }
        _ => return Err(other()),
    })
}

fn map(
    map: &MapArray,
    nulls: Option<&NullBuffer>,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let keys = plain(map.keys())?;
    if keys.data_type() != &DataType::Utf8 {
        return Err(mismatch(place, map.data_type(), "a map with string keys"));
    }
    distinct_keys(&keys, map.offsets(), nulls, place)?;
    let inner = live_items(map.offsets(), nulls, keys.len());
    let place = within(place, "values");
    let values = fitted(map.values(), inner.as_ref(), &schema["values"], &place)?;
    let fields = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", values.data_type().clone(), true),
    ]);
    let entries =
        StructArray::try_new(fields.clone(), vec![keys, values], None).map_err(internal)?;
    let map = MapArray::try_new(
        Arc::new(Field::new("entries", DataType::Struct(fields), false)),
        map.offsets().clone(),
        entries,
        map.nulls().cloned(),
        false,
    );
    Ok(Arc::new(map.map_err(internal)?))
}

fn record(
    structs: &StructArray,
    nulls: Option<&NullBuffer>,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let wanted = items(schema, "fields");
    let name_of = |field: &Value| field["name"].as_str().unwrap_or("").to_owned();
    for given in structs.fields() {
        if !wanted.iter().any(|field| field["name"] == **given.name()) {
            let names: Vec<_> = wanted.iter().map(&name_of).collect();
            return Err(refused(
                &within(place, given.name()),
                &format!(
                    "is not in the schema{}; leave it out of the column",
                    did_you_mean(given.name(), names.iter().map(String::as_str))
                ),
            ));
        }
    }
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for field in wanted {
        let (name, field_type) = (name_of(field), &field["type"]);
        let place = within(place, &name);
        let given = structs.fields().iter();
        let mut given = given
            .zip(structs.columns())
            .filter(|(f, _)| *f.name() == name);
        let column = match (given.next(), given.next()) {
            (Some((_, column)), None) => Arc::clone(column),
            (Some(_), Some(_)) => return Err(refused(&place, "is in the column twice")),
            (None, _) if may_be_null(field_type) => new_null_array(&DataType::Null, structs.len()),
            (None, _) => {
                let why = "is not in the column, and has no null in the schema: add it";
                return Err(refused(&place, why));
            }
        };
        let column = fitted(&column, nulls, field_type, &place)?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    structure(
        &fields.into(),
        columns,
        structs.len(),
        structs.nulls().cloned(),
    )
    .map_err(Error::from)
}

fn may_be_null(schema: &Value) -> bool {
    kind(schema) == "null" || (kind(schema) == "union" && branches(schema).1)
}
