//! From a record's value to columns of its own: `--format`, `--schema`, `--subject`.
//!
//! A value that cannot be decoded is never a row: it says why in column [`ERROR`], which a rule looks at and the table does not get. A
//! tombstone (a null value) is a row whose decoded columns are null.

use std::fmt;

use clap::ValueEnum;
use weir::datafusion::arrow::datatypes::{DataType, Fields};
use weir::datafusion::common::ScalarValue;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir::quality::{Action, Expectation};
use weir::{
    BreakingChange, Error, ReaderSchema, RegisteredSchema, Result, SchemaType, parse_schema,
};

use super::Arguments;
use super::columns::names;
use crate::value::{look_up, read_bytes};

/// The decoded value, before its fields are columns.
const DECODED: &str = "__weir_decoded";

/// Why a value could not be decoded.
pub(super) const ERROR: &str = "__weir_decode_error";

/// The rule that a value could be.
pub(super) const RULE: &str = "decoded";

/// How values are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON text.
    Json,
    /// Lines of CSV.
    Csv,
    /// Avro.
    Avro,
    /// Protocol Buffers.
    Protobuf,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Avro => "avro",
            Self::Protobuf => "protobuf",
        })
    }
}

/// What `--on-breaking-schema` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnBreaking {
    /// The job fails before it reads anything with it.
    Fail,
    /// The job reads with the version before.
    Keep,
    /// A column that is gone is null.
    Null,
}

/// How the values of a job's records become columns.
#[derive(Debug, Clone)]
pub(super) struct Decoding {
    format: Option<Format>,
    schema: Schema,
    message: Option<String>,
    message_column: Option<String>,
}

#[derive(Debug, Clone)]
enum Schema {
    /// Of JSON, CSV or Avro.
    Text(String),
    Descriptors(ProtobufDescriptors),
    Subject(ReaderSchema, String),
}

impl Decoding {
    /// What the arguments say about it, if anything.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the argument, for what does not go together or cannot be read.
    pub(super) fn of(arguments: &Arguments) -> Result<Option<Self>> {
        let refused = |what: String| Err(Error::invalid_argument(what));
        let schema = match (&arguments.schema, &arguments.subject, arguments.format) {
            (None, None, None) => {
                for (name, given) in [
                    ("--message", arguments.message.is_some()),
                    ("--message-column", arguments.message_column.is_some()),
                ] {
                    if given {
                        return refused(format!(
                            "{name} is about decoded values: give --format and --schema, or --subject"
                        ));
                    }
                }
                return Ok(None);
            }
            (None, None, Some(format)) => {
                return refused(format!(
                    "--format {format} needs the values' schema: give --schema, or --subject for a schema registry"
                ));
            }
            (_, Some(subject), Some(Format::Csv)) => {
                return refused(format!(
                    "--format csv has no schema registry, and --subject is {subject:?}; give --schema"
                ));
            }
            (_, Some(subject), _) => {
                let reader = match arguments.subject_version {
                    Some(version) => ReaderSchema::version(subject, version),
                    None => ReaderSchema::newest(subject),
                };
                let reader = reader.on_breaking_change(arguments.on_breaking_schema.into());
                Schema::Subject(reader, subject.clone())
            }
            (Some(_), None, None) => {
                return refused("--schema needs --format: json, csv, avro or protobuf".to_owned());
            }
            (Some(text), None, Some(Format::Protobuf)) => match text.strip_prefix("@file:") {
                Some(path) => {
                    let bytes = read_bytes(path).map_err(|error| error.context("--schema"))?;
                    if arguments.message.is_none() {
                        return refused(
                            "--format protobuf needs --message, the name of a message of --schema"
                                .to_owned(),
                        );
                    }
                    Schema::Descriptors(ProtobufDescriptors::from_bytes(bytes))
                }
                None => {
                    return refused(
                        "--schema takes @file:PATH with --format protobuf: what protoc --include_imports --descriptor_set_out wrote"
                            .to_owned(),
                    );
                }
            },
            (Some(text), None, Some(_)) => {
                Schema::Text(look_up(text).map_err(|error| error.context("--schema"))?)
            }
        };
        if let (Some(_), Some(format @ (Format::Json | Format::Csv | Format::Avro))) =
            (&arguments.message, arguments.format)
        {
            return refused(format!(
                "--message names a message of Protobuf, and --format is {format}"
            ));
        }
        Ok(Some(Self {
            format: arguments.format,
            schema,
            message: arguments.message.clone(),
            message_column: arguments.message_column.clone(),
        }))
    }

    /// The subject and how it is read, if values are in Confluent's wire format.
    pub(super) fn reader(&self) -> Option<(&ReaderSchema, &str)> {
        match &self.schema {
            Schema::Subject(reader, subject) => Some((reader, subject)),
            Schema::Text(_) | Schema::Descriptors(_) => None,
        }
    }

    /// The rule that a value can be decoded. What breaks it is a dead letter where those have a place, and the end of the job elsewhere.
    pub(super) fn rule(letters: bool) -> Expectation {
        let action = match letters {
            true => Action::Quarantine,
            false => Action::Fail,
        };
        Expectation::decoded(RULE, col(ERROR)).action(action)
    }

    /// Rows of `bronze` columns and the fields of the values of `records`; with `registered`, that is the reader's schema.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` for a schema that has no columns, or one that bronze has already.
    pub(super) fn rows(
        &self,
        records: DataFrame,
        registered: Option<&RegisteredSchema>,
        bronze: &[Expr],
    ) -> Result<DataFrame> {
        let (value, required) = self.value(registered)?;
        let records = records.with_column(DECODED, value)?;
        let field = records.schema().field_with_unqualified_name(DECODED);
        let DataType::Struct(fields) = field.map_err(Error::from)?.data_type() else {
            return Err(Error::invalid_argument(
                "the schema is of no record, and a row has columns; give the schema of a record",
            ));
        };
        let own = |name: &str| name != ERROR;
        let decoded = || col(DECODED);
        let mut columns = bronze.to_vec();
        let fields = fields.iter().filter(|field| own(field.name()));
        match &self.message_column {
            None => {
                for field in fields {
                    self.refuse_taken(field.name(), bronze)?;
                    columns.push(decoded().get_field(field.name()).alias(field.name()));
                }
            }
            Some(name) => {
                self.refuse_taken(name, bronze)?;
                let parts = fields.flat_map(|field| {
                    [lit(field.name().clone()), decoded().get_field(field.name())]
                });
                let whole = weir::datafusion::functions::expr_fn::named_struct(parts.collect());
                let tombstone = col("value").is_null();
                columns.push(when(tombstone.is_not_true(), whole).end()?.alias(name));
            }
        }
        columns.push(self.error(&required)?.alias(ERROR));
        records.select(columns)
    }

    fn refuse_taken(&self, name: &str, bronze: &[Expr]) -> Result<()> {
        // As a Delta table tells columns apart.
        let taken = names(bronze).find(|taken| taken.eq_ignore_ascii_case(name));
        match (taken, &self.message_column) {
            (None, _) => Ok(()),
            (Some(taken), None) => Err(Error::invalid_argument(format!(
                "the schema has a field {name:?}, and bronze has a column {taken:?} already; keep the fields in a column of their own: \
                 --message-column message"
            ))),
            (Some(taken), Some(_)) => Err(Error::invalid_argument(format!(
                "--message-column is {name:?}, and bronze has a column {taken:?} already; choose another name"
            ))),
        }
    }

    /// The decoded value, and what of it must not be null by the schema alone.
    fn value(&self, registered: Option<&RegisteredSchema>) -> Result<(Expr, Vec<Vec<String>>)> {
        let mut options = vec![("mode", "PERMISSIVE"), ("columnNameOfError", ERROR)];
        let value = col("value");
        let place = "--schema";
        let named = |error: Error| error.context(place);
        match (&self.schema, self.format) {
            (Schema::Subject(_, subject), format) => {
                let Some(schema) = registered else {
                    return Err(Error::internal(format!(
                        "subject {subject:?} was not asked for"
                    )));
                };
                if let Some(format) = format
                    && format.registered() != Some(schema.schema_type)
                {
                    return Err(Error::invalid_argument(format!(
                        "--format is {format}, and subject {subject:?} has schemas of type {}; leave --format out, or name another subject",
                        schema.schema_type
                    )));
                }
                if let Some(message) = &self.message {
                    options.push(("messageName", message));
                }
                let decoded = match schema.schema_type {
                    SchemaType::Avro => from_avro_registry(value, schema, options),
                    SchemaType::Protobuf => from_protobuf_registry(value, schema, options),
                    SchemaType::Json => from_json_registry(value, schema, options),
                };
                Ok((decoded?, Vec::new()))
            }
            (Schema::Descriptors(descriptors), _) => {
                let message = self.message.as_deref().unwrap_or_default();
                let decoded = from_protobuf(value, message, descriptors, options);
                Ok((decoded.map_err(named)?, Vec::new()))
            }
            (Schema::Text(text), Some(Format::Avro)) => {
                Ok((from_avro(value, text, options).map_err(named)?, Vec::new()))
            }
            (Schema::Text(text), format) => {
                let schema = parse_schema(text).map_err(named)?;
                let mut required = Vec::new();
                not_null(schema.fields(), &[], &mut required)?;
                let decoded = match format {
                    Some(Format::Csv) => from_csv(value, text, options),
                    _ => from_json(value, text, options),
                };
                Ok((decoded.map_err(named)?, required))
            }
        }
    }

    /// Why the value is no row: what its decoder says, or that it is nothing; null for one that is, and for a tombstone.
    fn error(&self, required: &[Vec<String>]) -> Result<Expr> {
        let field = |path: &[String]| {
            path.iter()
                .fold(col(DECODED), |value, name| value.get_field(name))
        };
        let mut reasons = vec![col(DECODED).get_field(ERROR)];
        let nothing = lit("the value holds no record: it is blank, or null");
        reasons.push(when(col(DECODED).is_null(), nothing).end()?);
        for path in required {
            let parent = path.split_last().map_or(&[][..], |(_, parents)| parents);
            let missing = field(parent).is_not_null().and(field(path).is_null());
            let reason = format!(
                "field {:?} is missing or null, and must not be: it was removed or renamed, or has no value",
                path.join(".")
            );
            reasons.push(when(missing, lit(reason)).end()?);
        }
        let none = lit(ScalarValue::Utf8(None));
        let tombstone = col("value").is_null();
        Ok(when(tombstone, none).otherwise(coalesce(reasons))?)
    }
}

impl Format {
    fn registered(self) -> Option<SchemaType> {
        match self {
            Self::Json => Some(SchemaType::Json),
            Self::Avro => Some(SchemaType::Avro),
            Self::Protobuf => Some(SchemaType::Protobuf),
            Self::Csv => None,
        }
    }
}

/// The paths of fields that are NOT NULL.
fn not_null(fields: &Fields, parents: &[String], found: &mut Vec<Vec<String>>) -> Result<()> {
    for field in fields {
        let path = [parents, &[field.name().clone()]].concat();
        if !field.is_nullable() {
            found.push(path.clone());
        }
        match field.data_type() {
            DataType::Struct(fields) => not_null(fields, &path, found)?,
            data_type if has_not_null(data_type) => {
                return Err(Error::invalid_argument(format!(
                    "--schema: NOT NULL within the array or map {:?} is not supported; leave it out there",
                    path.join(".")
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a struct within an array or a map has a field that is NOT NULL.
fn has_not_null(data_type: &DataType) -> bool {
    let within = |fields: &Fields| {
        fields
            .iter()
            .any(|field| !field.is_nullable() || has_not_null(field.data_type()))
    };
    match data_type {
        DataType::Struct(fields) => within(fields),
        DataType::List(element) => has_not_null(element.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => pair.iter().any(|part| has_not_null(part.data_type())),
            _ => false,
        },
        _ => false,
    }
}

impl From<OnBreaking> for BreakingChange {
    fn from(on: OnBreaking) -> Self {
        match on {
            OnBreaking::Fail => Self::Fail,
            OnBreaking::Keep => Self::Keep,
            OnBreaking::Null => Self::Null,
        }
    }
}
