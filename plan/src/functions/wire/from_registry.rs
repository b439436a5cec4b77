//! The function behind [`from_avro_registry`] and the others: records by the ids of their schemas.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::reader::{Reader, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::decode::{
    Bad, Decoded, ERROR_FIELD, MODE, Modes, invoke, known_options, signature,
};
use crate::functions::protobuf::{EMIT_DEFAULTS, ENUMS_AS_INTS, UPCAST_UNSIGNED};
use crate::options::{OptionSpec, owned};
use crate::schema_registry::{RegisteredSchema, RegistryOfSession, SchemaType};

/// Ids are Java's `int`.
const ID_MAX: u32 = i32::MAX.unsigned_abs();

/// What the functions of schema registries understand.
pub const REGISTRY_OPTIONS: &[OptionSpec] = &[
    MODE,
    ERROR_FIELD,
    MESSAGE_NAME,
    EMIT_DEFAULTS,
    ENUMS_AS_INTS,
    UPCAST_UNSIGNED,
];

/// Those that are about Protobuf only.
const OF_PROTOBUF: &[OptionSpec] = &[MESSAGE_NAME, EMIT_DEFAULTS, ENUMS_AS_INTS, UPCAST_UNSIGNED];

pub(super) const MESSAGE_NAME: OptionSpec = OptionSpec {
    key: "messageName",
    doc: "of from_protobuf_registry: the reader's message; default: the first of the schema",
};

/// Schemas of writers kept at most, each with what it takes to read its records.
const WRITERS_MAX: usize = 1000;

/// The Avro records of `expr` (binary, in Confluent's wire format) as values of `reader`'s schema, with [`REGISTRY_OPTIONS`].
///
/// Each record is read with the schema that it names, from the registry of the session's settings, and resolved to the reader's as
/// Avro's specification has it: numbers are promoted, defaults stand for fields that the writer does not have. A
/// field that the writer lacks and that has no default in the reader's schema (it was removed or renamed), or whose type changed, makes
/// the record bad; it is never read as null or zero. Types are those of [`crate::functions::from_avro`].
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it.
pub fn from_avro_registry<K: Into<String>, V: Into<String>>(
    expr: Expr,
    reader: &RegisteredSchema,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    call(SchemaType::Avro, expr, reader, options)
}

/// The Protobuf messages of `expr` (binary, in Confluent's wire format, with the message's indexes behind the id) as structs of
/// `reader`'s message, with [`REGISTRY_OPTIONS`].
///
/// Each record is read by the schema that it names, from the registry of the session's settings. A field that was renamed, whose number or
/// type changed, or that the writer does not have while its absence would be read as a default, makes the record bad. Types and
/// nulls are those of [`crate::functions::from_protobuf`].
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it.
pub fn from_protobuf_registry<K: Into<String>, V: Into<String>>(
    expr: Expr,
    reader: &RegisteredSchema,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    call(SchemaType::Protobuf, expr, reader, options)
}

/// The JSON records of `expr` (binary, in Confluent's wire format) as values of `reader`'s JSON Schema, with [`REGISTRY_OPTIONS`].
///
/// Each record's schema is asked of the registry of the session's settings. A property that the writer's schema does not have and that has no
/// `default` in the reader's, or whose type changed, makes the record bad, and so do a value of another type and
/// one that is `required` and missing or null. Integers are BIGINT, numbers DOUBLE, objects structs (maps, if they only have
/// `additionalProperties`), and what has no type is a STRING of its JSON. Of a repeated name the last value stays.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it.
pub fn from_json_registry<K: Into<String>, V: Into<String>>(
    expr: Expr,
    reader: &RegisteredSchema,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    call(SchemaType::Json, expr, reader, options)
}

fn call<K: Into<String>, V: Into<String>>(
    schema_type: SchemaType,
    expr: Expr,
    reader: &RegisteredSchema,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    if reader.schema_type != schema_type {
        return Err(Error::invalid_argument(format!(
            "{} takes a schema of type {schema_type}, not {}",
            name_of(schema_type),
            reader.schema_type
        )));
    }
    let options = owned(options);
    let function = FromRegistry::new(reader.clone(), options)?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

fn name_of(schema_type: SchemaType) -> &'static str {
    match schema_type {
        SchemaType::Avro => "from_avro_registry",
        SchemaType::Protobuf => "from_protobuf_registry",
        SchemaType::Json => "from_json_registry",
    }
}

/// What reads the records of a writer's schema, or why nothing can.
type Found = Result<Arc<dyn Writer>, String>;

#[derive(Debug)]
pub(in crate::functions) struct FromRegistry {
    /// As given, to be sent.
    schema: RegisteredSchema,
    options: Vec<(String, String)>,
    modes: Modes,
    reader: Reader,
    data_type: DataType,
    result_type: DataType,
    signature: Signature,
    /// By id.
    writers: Mutex<HashMap<u32, Found>>,
}

impl FromRegistry {
    pub(in crate::functions) fn new(
        schema: RegisteredSchema,
        options: Vec<(String, String)>,
    ) -> Result<Self> {
        let name = name_of(schema.schema_type);
        let given = known_options(name, &options, REGISTRY_OPTIONS)?;
        if schema.schema_type != SchemaType::Protobuf
            && let Some(option) = OF_PROTOBUF.iter().find(|o| given.get(o.key).is_some())
        {
            return Err(Error::invalid_argument(format!(
                "{name}: option {:?} is for messages of Protobuf",
                option.key
            )));
        }
        let modes = Modes::of(name, &given)?;
        let reader = Reader::new(&schema, &given).map_err(|error| error.context(name))?;
        let data_type = reader.data_type()?;
        Ok(Self {
            schema,
            options,
            result_type: modes.result_type(name, &data_type)?,
            modes,
            reader,
            data_type,
            signature: signature(),
            writers: Mutex::default(),
        })
    }

    pub(in crate::functions) fn schema(&self) -> &RegisteredSchema {
        &self.schema
    }

    pub(in crate::functions) fn options(&self) -> &[(String, String)] {
        &self.options
    }

    fn decode(
        &self,
        records: &[&[u8]],
        config: &ConfigOptions,
    ) -> Result<Decoded, DataFusionError> {
        let mut bad = Vec::new();
        // Their places and bodies.
        let mut by_id: BTreeMap<u32, (Vec<usize>, Vec<&[u8]>)> = BTreeMap::new();
        for (row, record) in records.iter().enumerate() {
            match header(record) {
                Ok((id, body)) => {
                    let (rows, bodies) = by_id.entry(id).or_default();
                    rows.push(row);
                    bodies.push(body);
                }
                Err(reason) => bad.push(Bad { row, reason }),
            }
        }
        let mut parts = Vec::with_capacity(by_id.len());
        for (id, (rows, bodies)) in by_id {
            let mut part = match self.writer(id, config)? {
                Ok(writer) => writer.decode(&bodies)?,
                Err(reason) => Decoded::all_bad(&self.data_type, rows.len(), &reason),
            };
            for bad in &mut part.bad {
                bad.reason = format!("schema id {id}: {}", bad.reason);
            }
            parts.push((rows, part));
        }
        if bad.is_empty()
            && parts.len() == 1
            && let Some((_, whole)) = parts.pop()
        {
            return Ok(whole);
        }
        let mut all = Decoded::gathered(&self.data_type, records.len(), parts)?;
        all.bad.extend(bad);
        all.bad.sort_by_key(|bad| bad.row);
        Ok(all)
    }

    fn writer(&self, id: u32, config: &ConfigOptions) -> Result<Found> {
        let kept = || self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept().get(&id) {
            return Ok(found.clone());
        }
        // It may wait for the registry: nothing is locked meanwhile.
        let schema = match RegistryOfSession::of(config)?.schema(id) {
            Ok(schema) => schema,
            // It may be registered yet: the next batch asks again. Of another language it stays.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error.context(name_of(self.schema.schema_type))),
        };
        let found = self.reader.writer(&schema).map(Arc::from);
        let mut writers = kept();
        if writers.len() >= WRITERS_MAX {
            writers.clear();
        }
        writers.insert(id, found.clone());
        Ok(found)
    }
}

/// The id of a record's schema, and what follows it.
fn header(record: &[u8]) -> Result<(u32, &[u8]), String> {
    match record {
        [0, a, b, c, d, body @ ..] => match u32::from_be_bytes([*a, *b, *c, *d]) {
            id @ 0..=ID_MAX => Ok((id, body)),
            // A registry's answer to it is about the request: it is no fault of the registry's address.
            id => Err(format!(
                "its schema id {id} is beyond {ID_MAX}, the greatest that a schema registry gives"
            )),
        },
        [] => Err("it is empty: no header of a schema registry".to_owned()),
        [0, ..] => Err(format!(
            "it ends within the header of a schema registry, after {} bytes",
            record.len()
        )),
        [magic, ..] => Err(format!(
            "its first byte is {magic:#04x} and not the 0x00 of a schema registry's records"
        )),
    }
}

impl PartialEq for FromRegistry {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema && self.options == other.options
    }
}

impl Eq for FromRegistry {}

impl std::hash::Hash for FromRegistry {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.schema.hash(state);
        self.options.hash(state);
    }
}

impl ScalarUDFImpl for FromRegistry {
    fn name(&self) -> &'static str {
        name_of(self.schema.schema_type)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(self.result_type.clone())
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let config = arguments.config_options;
        let [data] = take_function_args(self.name(), arguments.args)?;
        invoke(
            self.name(),
            &self.modes,
            data,
            rows,
            &self.data_type,
            |records| self.decode(records, &config),
        )
    }
}
