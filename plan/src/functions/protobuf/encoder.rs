//! Columns into messages of one type.
//!
//! Each column is first looked at and made what its field needs on the wire, whole; then the messages are written, one after the other.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind};

use super::types::{FieldType, MessageType, Shape, ValueType};
use super::wire::{WireType, lengthened, tag, varint, zigzag};
use crate::error::{Error, Result};
use crate::functions::avro::within;
use crate::functions::encode::{
    Records, cast_strictly, distinct_keys, first_null, integers, live_items, mismatch,
    nulls_within, plain, refused, unfit,
};
use crate::options::did_you_mean;

/// Writes messages of one type.
#[derive(Debug)]
pub(crate) struct ProtobufEncoder {
    message: MessageType,
}

impl ProtobufEncoder {
    pub(crate) fn new(message: MessageType) -> Self {
        Self { message }
    }

    /// A message for each of `values`, none of which is null, behind `header`.
    ///
    /// # Errors
    /// `InvalidPlan` for values of a type that is not the message's, `Compute` for one that does not fit, with its place.
    pub(crate) fn encode(&self, values: &ArrayRef, header: &[u8]) -> Result<Records> {
        let messages = Messages::new(values, None, &self.message, "")?;
        let mut records = Records::with_capacity(values.len());
        for row in 0..values.len() {
            records.push(|out| {
                out.extend_from_slice(header);
                messages.write(row, out);
                Ok::<_, Error>(())
            })?;
        }
        Ok(records)
    }
}

/// A column of messages.
struct Messages {
    fields: Vec<FieldColumn>,
}

struct FieldColumn {
    number: u32,
    /// Rows without a value.
    nulls: Option<NullBuffer>,
    /// Whether zero is left out, as proto3 has it where absence does not show.
    implicit: bool,
    shape: ShapeColumn,
}

enum ShapeColumn {
    One(Values),
    List {
        offsets: OffsetBuffer<i32>,
        items: Values,
        packed: bool,
    },
    Map {
        offsets: OffsetBuffer<i32>,
        keys: Values,
        values: Values,
    },
}

/// Values as they are on the wire; whatever stands in for what is null.
enum Values {
    Varints(Vec<u64>),
    Fixed32(Vec<u32>),
    Fixed64(Vec<u64>),
    Bytes(BinaryArray),
    Text(StringArray),
    /// Seconds, and nanoseconds of a second.
    Times(Vec<(i64, u64)>),
    Messages(Messages),
}

impl Messages {
    fn new(
        array: &ArrayRef,
        live: Option<&NullBuffer>,
        message: &MessageType,
        place: &str,
    ) -> Result<Self> {
        let array = plain(array)?;
        let Some(structs) = array.as_struct_opt() else {
            let expected = format!("message {:?}", message.name());
            return Err(mismatch(place, array.data_type(), &expected));
        };
        let nulls = nulls_within(&array, live);
        for (index, given) in structs.fields().iter().enumerate() {
            let place = within(place, given.name());
            if !message
                .fields
                .iter()
                .any(|field| field.descriptor.name() == given.name())
            {
                let names = message.fields.iter().map(|field| field.descriptor.name());
                return Err(refused(
                    &place,
                    &format!(
                        "is not in message {:?}{}; leave it out of the column",
                        message.name(),
                        did_you_mean(given.name(), names)
                    ),
                ));
            }
            if structs.fields()[..index]
                .iter()
                .any(|before| before.name() == given.name())
            {
                return Err(refused(&place, "is in the column twice"));
            }
        }
        let mut fields = Vec::with_capacity(structs.num_columns());
        for field in &message.fields {
            let place = within(place, field.descriptor.name());
            match structs.column_by_name(field.descriptor.name()) {
                Some(_) if field.descriptor.is_group() => {
                    return Err(refused(
                        &place,
                        "is a group, which is not written: leave it out",
                    ));
                }
                Some(column) => {
                    fields.push(FieldColumn::new(column, nulls.as_ref(), field, &place)?)
                }
                None if field.descriptor.cardinality() == Cardinality::Required => {
                    return Err(refused(
                        &place,
                        "is not in the column, and required: add it",
                    ));
                }
                None => {}
            }
        }
        one_of_each(structs, nulls.as_ref(), message, place)?;
        // In the order of their numbers, as others write them.
        fields.sort_by_key(|field| field.number);
        Ok(Self { fields })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        for field in &self.fields {
            if field.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                field.write(row, out);
            }
        }
    }
}

/// That of a `oneof` one member at most has a value: a reader keeps the last.
fn one_of_each(
    structs: &arrow::array::StructArray,
    nulls: Option<&NullBuffer>,
    message: &MessageType,
    place: &str,
) -> Result<()> {
    for oneof in message
        .descriptor
        .oneofs()
        .filter(|oneof| !oneof.is_synthetic())
    {
        let members = oneof.fields();
        let members: Vec<_> = members
            .filter_map(|member| structs.column_by_name(member.name()))
            .map(|column| column.logical_nulls())
            .collect();
        for row in 0..structs.len() {
            let filled = members
                .iter()
                .filter(|nulls| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)));
            if filled.count() > 1 && nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                let why = format!(
                    "of which more than one member of oneof {:?} is not null",
                    oneof.name()
                );
                return Err(unfit(place, structs, row, &why));
            }
        }
    }
    Ok(())
}

impl FieldColumn {
    fn new(
        array: &ArrayRef,
        live: Option<&NullBuffer>,
        field: &FieldType,
        place: &str,
    ) -> Result<Self> {
        let array = plain(array)?;
        let descriptor = &field.descriptor;
        let nulls = nulls_within(&array, live);
        if let Some(row) = first_null(&array, live) {
            if descriptor.cardinality() == Cardinality::Required {
                return Err(unfit(place, &array, row, "and it is required"));
            }
            if descriptor.field_descriptor_proto().default_value.is_some() {
                return Err(unfit(
                    place,
                    &array,
                    row,
                    "which would be read as the default of the message's field",
                ));
            }
        }
        let other = |expected: &str| mismatch(place, array.data_type(), expected);
        let nulled = array.data_type() == &DataType::Null;
        let shape = match &field.shape {
            Shape::One(value_type) => ShapeColumn::One(values(
                &array,
                nulls.as_ref(),
                value_type,
                descriptor,
                place,
            )?),
            _ if nulled => {
                // No row has a value.
                ShapeColumn::One(Values::Varints(Vec::new()))
            }
            Shape::List(value_type) => {
                let list = array
                    .as_list_opt::<i32>()
                    .ok_or_else(|| other("repeated"))?;
                let inner = live_items(list.offsets(), nulls.as_ref(), list.values().len());
                let place = within(place, "items");
                ShapeColumn::List {
                    offsets: list.offsets().clone(),
                    items: present(
                        list.values(),
                        inner.as_ref(),
                        value_type,
                        descriptor,
                        &place,
                    )?,
                    packed: descriptor.is_packed(),
                }
            }
            Shape::Map(key_type, value_type) => {
                let map = array.as_map_opt().ok_or_else(|| other("a map"))?;
                let Kind::Message(entry) = descriptor.kind() else {
                    return Err(Error::internal("a Protobuf map has no entries"));
                };
                distinct_keys(map.keys(), map.offsets(), nulls.as_ref(), place)?;
                let inner = live_items(map.offsets(), nulls.as_ref(), map.keys().len());
                let of = |array, value_type, field: FieldDescriptor, name| {
                    let place = within(place, name);
                    present(array, inner.as_ref(), value_type, &field, &place)
                };
                ShapeColumn::Map {
                    offsets: map.offsets().clone(),
                    keys: of(map.keys(), key_type, entry.map_entry_key_field(), "keys")?,
                    values: of(
                        map.values(),
                        value_type,
                        entry.map_entry_value_field(),
                        "values",
                    )?,
                }
            }
        };
        Ok(Self {
            number: descriptor.number(),
            nulls: if nulled {
                Some(NullBuffer::new_null(array.len()))
            } else {
                nulls
            },
            implicit: !descriptor.supports_presence(),
            shape,
        })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let bounds = |offsets: &OffsetBuffer<i32>| {
            let at = |row: usize| usize::try_from(offsets[row]).unwrap_or(0);
            at(row)..at(row + 1)
        };
        match &self.shape {
            ShapeColumn::One(values) if self.implicit && values.is_zero(row) => {}
            ShapeColumn::One(values) => values.write_tagged(self.number, row, out),
            ShapeColumn::List {
                offsets,
                items,
                packed,
            } => {
                let bounds = bounds(offsets);
                if !packed {
                    bounds.for_each(|item| items.write_tagged(self.number, item, out));
                } else if !bounds.is_empty() {
                    tag(self.number, WireType::Length, out);
                    lengthened(out, |out| bounds.for_each(|item| items.write(item, out)));
                }
            }
            ShapeColumn::Map {
                offsets,
                keys,
                values,
            } => {
                for entry in bounds(offsets) {
                    tag(self.number, WireType::Length, out);
                    lengthened(out, |out| {
                        keys.write_tagged(1, entry, out);
                        values.write_tagged(2, entry, out);
                    });
                }
            }
        }
    }
}

/// Values of which none may be null.
fn present(
    array: &ArrayRef,
    live: Option<&NullBuffer>,
    value_type: &ValueType,
    field: &FieldDescriptor,
    place: &str,
) -> Result<Values> {
    let array = plain(array)?;
    if let Some(row) = first_null(&array, live) {
        return Err(unfit(place, &array, row, "and Protobuf has no null there"));
    }
    let nulls = nulls_within(&array, live);
    values(&array, nulls.as_ref(), value_type, field, place)
}

/// `array`, null where `nulls` says so, for the wire.
fn values(
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
                _ => std::sync::Arc::clone(array),
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
    let numbers: std::collections::HashMap<String, i32> = known
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
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

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
    fn is_zero(&self, row: usize) -> bool {
        match self {
            Self::Varints(values) | Self::Fixed64(values) => values[row] == 0,
            Self::Fixed32(values) => values[row] == 0,
            Self::Bytes(values) => values.value(row).is_empty(),
            Self::Text(values) => values.value(row).is_empty(),
            Self::Times(_) | Self::Messages(_) => false,
        }
    }

    fn write_tagged(&self, number: u32, row: usize, out: &mut Vec<u8>) {
        tag(number, self.wire_type(), out);
        self.write(row, out);
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
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
