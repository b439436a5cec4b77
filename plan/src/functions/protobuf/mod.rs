//! Protocol Buffers in columns: [`from_protobuf`], as Spark has it.
//!
//! `prost-reflect` reads messages by descriptors that come at run time, and `protox` compiles the `.proto` files of a registry.

mod check;
mod decoder;
mod descriptors;
mod from_protobuf;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use check::check;
pub(crate) use decoder::ProtobufDecoder;
pub use descriptors::ProtobufDescriptors;
pub(crate) use descriptors::{file_of, message_at, message_named};
pub(super) use from_protobuf::FromProtobuf;
pub use from_protobuf::{PROTOBUF_OPTIONS, from_protobuf};
pub(super) use types::{EMIT_DEFAULTS, ENUMS_AS_INTS, UPCAST_UNSIGNED};
pub(crate) use types::{MessageOptions, MessageType};
