//! Schemas that a registry keeps: what they are, and how functions reach the registry of their session.
//!
//! A plan holds the reader's schema itself, and no address and no secret: each process asks the registry that its session's settings
//! name ([`RegistryOfSession`]) for the schemas of writers, by the ids that records carry.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What language a schema is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SchemaType {
    /// Apache Avro.
    Avro,
    /// Protocol Buffers.
    Protobuf,
    /// JSON Schema.
    Json,
}

impl SchemaType {
    /// As a registry spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Protobuf => "PROTOBUF",
            Self::Json => "JSON",
        }
    }

    /// A registry's spelling; it leaves out that of Avro.
    ///
    /// # Errors
    /// `Unsupported` for another one.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None | Some("AVRO") => Ok(Self::Avro),
            Some("PROTOBUF") => Ok(Self::Protobuf),
            Some("JSON") => Ok(Self::Json),
            Some(other) => Err(Error::unsupported(format!(
                "schemas of type {other:?} are not supported, only AVRO, PROTOBUF and JSON"
            ))),
        }
    }
}

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A schema that another one refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SchemaReference {
    /// What the other one calls it: a type's full name, a file to import, a URL.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A schema with all that it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegisteredSchema {
    /// What language it is in.
    pub schema_type: SchemaType,
    /// Its text.
    pub text: String,
    /// What it refers to, directly or not; each after those that it refers to itself.
    pub references: Vec<SchemaReference>,
}

impl RegisteredSchema {
    /// A schema that is given by its text, and refers to no other.
    #[must_use]
    pub fn from_text(schema_type: SchemaType, text: impl Into<String>) -> Self {
        Self {
            schema_type,
            text: text.into(),
            references: Vec::new(),
        }
    }
}

/// One version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectVersion {
    /// The subject.
    pub subject: String,
    /// Which version, from 1.
    pub version: u32,
    /// The schema's id in the registry, as records carry it.
    pub id: u32,
    /// The schema itself.
    pub schema: RegisteredSchema,
}

/// A schema registry, as functions use it while they compute.
pub trait SchemaRegistry: fmt::Debug + Send + Sync {
    /// The schema with `id`. It blocks for as long as the registry takes, within limits.
    ///
    /// # Errors
    /// `NotFound` when the registry does not know the id, `Unavailable` when it does not answer, `PermissionDenied` when it
    /// refuses who asks.
    fn schema(&self, id: u32) -> Result<Arc<RegisteredSchema>>;
}

/// The registry of a session, in the configuration that functions are called with. It is no option: it has no text, and cannot be set
/// by one.
#[derive(Debug, Clone, Default)]
pub struct RegistryOfSession(Option<Arc<dyn SchemaRegistry>>);

impl RegistryOfSession {
    /// The session's registry, if it has one.
    #[must_use]
    pub fn new(registry: Option<Arc<dyn SchemaRegistry>>) -> Self {
        Self(registry)
    }

    /// The registry of those who compute with `config`.
    ///
    /// # Errors
    /// `InvalidArgument` when their session has none.
    pub fn of(config: &ConfigOptions) -> Result<Arc<dyn SchemaRegistry>> {
        let found = config.extensions.get::<Self>();
        found.and_then(|found| found.0.clone()).ok_or_else(|| {
            Error::invalid_argument(
                "the session has no schema registry: set weir.schema.registry.url",
            )
        })
    }
}

impl ConfigExtension for RegistryOfSession {
    const PREFIX: &'static str = "weir_schema_registry";
}

impl ExtensionOptions for RegistryOfSession {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<(), DataFusionError> {
        Err(Error::invalid_argument(format!(
            "unknown setting {key:?}; a schema registry is set as weir.schema.registry.url"
        ))
        .into())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}
