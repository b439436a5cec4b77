//! The function behind [`to_avro_registry`] and the others: values behind the id of one schema.

use arrow::array::ArrayRef;
use datafusion::logical_expr::{Expr, ScalarUDF};
use serde::{Deserialize, Serialize};

use super::from_registry::MESSAGE_NAME;
use super::reader::{Reader, header_of_message};
use crate::error::{Error, Result};
use crate::functions::avro::AvroEncoder;
use crate::functions::decode::known_options;
use crate::functions::encode::{Encode, Encoding, Records};
use crate::functions::json_schema::JsonEncoder;
use crate::functions::protobuf::ProtobufEncoder;
use crate::options::{OptionSpec, owned};
use crate::schema_registry::{RegisteredSchema, SchemaType, SubjectVersion};

/// What the functions that encode for schema registries understand.
pub const TO_REGISTRY_OPTIONS: &[OptionSpec] = &[OptionSpec {
    key: MESSAGE_NAME.key,
    doc: "of to_protobuf_registry: the message; default: the first of the schema",
}];

/// The values of `expr` as Avro records in Confluent's wire format, of the schema that `version` is.
///
/// The schema's id is a part of the plan: no task asks a registry, and one that runs again writes the same bytes. Types are those of
/// [`crate::functions::to_avro`], and so is what becomes of values that do not fit.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it; then those of [`crate::functions::to_avro`].
pub fn to_avro_registry<K: Into<String>, V: Into<String>>(
    expr: Expr,
    version: &SubjectVersion,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    call(SchemaType::Avro, expr, version, options)
}

/// The structs of `expr` as messages in Confluent's wire format, with the message's indexes behind the id, of the schema that
/// `version` is, with [`TO_REGISTRY_OPTIONS`].
///
/// As [`to_avro_registry`]; types and values are those of [`crate::functions::to_protobuf`].
///
/// # Errors
/// As [`to_avro_registry`].
pub fn to_protobuf_registry<K: Into<String>, V: Into<String>>(
    expr: Expr,
    version: &SubjectVersion,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    call(SchemaType::Protobuf, expr, version, options)
}

/// The values of `expr` as JSON in Confluent's wire format, of the JSON Schema that `version` is.
///
/// As [`to_avro_registry`]; values are written as `to_json` writes them, but timestamps with their microseconds. A null is left out, or written where its property is `required` and may
/// be null. Fails the query: a null that is neither, one that would be read as a default, NaN and infinity where numbers
/// are. What narrows values further (`enum`, `pattern`, `minimum`) is left to rules over rows, as it is in [`crate::functions::from_json_registry`].
///
/// # Errors
/// As [`to_avro_registry`].
pub fn to_json_registry<K: Into<String>, V: Into<String>>(
    expr: Expr,
    version: &SubjectVersion,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    call(SchemaType::Json, expr, version, options)
}

fn call<K: Into<String>, V: Into<String>>(
    schema_type: SchemaType,
    expr: Expr,
    version: &SubjectVersion,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    let schema = &version.schema;
    if schema.schema_type != schema_type {
        return Err(Error::invalid_argument(format!(
            "{} takes a schema of type {schema_type}; version {} of subject {:?} is of type {}",
            name_of(schema_type),
            version.version,
            version.subject,
            schema.schema_type
        )));
    }
    let function = Encode::new(ToRegistry {
        schema: schema.clone(),
        id: version.id,
        options: owned(options),
    })?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

fn name_of(schema_type: SchemaType) -> &'static str {
    match schema_type {
        SchemaType::Avro => "to_avro_registry",
        SchemaType::Protobuf => "to_protobuf_registry",
        SchemaType::Json => "to_json_registry",
    }
}

/// Of a schema that is registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::functions) struct ToRegistry {
    schema: RegisteredSchema,
    id: u32,
    options: Vec<(String, String)>,
}

/// Writes records, and what each begins with.
#[derive(Debug)]
pub(in crate::functions) struct Encoder {
    language: Language,
    header: Vec<u8>,
}

#[derive(Debug)]
enum Language {
    Avro(AvroEncoder),
    Protobuf(ProtobufEncoder),
    Json(JsonEncoder),
}

impl Encoding for ToRegistry {
    type Encoder = Encoder;

    fn name(&self) -> &'static str {
        name_of(self.schema.schema_type)
    }

    fn encoder(&self) -> Result<Self::Encoder> {
        let given = known_options(self.name(), &self.options, TO_REGISTRY_OPTIONS)?;
        if self.schema.schema_type != SchemaType::Protobuf && given.get(MESSAGE_NAME.key).is_some()
        {
            return Err(Error::invalid_argument(format!(
                "option {:?} is for messages of Protobuf",
                MESSAGE_NAME.key
            )));
        }
        let reader = Reader::new(&self.schema, &given)?;
        // It is read again by the same types.
        reader.data_type()?;
        let mut header = vec![0];
        header.extend(self.id.to_be_bytes());
        let language = match reader {
            Reader::Avro(tree) => Language::Avro(AvroEncoder::new(tree)),
            Reader::Protobuf(message) => {
                header.extend(header_of_message(message.descriptor()));
                Language::Protobuf(ProtobufEncoder::new(message))
            }
            Reader::Json(json_type) => Language::Json(JsonEncoder::new(json_type)),
        };
        Ok(Encoder { language, header })
    }

    fn encode(encoder: &Self::Encoder, values: &ArrayRef) -> Result<Records> {
        let header = &encoder.header;
        match &encoder.language {
            Language::Avro(encoder) => encoder.encode(values, header),
            Language::Protobuf(encoder) => encoder.encode(values, header),
            Language::Json(encoder) => encoder.encode(values, header),
        }
    }
}
