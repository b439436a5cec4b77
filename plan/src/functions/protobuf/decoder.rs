//! Messages into columns.

use datafusion::common::DataFusionError;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value};

use super::types::{FieldType, MessageOptions, MessageType, Shape, ValueType};
use crate::error::Error;
use crate::functions::column::{Column, Kind, offset};
use crate::functions::decode::{Bad, Decoded};

/// Reads messages of one type.
#[derive(Debug)]
pub(crate) struct ProtobufDecoder {
    message: MessageType,
}

/// Why a message is not appended.
enum Stop {
    /// It is bad, and why.
    Bad(String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl ProtobufDecoder {
    pub(crate) fn new(message: MessageType) -> Self {
        Self { message }
    }

    /// A value for each of `bodies`.
    ///
    /// # Errors
    /// `ResourcesExhausted` for more values than a batch holds.
    pub(crate) fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        let mut column = Column::new(&self.message.data_type(), bodies.len())?;
        let mut bad = Vec::new();
        for (row, body) in bodies.iter().enumerate() {
            let decoded = DynamicMessage::decode(self.message.descriptor.clone(), *body);
            let pushed = match decoded {
                Ok(message) => push_message(&mut column, &self.message, &message),
                Err(error) => Err(Stop::Bad(format!(
                    "it is no {:?}: {error}",
                    self.message.name()
                ))),
            };
            match pushed {
                Ok(()) => {}
                Err(Stop::Bad(reason)) => {
                    column.truncate(row);
                    column.push_null()?;
                    bad.push(Bad { row, reason });
                }
                Err(Stop::Failed(error)) => return Err(error.into()),
            }
        }
        Ok(Decoded {
            values: column.finish()?,
            bad,
        })
    }
}

fn push_message(
    column: &mut Column,
    message_type: &MessageType,
    message: &DynamicMessage,
) -> Result<(), Stop> {
    let Kind::Struct(columns, _) = &mut column.kind else {
        return Err(other_kind());
    };
    for (column, field) in columns.iter_mut().zip(&message_type.fields) {
        push_field(column, field, message, message_type.options)?;
    }
    column.nulls.append_non_null();
    Ok(())
}

/// Null or not, as Spark's `ProtobufDeserializer.getFieldValue` has it.
fn push_field(
    column: &mut Column,
    field: &FieldType,
    message: &DynamicMessage,
    options: MessageOptions,
) -> Result<(), Stop> {
    let descriptor = &field.descriptor;
    let repeated = !matches!(field.shape, Shape::One(_));
    let present = repeated
        || message.has_field(descriptor)
        || descriptor.field_descriptor_proto().default_value.is_some()
        || (!descriptor.supports_presence() && options.emit_defaults);
    if !present {
        return Ok(column.push_null()?);
    }
    let value = message.get_field(descriptor);
    match (&field.shape, value.as_ref(), &mut column.kind) {
        (Shape::One(one), value, _) => push_value(column, one, value),
        (Shape::List(one), Value::List(values), Kind::List(offsets, items, _)) => {
            for value in values {
                push_value(items, one, value)?;
            }
            offsets.push(offset(items.len())?);
            column.nulls.append_non_null();
            Ok(())
        }
        (Shape::Map(key_type, value_type), Value::Map(values), Kind::Map(offsets, pair, _)) => {
            let [keys, items] = pair.as_mut();
            let mut entries: Vec<_> = values.iter().collect();
            // A map has no order; its rows are to be the same each time.
            entries.sort_by(|one, other| order(one.0).cmp(&order(other.0)));
            for (key, value) in entries {
                push_value(keys, key_type, &Value::from(key.clone()))?;
                push_value(items, value_type, value)?;
            }
            offsets.push(offset(keys.len())?);
            column.nulls.append_non_null();
            Ok(())
        }
        _ => Err(other_kind()),
    }
}

fn order(key: &MapKey) -> (i128, &str) {
    match key {
        MapKey::Bool(key) => (i128::from(*key), ""),
        MapKey::I32(key) => (i128::from(*key), ""),
        MapKey::I64(key) => (i128::from(*key), ""),
        MapKey::U32(key) => (i128::from(*key), ""),
        MapKey::U64(key) => (i128::from(*key), ""),
        MapKey::String(key) => (0, key),
    }
}

fn push_value(column: &mut Column, value_type: &ValueType, value: &Value) -> Result<(), Stop> {
    match (value_type, value) {
        (ValueType::Message(message_type), Value::Message(message)) => {
            return push_message(column, message_type, message);
        }
        (ValueType::Timestamp, Value::Message(message)) => {
            let micros = micros(message)?;
            let Kind::Timestamp(values, _) = &mut column.kind else {
                return Err(other_kind());
            };
            values.push(micros);
        }
        (ValueType::Enum(values), Value::EnumNumber(number)) => match &mut column.kind {
            Kind::Int32(numbers) => numbers.push(*number),
            Kind::Text(bytes) => match values.get_value(*number) {
                Some(value) => bytes.push(value.name().as_bytes())?,
                None => {
                    return Err(Stop::Bad(format!(
                        "enum {:?} has no value {number}",
                        values.full_name()
                    )));
                }
            },
            _ => return Err(other_kind()),
        },
        _ => match (&mut column.kind, value) {
            (Kind::Boolean(values), Value::Bool(value)) => values.append(*value),
            (Kind::Int32(values), Value::I32(value)) => values.push(*value),
            (Kind::Int32(values), Value::U32(value)) => values.push(value.cast_signed()),
            (Kind::Int64(values), Value::I64(value)) => values.push(*value),
            (Kind::Int64(values), Value::U64(value)) => values.push(value.cast_signed()),
            (Kind::Int64(values), Value::U32(value)) => values.push(i64::from(*value)),
            (Kind::Decimal(values, ..), Value::U64(value)) => values.push(i128::from(*value)),
            (Kind::Float32(values), Value::F32(value)) => values.push(*value),
            (Kind::Float64(values), Value::F64(value)) => values.push(*value),
            (Kind::Text(bytes), Value::String(value)) => bytes.push(value.as_bytes())?,
            (Kind::Binary(bytes), Value::Bytes(value)) => bytes.push(value)?,
            _ => return Err(other_kind()),
        },
    }
    column.nulls.append_non_null();
    Ok(())
}

fn micros(timestamp: &DynamicMessage) -> Result<i64, Stop> {
    let number = |name: &str| match timestamp.get_field_by_name(name).as_deref() {
        Some(Value::I64(value)) => *value,
        Some(Value::I32(value)) => i64::from(*value),
        _ => 0,
    };
    let (seconds, nanos) = (number("seconds"), number("nanos"));
    let micros = seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(nanos / 1000));
    micros.ok_or_else(|| {
        Stop::Bad(format!(
            "{seconds} s is no time of a {}",
            timestamp.descriptor().full_name()
        ))
    })
}

fn other_kind() -> Stop {
    Stop::Failed(Error::internal(
        "a Protobuf value has another type than its column",
    ))
}
