//! Columns as the values that stand on the wire.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind};

use super::encoder::Messages;
use super::types::ValueType;
use super::wire::{WireType, lengthened, tag, varint, zigzag};
use crate::error::{Error, Result};
use crate::functions::encode::{cast_strictly, integers, mismatch, unfit};

/// Values as they are on the wire; whatever stands in for what is null.
pub(super) enum Values {
    Varints(Vec<u64>),
    Fixed32(Vec<u32>),
    Fixed64(Vec<u64>),
    Bytes(BinaryArray),
    Text(StringArray),
    /// Seconds, and nanoseconds of a second.
    Times(Vec<(i64, u64)>),
    Messages(Messages),
}

/// `array`, null where `nulls` says so, for the wire.
pub(super) fn values(
    array: &ArrayRef,
    nulls: Option<&NullBuffer>,
    value_type: &ValueType,
    field: &FieldDescriptor,
    place: &str,
) -> Result<Values> {
    if array.data_type() == &DataType::Null {
        return Ok(Values::Varints(vec![0; array.len()]));
    }
    let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
    let kind = field.kind();
    let other = || mismatch(place, array.data_type(), &kind_text(&kind));
    match (value_type, array.data_type()) {
        (ValueType::Message(message), _) => {
            return Ok(Values::Messages(Messages::new(
                array, nulls, message, place,
            )?));
        }
        (ValueType::Timestamp, DataType::Timestamp(TimeUnit::Microsecond, Some(_))) => {
            return times(array, &valid, place);
        }
        (ValueType::Timestamp, _) => return Err(other()),
        (ValueType::Enum(known), DataType::Utf8) => return names(array, &valid, known, place),
        (ValueType::Enum(known), _) => {
            let numbers = integers(array).ok_or_else(other)?;
            let of = |value: i64| {
                let number = i32::try_from(value).ok();
                number.filter(|number| known.get_value(*number).is_some())?;
                Some(value.cast_unsigned())
            };
            let why = format!("which is no number of enum {:?}", known.full_name());
            return each(array, numbers.values(), &valid, of, place, &why).map(Values::Varints);
        }
        (ValueType::Scalar(_), _) => {}
    }
    let why = format!("which is too large for {}", kind_text(&kind));
    let whole = |of: fn(i64, bool) -> Option<u64>| {
        let numbers = integers(array).ok_or_else(other)?;
        // INT for uint32 and BIGINT for uint64 are of the same bits, as from_protobuf has them without upcast.unsigned.ints.
        let same_width = matches!(array.data_type(), DataType::Int32);
        each(
            array,
            numbers.values(),
            &valid,
            |value| of(value, same_width),
            place,
            &why,
        )
    };
    let narrow =
        |values: Vec<u64>| -> Vec<u32> { values.iter().map(|value| *value as u32).collect() };
    let signed: fn(i64, bool) -> Option<u64> =
        |value, _| i32::try_from(value).ok().map(|_| value.cast_unsigned());
    let unsigned: fn(i64, bool) -> Option<u64> =
        |value, same_width| match (u32::try_from(value), same_width) {
            (Ok(value), _) => Some(u64::from(value)),
            (Err(_), true) => Some(value.cast_unsigned() & 0xffff_ffff),
            (Err(_), false) => None,
        };
    Ok(match kind {
        Kind::Bool => {
            let booleans = array.as_boolean_opt().ok_or_else(other)?;
            Values::Varints(booleans.values().iter().map(u64::from).collect())
        }
        Kind::Int32 => Values::Varints(whole(signed)?),
        Kind::Int64 => Values::Varints(whole(|value, _| Some(value.cast_unsigned()))?),
        Kind::Sint32 => Values::Varints(whole(|value, _| {
            i32::try_from(value).ok().map(|_| zigzag(value))
        })?),
        Kind::Sint64 => Values::Varints(whole(|value, _| Some(zigzag(value)))?),
        Kind::Sfixed32 => Values::Fixed32(narrow(whole(signed)?)),
        Kind::Sfixed64 => Values::Fixed64(whole(|value, _| Some(value.cast_unsigned()))?),
        Kind::Uint32 => Values::Varints(whole(unsigned)?),
        Kind::Fixed32 => Values::Fixed32(narrow(whole(unsigned)?)),
        Kind::Uint64 | Kind::Fixed64 => {
            let numbers = match array.data_type() {
                DataType::Decimal128(_, 0) => {
                    let decimals = array.as_primitive::<Decimal128Type>();
                    each(
                        array,
                        decimals.values(),
                        &valid,
                        |value| u64::try_from(value).ok(),
                        place,
                        &why,
                    )?
                }
                DataType::Int64 => whole(|value, _| Some(value.cast_unsigned()))?,
                _ => whole(|value, _| u64::try_from(value).ok())?,
            };
            match kind {
                Kind::Uint64 => Values::Varints(numbers),
                _ => Values::Fixed64(numbers),
            }
        }
        Kind::Float => {
            let floats = array.as_primitive_opt::<Float32Type>().ok_or_else(other)?;
            Values::Fixed32(
                floats
                    .values()
                    .iter()
                    .map(|value| value.to_bits())
                    .collect(),
            )
        }
        Kind::Double => {
            let wide = match array.data_type() {
                DataType::Float32 | DataType::Int8 | DataType::Int16 | DataType::Int32 => {
                    cast_strictly(array, &DataType::Float64).ok_or_else(other)?
                }
                _ => Arc::clone(array),
            };
            let doubles = wide.as_primitive_opt::<Float64Type>().ok_or_else(other)?;
            Values::Fixed64(
                doubles
                    .values()
                    .iter()
                    .map(|value| value.to_bits())
                    .collect(),
            )
        }
        Kind::Bytes => Values::Bytes(array.as_binary_opt().ok_or_else(other)?.clone()),
        Kind::String => match array.as_binary_opt::<i32>() {
            Some(bytes) => {
                let broken =
                    |row: &usize| valid(*row) && std::str::from_utf8(bytes.value(*row)).is_err();
                if let Some(row) = (0..bytes.len()).find(broken) {
                    return Err(unfit(place, array, row, "which is no UTF-8"));
                }
                Values::Bytes(bytes.clone())
            }
            None => Values::Text(array.as_string_opt().ok_or_else(other)?.clone()),
        },
        Kind::Message(_) | Kind::Enum(_) => {
            return Err(Error::internal("a Protobuf type is no scalar"));
        }
    })
}

/// A type as messages name it.
fn kind_text(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => format!("message {:?}", message.full_name()),
        Kind::Enum(values) => format!("enum {:?}", values.full_name()),
        scalar => format!("{scalar:?}"),
    }
}

/// What `of` makes of each value that counts.
fn each<T: Copy>(
    array: &ArrayRef,
    given: &[T],
    valid: &impl Fn(usize) -> bool,
    of: impl Fn(T) -> Option<u64>,
    place: &str,
    why: &str,
) -> Result<Vec<u64>> {
    let mut found = Vec::with_capacity(given.len());
    for (row, value) in given.iter().enumerate() {
        found.push(match of(*value) {
            Some(value) => value,
            None if !valid(row) => 0,
            None => return Err(unfit(place, array, row, why)),
        });
    }
    Ok(found)
}

fn names(
    array: &ArrayRef,
    valid: &impl Fn(usize) -> bool,
    known: &EnumDescriptor,
    place: &str,
) -> Result<Values> {
    let numbers: HashMap<String, i32> = known
        .values()
        .map(|value| (value.name().to_owned(), value.number()))
        .collect();
    let names = array.as_string::<i32>();
    let mut found = Vec::with_capacity(names.len());
    for row in 0..names.len() {
        found.push(match numbers.get(names.value(row)) {
            Some(number) => i64::from(*number).cast_unsigned(),
            None if !valid(row) => 0,
            None => {
                let why = format!("which is no value of enum {:?}", known.full_name());
                return Err(unfit(place, array, row, &why));
            }
        });
    }
    Ok(Values::Varints(found))
}

/// Of a `google.protobuf.Timestamp`, from the year 1 to the year 9999: seconds since 1970.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

fn times(array: &ArrayRef, valid: &impl Fn(usize) -> bool, place: &str) -> Result<Values> {
    let micros = array.as_primitive::<TimestampMicrosecondType>();
    let mut times = Vec::with_capacity(micros.len());
    for (row, micros) in micros.values().iter().enumerate() {
        let seconds = micros.div_euclid(1_000_000);
        if valid(row) && !SECONDS.contains(&seconds) {
            let why = "and a google.protobuf.Timestamp is of the years 1 to 9999";
            return Err(unfit(place, array, row, why));
        }
        times.push((seconds, micros.rem_euclid(1_000_000).cast_unsigned() * 1000));
    }
    Ok(Values::Times(times))
}

impl Values {
    fn wire_type(&self) -> WireType {
        match self {
            Self::Varints(_) => WireType::Varint,
            Self::Fixed32(_) => WireType::Fixed32,
            Self::Fixed64(_) => WireType::Fixed64,
            _ => WireType::Length,
        }
    }

    /// Whether proto3 leaves it out.
    pub(super) fn is_zero(&self, row: usize) -> bool {
        match self {
            Self::Varints(values) | Self::Fixed64(values) => values[row] == 0,
            Self::Fixed32(values) => values[row] == 0,
            Self::Bytes(values) => values.value(row).is_empty(),
            Self::Text(values) => values.value(row).is_empty(),
            Self::Times(_) | Self::Messages(_) => false,
        }
    }

    pub(super) fn write_tagged(&self, number: u32, row: usize, out: &mut Vec<u8>) {
        tag(number, self.wire_type(), out);
        self.write(row, out);
    }

    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Varints(values) => varint(values[row], out),
            Self::Fixed32(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Fixed64(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Bytes(values) => sized(values.value(row), out),
            Self::Text(values) => sized(values.value(row).as_bytes(), out),
            Self::Times(values) => {
                let (seconds, nanos) = values[row];
                lengthened(out, |out| {
                    for (number, value) in [(1, seconds.cast_unsigned()), (2, nanos)] {
                        if value != 0 {
                            tag(number, WireType::Varint, out);
                            varint(value, out);
                        }
                    }
                });
            }
            Self::Messages(messages) => lengthened(out, |out| messages.write(row, out)),
        }
    }
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
