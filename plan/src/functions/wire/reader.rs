//! What a record's bytes become, by the languages of schemas.

use std::fmt::Debug;

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;

use crate::error::{Error, Result};
use crate::functions::avro::AvroDecoder;
use crate::functions::avro::schema::AvroTree;
use crate::functions::decode::Decoded;
use crate::schema_registry::{RegisteredSchema, SchemaType};

/// The reader's schema, understood.
#[derive(Debug)]
pub(super) enum Reader {
    Avro(AvroTree),
}

/// How records of one writer's schema become the reader's values.
pub(super) trait Writer: Debug + Send + Sync {
    /// A value for each of `bodies`, which begin behind the id.
    fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError>;
}

impl Writer for AvroDecoder {
    fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        self.decode(bodies)
    }
}

impl Reader {
    pub(super) fn new(schema: &RegisteredSchema) -> Result<Self> {
        match schema.schema_type {
            SchemaType::Avro => Ok(Self::Avro(avro(schema)?)),
            other => Err(Error::unsupported(format!(
                "schemas of type {other} are not supported yet"
            ))),
        }
    }

    pub(super) fn data_type(&self) -> Result<DataType> {
        match self {
            Self::Avro(tree) => tree.data_type(),
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
            (_, other) => Err(format!("its schema is of type {other}")),
        }
    }
}

fn avro(schema: &RegisteredSchema) -> Result<AvroTree> {
    let references: Vec<&str> = schema
        .references
        .iter()
        .map(|reference| reference.text.as_str())
        .collect();
    AvroTree::parse(&schema.text, &references)
}
