//! Arrays of Spark's types as arrays of `arrow-avro`'s, for a schema: the other way of `values`.
//!
//! Each value is looked at here, so that what `arrow-avro` writes is what the schema's readers will read: it takes a null for whatever is
//! in its place where a schema has none, cuts decimals, and knows no field names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, DictionaryArray,
    FixedSizeBinaryBuilder, Int32Array, ListArray, MapArray, NullArray, StringArray, StructArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, UInt32Array, UnionArray, new_null_array,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Fields, Int32Type, TimeUnit, TimestampMicrosecondType,
    UnionFields,
};
use serde_json::Value;

use super::schema::{branches, data_type, items, kind, logical, within};
use super::values::structure;
use crate::error::{Error, Result};
use crate::functions::ddl;
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
fn text_of(schema: &Value) -> Cow<'_, str> {
    match logical(schema) {
        Some("decimal") => {
            let digits = |key: &str| schema[key].as_u64().unwrap_or(0);
            format!("decimal({}, {})", digits("precision"), digits("scale")).into()
        }
        Some(logical) => format!("{} ({logical})", kind(schema)).into(),
        None => kind(schema).into(),
    }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(format!(
        "values of an Avro schema have another form: {error}"
    ))
}

/// No null counts here.
fn required(
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

fn decimals(
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

fn timestamps(
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

fn fixed(
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

fn texts(values: &BinaryArray, valid: &impl Fn(usize) -> bool, place: &str) -> Result<ArrayRef> {
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

fn symbols(
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

/// A type that may be null, or one of several.
fn union(
    array: &ArrayRef,
    live: Option<&NullBuffer>,
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let all = schema.as_array().map_or(&[][..], Vec::as_slice);
    let (others, nullable) = branches(schema);
    if let ([one], true, 2) = (others.as_slice(), nullable, all.len()) {
        let present = nulls_within(array, live);
        return required(array, present.as_ref(), one, place);
    }
    // The column of each branch that is not null.
    let whole = data_type(schema, place)?;
    let columns: Vec<Option<ArrayRef>> = match (&whole, array.data_type()) {
        (_, DataType::Null) => vec![None; others.len()],
        (DataType::Struct(members), DataType::Struct(given)) if others.len() > 1 => {
            let same = members.len() == given.len()
                && (members.iter().zip(given.iter()))
                    .all(|(member, given)| member.name() == given.name());
            if !same {
                return Err(mismatch(
                    place,
                    array.data_type(),
                    &format!("a union, {}", ddl::type_name(&whole)),
                ));
            }
            let columns = array.as_struct().columns().iter();
            columns.map(|column| Some(Arc::clone(column))).collect()
        }
        // The wider of two numbers, or the only one.
        _ => {
            let is_wide = |branch: &&Value| {
                data_type(branch, place).is_ok_and(|data_type| data_type == whole)
            };
            let wide = others.iter().position(is_wide);
            let of = |branch| (Some(branch) == wide).then(|| Arc::clone(array));
            (0..others.len()).map(of).collect()
        }
    };
    choose(array, live, &columns, schema, place)
}

/// A union of `columns`, of which each row takes the one that is not null.
fn choose(
    array: &ArrayRef,
    live: Option<&NullBuffer>,
    columns: &[Option<ArrayRef>],
    schema: &Value,
    place: &str,
) -> Result<ArrayRef> {
    let all = schema.as_array().map_or(&[][..], Vec::as_slice);
    let id_of = |branch: usize| i8::try_from(branch).map_err(internal);
    let nulls = nulls_within(array, live);
    let members: Vec<Option<NullBuffer>> = columns
        .iter()
        .map(|column| column.as_ref().and_then(Array::logical_nulls))
        .collect();
    let of_null = all.iter().position(|branch| kind(branch) == "null");
    // The place of each branch among all.
    let places: Vec<usize> = (0..all.len()).filter(|at| Some(*at) != of_null).collect();
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); all.len()];
    let (mut ids, mut offsets) = (Vec::new(), Vec::new());
    for row in 0..array.len() {
        let dead = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let mut chosen = (0..columns.len()).filter(|member| {
            !dead
                && columns[*member].is_some()
                && members[*member]
                    .as_ref()
                    .is_none_or(|nulls| nulls.is_valid(row))
        });
        let branch = match (chosen.next(), chosen.next(), of_null) {
            (Some(member), None, _) => places[member],
            (Some(_), Some(_), _) => {
                let why = "of which more than one member is not null, and its type is a union";
                return Err(unfit(place, array, row, why));
            }
            (None, _, Some(of_null)) => of_null,
            // What it is within is null.
            (None, _, None) if live.is_some_and(|live| live.is_null(row)) => 0,
            (None, _, None) => {
                return Err(unfit(
                    place,
                    array,
                    row,
                    "and its type, a union, has no null",
                ));
            }
        };
        ids.push(id_of(branch)?);
        offsets.push(i32::try_from(rows[branch].len()).map_err(internal)?);
        rows[branch].push(u32::try_from(row).map_err(internal)?);
    }
    let (mut fields, mut children) = (Vec::new(), Vec::new());
    for (at, branch) in all.iter().enumerate() {
        let taken = UInt32Array::from(std::mem::take(&mut rows[at]));
        let column = match places.iter().position(|place| *place == at) {
            Some(member) => columns[member].clone(),
            None => None,
        };
        let child = match column {
            Some(column) => take(&column, &taken, None).map_err(internal)?,
            None => new_null_array(&DataType::Null, taken.len()),
        };
        // A row whose surroundings are null has no value in the first branch.
        let present = child.logical_nulls();
        let child = required(&plain(&child)?, present.as_ref(), branch, place)?;
        fields.push((
            id_of(at)?,
            Arc::new(Field::new(
                format!("branch{at}"),
                child.data_type().clone(),
                true,
            )),
        ));
        children.push(child);
    }
    let fields: UnionFields = fields.into_iter().collect();
    let union = UnionArray::try_new(
        fields,
        ScalarBuffer::from(ids),
        Some(ScalarBuffer::from(offsets)),
        children,
    );
    Ok(Arc::new(union.map_err(internal)?))
}
