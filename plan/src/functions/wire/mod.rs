//! Records in the wire format of Confluent's serializers: a zero byte, the id of the writer's schema in a registry (4 bytes, big endian),
//! and the record itself.
//!
//! [`from_avro_registry`], [`from_protobuf_registry`] and [`from_json_registry`] read each record with the schema that it was written
//! with, as values of one reader's schema. Bad is: a record with another first byte, with an id that the registry does not know, or of
//! a schema that cannot be read as the reader's. A registry that does not answer is no fault of a record: the query ends.
//!
//! [`to_avro_registry`], [`to_protobuf_registry`] and [`to_json_registry`] write records of one schema, which is registered before: they ask no
//! registry.

mod from_registry;
mod reader;
mod schemas;
#[cfg(test)]
mod tests;
mod to_registry;

pub(super) use from_registry::FromRegistry;
pub use from_registry::{
    REGISTRY_OPTIONS, from_avro_registry, from_json_registry, from_protobuf_registry,
};
pub use schemas::{Compatibility, SCHEMA_OPTIONS};
pub(super) use to_registry::ToRegistry;
pub use to_registry::{
    TO_REGISTRY_OPTIONS, to_avro_registry, to_json_registry, to_protobuf_registry,
};
