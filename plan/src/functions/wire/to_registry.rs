//! The function behind [`to_avro_registry`] and the others: values behind the id of one schema.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::from_registry::MESSAGE_NAME;
use super::reader::{Reader, header_of_message};
use crate::error::{Error, Result};
use crate::functions::avro::AvroEncoder;
use crate::functions::decode::known_options;
use crate::functions::encode::{Records, checked, invoke, signature};
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
/// As [`to_avro_registry`]; values are written as `to_json` writes them. A null is left out, or written where its property is `required` and may
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
    let function = ToRegistry::new(schema.clone(), version.id, owned(options))?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

fn name_of(schema_type: SchemaType) -> &'static str {
    match schema_type {
        SchemaType::Avro => "to_avro_registry",
        SchemaType::Protobuf => "to_protobuf_registry",
        SchemaType::Json => "to_json_registry",
    }
}

#[derive(Debug)]
enum Encoder {
    Avro(AvroEncoder),
    Protobuf(ProtobufEncoder),
    Json(JsonEncoder),
}

#[derive(Debug)]
pub(in crate::functions) struct ToRegistry {
    /// As given, to be sent.
    schema: RegisteredSchema,
    id: u32,
    options: Vec<(String, String)>,
    encoder: Encoder,
    /// What each record begins with.
    header: Vec<u8>,
    signature: Signature,
}

impl ToRegistry {
    pub(in crate::functions) fn new(
        schema: RegisteredSchema,
        id: u32,
        options: Vec<(String, String)>,
    ) -> Result<Self> {
        let name = name_of(schema.schema_type);
        let given = known_options(name, &options, TO_REGISTRY_OPTIONS)?;
        if schema.schema_type != SchemaType::Protobuf && given.get(MESSAGE_NAME.key).is_some() {
            return Err(Error::invalid_argument(format!(
                "{name}: option {:?} is for messages of Protobuf",
                MESSAGE_NAME.key
            )));
        }
        let reader = Reader::new(&schema, &given).map_err(|error| error.context(name))?;
        // It is read again by the same types.
        reader.data_type().map_err(|error| error.context(name))?;
        let mut header = vec![0];
        header.extend(id.to_be_bytes());
        let encoder = match reader {
            Reader::Avro(tree) => Encoder::Avro(AvroEncoder::new(tree)),
            Reader::Protobuf(message) => {
                header.extend(header_of_message(message.descriptor()));
                Encoder::Protobuf(ProtobufEncoder::new(message))
            }
            Reader::Json(json_type) => Encoder::Json(JsonEncoder::new(json_type)),
        };
        Ok(Self {
            schema,
            id,
            options,
            encoder,
            header,
            signature: signature(),
        })
    }

    pub(in crate::functions) fn schema(&self) -> &RegisteredSchema {
        &self.schema
    }

    pub(in crate::functions) fn id(&self) -> u32 {
        self.id
    }

    pub(in crate::functions) fn options(&self) -> &[(String, String)] {
        &self.options
    }

    fn encode(&self, values: &ArrayRef) -> Result<Records> {
        match &self.encoder {
            Encoder::Avro(encoder) => encoder.encode(values, &self.header),
            Encoder::Protobuf(encoder) => encoder.encode(values, &self.header),
            Encoder::Json(encoder) => encoder.encode(values, &self.header),
        }
    }
}

impl PartialEq for ToRegistry {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema && self.id == other.id && self.options == other.options
    }
}

impl Eq for ToRegistry {}

impl std::hash::Hash for ToRegistry {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.schema.hash(state);
        self.id.hash(state);
        self.options.hash(state);
    }
}

impl ScalarUDFImpl for ToRegistry {
    fn name(&self) -> &'static str {
        name_of(self.schema.schema_type)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType, DataFusionError> {
        checked(self.name(), types, |values| self.encode(values))
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let [values] = take_function_args(self.name(), arguments.args)?;
        invoke(self.name(), values, rows, |values| self.encode(values))
    }
}
