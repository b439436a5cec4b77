//! What a record's bytes become, by the languages of schemas.

use std::collections::BTreeMap;
use std::fmt::Debug;

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use prost_reflect::{FileDescriptor, MessageDescriptor};

use crate::error::{Error, Result};
use crate::functions::avro::AvroDecoder;
use crate::functions::avro::schema::AvroTree;
use crate::functions::decode::{Bad, Decoded};
use crate::functions::json_schema::{JsonDecoder, JsonType, check as check_json};
use crate::functions::protobuf::{
    MessageOptions, MessageType, ProtobufDecoder, check, file_of, message_at, message_named,
    write_varint, zigzag,
};
use crate::options::Options;
use crate::schema_registry::{RegisteredSchema, SchemaType};

/// The reader's schema, understood.
#[derive(Debug)]
pub(super) enum Reader {
    Avro(AvroTree),
    Protobuf(MessageType),
    Json(JsonType),
}

/// How records of one writer's schema become the reader's values.
pub(super) trait Writer: Debug + Send + Sync {
    /// A value for each of `bodies`, which begin behind the id.
    fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError>;
}

impl Reader {
    /// # Errors
    /// `InvalidArgument` or `Unsupported` for a schema that has no table type.
    pub(super) fn new(schema: &RegisteredSchema, options: &Options) -> Result<Self> {
        match schema.schema_type {
            SchemaType::Avro => Ok(Self::Avro(avro(schema)?)),
            SchemaType::Protobuf => {
                let file = file_of(schema)?;
                let message = match options.get(super::from_registry::MESSAGE_NAME.key) {
                    Some(name) => own_message(&file, name)?,
                    None => message_at(&file, &[0]).ok_or_else(|| {
                        Error::invalid_argument("the Protobuf schema has no message")
                    })?,
                };
                let options = MessageOptions::of(options)?;
                Ok(Self::Protobuf(MessageType::new(&message, options)?))
            }
            SchemaType::Json => Ok(Self::Json(JsonType::parse(schema)?)),
        }
    }

    pub(super) fn data_type(&self) -> Result<DataType> {
        match self {
            Self::Avro(tree) => tree.data_type(),
            Self::Protobuf(message) => Ok(message.data_type()),
            Self::Json(json_type) => Ok(json_type.data_type()),
        }
    }

    /// # Errors
    /// Why no record of `schema` can be read.
    pub(super) fn writer(&self, schema: &RegisteredSchema) -> Result<Box<dyn Writer>, String> {
        match (self, schema.schema_type) {
            (Self::Avro(reader), SchemaType::Avro) => {
                let writer = avro(schema).map_err(|error| error.to_string())?;
                Ok(Box::new(AvroDecoder::try_new(&writer, reader)?))
            }
            (Self::Protobuf(reader), SchemaType::Protobuf) => Ok(Box::new(ProtobufWriter {
                file: file_of(schema).map_err(|error| error.to_string())?,
                reader: reader.clone(),
            })),
            (Self::Json(reader), SchemaType::Json) => {
                let writer = JsonType::parse(schema).map_err(|error| error.to_string())?;
                check_json(&writer, reader)?;
                Ok(Box::new(JsonDecoder::new(reader.clone())))
            }
            (_, other) => Err(format!("its schema is of type {other}")),
        }
    }
}

/// A message of the file itself: records say by its indexes which it is.
fn own_message(file: &FileDescriptor, name: &str) -> Result<MessageDescriptor> {
    let found = message_named(file.parent_pool(), name)?;
    match found.parent_file() == *file {
        true => Ok(found),
        false => Err(Error::invalid_argument(format!(
            "message {name:?} is in {:?}, which the schema imports, and not in the schema itself",
            found.parent_file().name()
        ))),
    }
}

fn avro(schema: &RegisteredSchema) -> Result<AvroTree> {
    let references = schema.references.iter();
    let references: Vec<&str> = references
        .map(|reference| reference.text.as_str())
        .collect();
    AvroTree::parse(&schema.text, &references)
}

impl Writer for AvroDecoder {
    fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        self.decode(bodies)
    }
}

impl Writer for JsonDecoder {
    fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        self.decode(bodies)
    }
}

/// A file of messages, of which each record says by its indexes which it is.
#[derive(Debug)]
struct ProtobufWriter {
    file: FileDescriptor,
    reader: MessageType,
}

impl ProtobufWriter {
    fn decoder(&self, path: &[usize]) -> Result<ProtobufDecoder, String> {
        let message = message_at(&self.file, path)
            .ok_or_else(|| format!("its schema has no message at index {path:?}"))?;
        if message.full_name() != self.reader.name() {
            return Err(format!(
                "it is a message {:?}, not {:?}",
                message.full_name(),
                self.reader.name()
            ));
        }
        check(&message, self.reader.descriptor())?;
        Ok(ProtobufDecoder::new(self.reader.clone()))
    }
}

impl Writer for ProtobufWriter {
    fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        let data_type = self.reader.data_type();
        let mut bad = Vec::new();
        let mut by_path: BTreeMap<Vec<usize>, Messages<'_>> = BTreeMap::new();
        for (row, body) in bodies.iter().enumerate() {
            match indexes(body) {
                Some((path, message)) => {
                    let (rows, messages) = by_path.entry(path).or_default();
                    rows.push(row);
                    messages.push(message);
                }
                None => bad.push(Bad {
                    row,
                    reason: "it has no message indexes behind the schema id".to_owned(),
                }),
            }
        }
        let mut parts = Vec::with_capacity(by_path.len());
        for (path, (rows, messages)) in by_path {
            let part = match self.decoder(&path) {
                Ok(decoder) => decoder.decode(&messages)?,
                Err(reason) => Decoded::all_bad(&data_type, rows.len(), &reason),
            };
            parts.push((rows, part));
        }
        if bad.is_empty()
            && parts.len() == 1
            && let Some((_, whole)) = parts.pop()
        {
            return Ok(whole);
        }
        let mut all = Decoded::gathered(&data_type, bodies.len(), parts)?;
        all.bad.extend(bad);
        all.bad.sort_by_key(|bad| bad.row);
        Ok(all)
    }
}

/// The rows of messages of one type, and the messages.
type Messages<'a> = (Vec<usize>, Vec<&'a [u8]>);

/// Nested messages at most: what says more is no path.
const PATH_MAX: i64 = 100;

/// The path of a record's message, and the message: a count of indexes and the indexes, zigzag varints; a count of zero stands for
/// the first message.
fn indexes(body: &[u8]) -> Option<(Vec<usize>, &[u8])> {
    let (count, mut rest) = varint(body)?;
    if count == 0 {
        return Some((vec![0], rest));
    }
    if !(1..=PATH_MAX).contains(&count) {
        return None;
    }
    let mut path = Vec::new();
    for _ in 0..count {
        let (index, after) = varint(rest)?;
        path.push(usize::try_from(index).ok()?);
        rest = after;
    }
    Some((path, rest))
}

fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value: u64 = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let value = (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

/// What [`indexes`] reads, for `message`.
pub(super) fn header_of_message(message: &MessageDescriptor) -> Vec<u8> {
    // The path is of field numbers of descriptors and indexes, in turns.
    let path: Vec<i64> = message
        .path()
        .iter()
        .skip(1)
        .step_by(2)
        .map(|index| i64::from(*index))
        .collect();
    let mut header = Vec::new();
    if path == [0] {
        header.push(0);
        return header;
    }
    let count = i64::try_from(path.len()).unwrap_or(i64::MAX);
    for value in std::iter::once(count).chain(path) {
        write_varint(zigzag(value), &mut header);
    }
    header
}
