//! Columns into messages of one type.
//!
//! Each column is first looked at and made what its field needs on the wire, whole; then the messages are written, one after the other.

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;
use prost_reflect::{Cardinality, FieldDescriptor, Kind};

use super::types::{FieldType, MessageType, Shape, ValueType};
use super::values::{Values, values};
use super::wire::{WireType, lengthened, tag};
use crate::error::{Error, Result};
use crate::functions::avro::within;
use crate::functions::encode::{
    Records, distinct_keys, first_null, live_items, mismatch, nulls_within, plain, refused, unfit,
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
pub(super) struct Messages {
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

impl Messages {
    pub(super) fn new(
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

    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        for field in &self.fields {
            if field.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                field.write(row, out);
            }
        }
    }
}

/// That of a `oneof` one member at most has a value: a reader keeps the last.
fn one_of_each(
    structs: &StructArray,
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
