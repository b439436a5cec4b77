//! Where descriptors come from: a set that `protoc` wrote, or the text of `.proto` files.

use std::fmt;
use std::path::Path;

use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::functions::strings::{decode_base64, encode_base64};
use crate::options::did_you_mean;
use crate::schema_registry::RegisteredSchema;

/// What a registry's schema, which has no file name, is compiled as.
const FILE: &str = "schema.proto";

/// A set of descriptors: what `protoc --include_imports --descriptor_set_out` writes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ProtobufDescriptors(Vec<u8>);

/// As they travel: in Base64.
impl From<ProtobufDescriptors> for String {
    fn from(descriptors: ProtobufDescriptors) -> Self {
        encode_base64(&descriptors.0)
    }
}

impl TryFrom<String> for ProtobufDescriptors {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        decode_base64(&text)
            .map(Self)
            .ok_or("descriptors that are no Base64")
    }
}

impl fmt::Debug for ProtobufDescriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProtobufDescriptors({} bytes)", self.0.len())
    }
}

impl ProtobufDescriptors {
    /// A set as it is in memory. Spark's `binaryDescriptorSet`.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The set in the file at `path`, read now. Spark's `descFilePath`.
    ///
    /// # Errors
    /// `Storage` when it cannot be read.
    pub fn read_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(
                ErrorKind::Storage,
                format!("the descriptor file {path:?} cannot be read"),
            )
            .with_source(error)
        })?;
        Ok(Self(bytes))
    }

    pub(super) fn pool(&self) -> Result<DescriptorPool> {
        DescriptorPool::decode(self.0.as_slice()).map_err(|error| {
            Error::invalid_argument(
                "the descriptors are no set that protoc --include_imports --descriptor_set_out wrote",
            )
            .with_source(error)
        })
    }
}

/// The message `name` of `pool`: its full name, or what follows the package where that is one message only, as in Spark.
pub(crate) fn message_named(pool: &DescriptorPool, name: &str) -> Result<MessageDescriptor> {
    if let Some(found) = pool.get_message_by_name(name) {
        return Ok(found);
    }
    let all: Vec<_> = pool.all_messages().collect();
    let mut named = all.iter().filter(|message| message.name() == name);
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => Err(Error::invalid_argument(format!(
            "several messages are named {name:?}; give the full name, with its package"
        ))),
        (None, _) => {
            let known = all.iter().map(MessageDescriptor::full_name);
            Err(Error::invalid_argument(format!(
                "the descriptors have no message {name:?}{}",
                did_you_mean(name, known)
            )))
        }
    }
}

/// The file that a registry's schema is, with all that it imports.
pub(crate) fn file_of(schema: &RegisteredSchema) -> Result<FileDescriptor> {
    let refused = |error: String| {
        Error::invalid_argument(format!("the Protobuf schema does not compile: {error}"))
    };
    let mut resolver = ChainFileResolver::new();
    resolver.add(Registered(schema.clone()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_file(FILE)
        .map_err(|error| refused(error.to_string()))?;
    let pool = compiler.descriptor_pool();
    pool.get_file_by_name(FILE)
        .ok_or_else(|| refused("it has no file".to_owned()))
}

/// Files of a registry, by the names by which they import each other.
struct Registered(RegisteredSchema);

impl FileResolver for Registered {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = match name {
            FILE => Some(&self.0.text),
            name => {
                let mut references = self.0.references.iter();
                references
                    .find(|reference| reference.name == name)
                    .map(|reference| &reference.text)
            }
        };
        let text = text.ok_or_else(|| protox::Error::file_not_found(name))?;
        // A registry may keep what Confluent's Python client gave it: a descriptor in Base64, which is no text of a file.
        let bytes = decode_base64(text.trim());
        let descriptor = bytes.and_then(|bytes| {
            let file = File::decode_file_descriptor_proto(bytes.as_slice()).ok()?;
            let mut descriptor = file.file_descriptor_proto().clone();
            descriptor.name = Some(name.to_owned());
            Some(descriptor)
        });
        match descriptor {
            Some(descriptor) => Ok(File::from_file_descriptor_proto(descriptor)),
            None => File::from_source(name, text),
        }
    }
}

/// The message of `file` at `path`: the number of a message of the file, then of one within it, and so on.
pub(crate) fn message_at(file: &FileDescriptor, path: &[usize]) -> Option<MessageDescriptor> {
    let (first, rest) = path.split_first()?;
    let mut message = file.messages().nth(*first)?;
    for index in rest {
        let nested = message.child_messages().nth(*index)?;
        message = nested;
    }
    Some(message)
}
