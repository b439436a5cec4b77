//! Schemas before they are registered: of a column's type, and which of two can be read as the other.

use std::fmt;

use arrow::datatypes::DataType;

use super::reader::Reader;
use crate::error::{Error, Result};
use crate::functions::avro::{self, Nulls};
use crate::functions::decode::known_options;
use crate::functions::json_schema;
use crate::functions::protobuf::{self, MessageOptions, MessageType, file_of};
use crate::options::{OptionSpec, Options, did_you_mean, owned};
use crate::schema_registry::{RegisteredSchema, SchemaType};

/// What [`RegisteredSchema::from_type`] understands. The keys are those of Spark's Avro source.
pub const SCHEMA_OPTIONS: &[OptionSpec] = &[RECORD_NAME, RECORD_NAMESPACE];

const RECORD_NAME: OptionSpec = OptionSpec {
    key: "recordName",
    doc: "the name of the record or message, or the title of a JSON schema; default topLevelRecord",
};

const RECORD_NAMESPACE: OptionSpec = OptionSpec {
    key: "recordNamespace",
    doc: "the namespace of an Avro record, or the package of a Protobuf message; default none",
};

impl RegisteredSchema {
    /// The schema of a column of type `data_type`, with [`SCHEMA_OPTIONS`].
    ///
    /// Avro's is Spark's (`SchemaConverters.toAvroType`), but that what may be null is `["null", ...]` with null as its default, so that a column
    /// that is added later is a compatible change. Protobuf's is proto3, with fields numbered from 1 in their order: where
    /// columns come, go or change places, give a text instead. JSON's is closed: objects have no other properties.
    ///
    /// # Errors
    /// `InvalidPlan` for a type that the language has not, or a name that is none there, with the place; `InvalidArgument` for an option.
    pub fn from_type<K: Into<String>, V: Into<String>>(
        schema_type: SchemaType,
        data_type: &DataType,
        options: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let context = format!("a schema of type {schema_type}");
        let given = known_options(&context, &owned(options), SCHEMA_OPTIONS)?;
        let name = given.get(RECORD_NAME.key).unwrap_or(avro::RECORD_NAME);
        let namespace = given.get(RECORD_NAMESPACE.key).unwrap_or("");
        let text = match schema_type {
            SchemaType::Avro => {
                avro::schema_of(data_type, name, namespace, Nulls::FirstWithDefault)
                    .map(|schema| schema.to_string())
            }
            SchemaType::Protobuf => protobuf::file_text(data_type, name, namespace),
            SchemaType::Json if !namespace.is_empty() => Err(Error::invalid_argument(format!(
                "option {:?} is for Avro and Protobuf",
                RECORD_NAMESPACE.key
            ))),
            SchemaType::Json => {
                json_schema::schema_of(data_type, name).map(|schema| schema.to_string())
            }
        };
        let schema = Self::from_text(schema_type, text.map_err(|error| error.context(&context))?);
        schema.check()?;
        Ok(schema)
    }

    /// That the schema is one, and has a table type.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported`, naming the place.
    pub fn check(&self) -> Result<()> {
        let reader = Reader::new(self, &Options::new())?;
        reader.data_type().map(|_| ())
    }

    /// Why records of this schema cannot be read as `reader`'s, without a value that nobody wrote: by the rules of
    /// [`crate::functions::from_avro_registry`] and the others, which are narrower than a registry's.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` for a schema that is none.
    pub fn unreadable_as(&self, reader: &Self) -> Result<Option<String>> {
        let none = Options::new();
        Ok(
            match (Reader::new(self, &none)?, Reader::new(reader, &none)?) {
                (Reader::Avro(writer), Reader::Avro(reader)) => avro::check(&writer, &reader).err(),
                (Reader::Json(writer), Reader::Json(reader)) => {
                    json_schema::check(&writer, &reader).err()
                }
                (Reader::Protobuf(_), Reader::Protobuf(_)) => messages(self, reader)?.err(),
                _ => Some(format!(
                    "it is of type {}, and the reader's of type {}",
                    self.schema_type, reader.schema_type
                )),
            },
        )
    }
}

/// Each message of the writer's file as the reader's of that name.
fn messages(writer: &RegisteredSchema, reader: &RegisteredSchema) -> Result<Result<(), String>> {
    let (writer, reader) = (file_of(writer)?, file_of(reader)?);
    for their in writer.messages() {
        let Some(our) = reader
            .messages()
            .find(|our| our.full_name() == their.full_name())
        else {
            let names: Vec<_> = reader
                .messages()
                .map(|our| our.full_name().to_owned())
                .collect();
            return Ok(Err(format!(
                "message {:?} is not in the reader's schema{}",
                their.full_name(),
                did_you_mean(their.full_name(), names.iter().map(String::as_str))
            )));
        };
        // Neither contains itself.
        for message in [&their, &our] {
            MessageType::new(message, MessageOptions::default())?;
        }
        if let Err(reason) = protobuf::check(&their, &our) {
            return Ok(Err(reason));
        }
    }
    Ok(Ok(()))
}

/// What a subject's versions must be to each other, in the names of Confluent's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// Nothing.
    None,
    /// The new version reads records of the last one, or of all before (`transitive`).
    Backward {
        /// Of all.
        transitive: bool,
    },
    /// The last version, or all before, read records of the new one.
    Forward {
        /// Of all.
        transitive: bool,
    },
    /// Both.
    Full {
        /// Of all.
        transitive: bool,
    },
}

impl Compatibility {
    const ALL: [(&str, Self); 7] = [
        ("NONE", Self::None),
        ("BACKWARD", Self::Backward { transitive: false }),
        ("BACKWARD_TRANSITIVE", Self::Backward { transitive: true }),
        ("FORWARD", Self::Forward { transitive: false }),
        ("FORWARD_TRANSITIVE", Self::Forward { transitive: true }),
        ("FULL", Self::Full { transitive: false }),
        ("FULL_TRANSITIVE", Self::Full { transitive: true }),
    ];

    /// A level by its name, in either case.
    ///
    /// # Errors
    /// `InvalidArgument` for another, naming the nearest.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, level)| *level).ok_or_else(|| {
            let names = Self::ALL.iter().map(|(name, _)| *name);
            Error::invalid_argument(format!(
                "{text:?} is no compatibility level{}",
                did_you_mean(text, names)
            ))
        })
    }

    /// Whether all versions count, or the last one only.
    #[must_use]
    pub fn is_transitive(self) -> bool {
        match self {
            Self::None => false,
            Self::Backward { transitive }
            | Self::Forward { transitive }
            | Self::Full { transitive } => transitive,
        }
    }

    /// Why `new` is not compatible with `old`, by the rules by which records are decoded ([`RegisteredSchema::unreadable_as`]).
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` for a schema that is none.
    pub fn broken_by(
        self,
        new: &RegisteredSchema,
        old: &RegisteredSchema,
    ) -> Result<Option<String>> {
        if matches!(self, Self::Backward { .. } | Self::Full { .. })
            && let Some(reason) = old.unreadable_as(new)?
        {
            return Ok(Some(format!(
                "the new schema cannot read its records: {reason}"
            )));
        }
        if matches!(self, Self::Forward { .. } | Self::Full { .. })
            && let Some(reason) = new.unreadable_as(old)?
        {
            return Ok(Some(format!(
                "it cannot read records of the new schema: {reason}"
            )));
        }
        Ok(None)
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, level)| level == self);
        f.write_str(found.map_or("NONE", |(name, _)| name))
    }
}
