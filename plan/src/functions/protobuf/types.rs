//! Messages as Spark's types, by `SchemaConverters` of its Protobuf source.

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use crate::error::{Error, Result};
use crate::functions::ddl::map_of;
use crate::options::{OptionSpec, Options};

pub(crate) const EMIT_DEFAULTS: OptionSpec = OptionSpec {
    key: "emit.default.values",
    doc: "whether a field that proto3 leaves out for having its default is that default, or null; default false",
};

pub(crate) const ENUMS_AS_INTS: OptionSpec = OptionSpec {
    key: "enums.as.ints",
    doc: "whether enums are their numbers, or their names; default false",
};

pub(crate) const UPCAST_UNSIGNED: OptionSpec = OptionSpec {
    key: "upcast.unsigned.ints",
    doc: "whether uint32 is BIGINT and uint64 DECIMAL(20, 0), or INT and BIGINT of the same bits; default false",
};

/// How messages are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MessageOptions {
    pub(super) emit_defaults: bool,
    pub(super) enums_as_ints: bool,
    pub(super) upcast_unsigned: bool,
}

impl MessageOptions {
    pub(crate) fn of(options: &Options) -> Result<Self> {
        let flag =
            |spec: OptionSpec| Ok::<_, Error>(options.parse_bool(spec.key)?.unwrap_or(false));
        Ok(Self {
            emit_defaults: flag(EMIT_DEFAULTS)?,
            enums_as_ints: flag(ENUMS_AS_INTS)?,
            upcast_unsigned: flag(UPCAST_UNSIGNED)?,
        })
    }
}

/// A message and its columns.
#[derive(Debug, Clone)]
pub(crate) struct MessageType {
    pub(super) descriptor: MessageDescriptor,
    pub(super) fields: Vec<FieldType>,
    pub(super) options: MessageOptions,
}

/// A field that has a column.
#[derive(Debug, Clone)]
pub(super) struct FieldType {
    pub(super) descriptor: FieldDescriptor,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    One(ValueType),
    List(ValueType),
    /// Of the values; keys are scalars.
    Map(ValueType, ValueType),
}

#[derive(Debug, Clone)]
pub(super) enum ValueType {
    Scalar(DataType),
    Enum(EnumDescriptor),
    Timestamp,
    Message(Box<MessageType>),
}

impl MessageType {
    /// # Errors
    /// `Unsupported` for a message that contains itself, and for types that have no column, by name.
    pub(crate) fn new(descriptor: &MessageDescriptor, options: MessageOptions) -> Result<Self> {
        Self::within(descriptor, options, &mut Vec::new())
    }

    fn within(
        descriptor: &MessageDescriptor,
        options: MessageOptions,
        open: &mut Vec<String>,
    ) -> Result<Self> {
        let name = descriptor.full_name();
        if open.iter().any(|open| open == name) {
            return Err(Error::unsupported(format!(
                "Protobuf message {name:?} contains itself: recursive messages have no table type; leave the field out of \
                 the reader's message"
            )));
        }
        open.push(name.to_owned());
        let mut fields = Vec::new();
        for field in descriptor.fields() {
            let shape = match field.kind() {
                Kind::Message(entry) if field.is_map() => Shape::Map(
                    value_type(&entry.map_entry_key_field(), options, open)?,
                    value_type(&entry.map_entry_value_field(), options, open)?,
                ),
                _ if field.is_list() => Shape::List(value_type(&field, options, open)?),
                _ => Shape::One(value_type(&field, options, open)?),
            };
            // As Spark: a message without fields has no column.
            let empty = match &shape {
                Shape::One(value) | Shape::List(value) | Shape::Map(_, value) => {
                    matches!(value, ValueType::Message(message) if message.fields.is_empty())
                }
            };
            if !empty {
                fields.push(FieldType {
                    descriptor: field,
                    shape,
                });
            }
        }
        open.pop();
        Ok(Self {
            descriptor: descriptor.clone(),
            fields,
            options,
        })
    }

    /// Its type. All fields are nullable.
    pub(crate) fn data_type(&self) -> DataType {
        let fields = self.fields.iter().map(|field| {
            let data_type = match &field.shape {
                Shape::One(value) => value.data_type(self.options),
                Shape::List(value) => {
                    DataType::List(Field::new("item", value.data_type(self.options), true).into())
                }
                Shape::Map(key, value) => {
                    map_of(key.data_type(self.options), value.data_type(self.options))
                }
            };
            Field::new(field.descriptor.name(), data_type, true)
        });
        DataType::Struct(fields.collect::<Fields>())
    }

    pub(crate) fn descriptor(&self) -> &MessageDescriptor {
        &self.descriptor
    }

    pub(crate) fn name(&self) -> &str {
        self.descriptor.full_name()
    }
}

impl ValueType {
    fn data_type(&self, options: MessageOptions) -> DataType {
        match self {
            Self::Scalar(data_type) => data_type.clone(),
            Self::Enum(_) if options.enums_as_ints => DataType::Int32,
            Self::Enum(_) => DataType::Utf8,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Message(message) => message.data_type(),
        }
    }
}

fn value_type(
    field: &FieldDescriptor,
    options: MessageOptions,
    open: &mut Vec<String>,
) -> Result<ValueType> {
    Ok(ValueType::Scalar(match field.kind() {
        Kind::Bool => DataType::Boolean,
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => DataType::Int32,
        Kind::Uint32 | Kind::Fixed32 if options.upcast_unsigned => DataType::Int64,
        Kind::Uint32 | Kind::Fixed32 => DataType::Int32,
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => DataType::Int64,
        Kind::Uint64 | Kind::Fixed64 if options.upcast_unsigned => DataType::Decimal128(20, 0),
        Kind::Uint64 | Kind::Fixed64 => DataType::Int64,
        Kind::Float => DataType::Float32,
        Kind::Double => DataType::Float64,
        Kind::String => DataType::Utf8,
        Kind::Bytes => DataType::Binary,
        Kind::Enum(values) => return Ok(ValueType::Enum(values)),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => return Ok(ValueType::Timestamp),
            "google.protobuf.Duration" => {
                return Err(Error::unsupported(format!(
                    "Protobuf field {:?} is a google.protobuf.Duration, which has no table type; leave it out of the \
                     reader's message",
                    field.full_name()
                )));
            }
            _ => {
                let message = MessageType::within(&message, options, open)?;
                return Ok(ValueType::Message(Box::new(message)));
            }
        },
    }))
}
