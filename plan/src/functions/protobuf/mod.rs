//! Protocol Buffers in columns: [`from_protobuf`] and [`to_protobuf`], as Spark has them.
//!
//! `prost-reflect` reads messages by descriptors that come at run time, and `protox` compiles the `.proto` files of a registry; `encoder`,
//! `values` and `wire` write messages. Types are those of `MessageType` both ways.

mod check;
mod decoder;
mod derive;
mod descriptors;
mod encoder;
#[cfg(test)]
mod encoder_tests;
mod from_protobuf;
#[cfg(test)]
mod tests;
mod to_protobuf;
mod types;
mod values;
mod wire;

pub(crate) use check::check;
pub(crate) use decoder::ProtobufDecoder;
pub(crate) use derive::file_text;
pub use descriptors::ProtobufDescriptors;
pub(crate) use descriptors::{file_of, message_at, message_named};
pub(crate) use encoder::ProtobufEncoder;
pub(super) use from_protobuf::FromProtobuf;
pub use from_protobuf::{PROTOBUF_OPTIONS, from_protobuf};
pub(super) use to_protobuf::ToProtobuf;
pub use to_protobuf::to_protobuf;
pub(super) use types::{EMIT_DEFAULTS, ENUMS_AS_INTS, UPCAST_UNSIGNED};
pub(crate) use types::{MessageOptions, MessageType};
pub(crate) use wire::{varint as write_varint, zigzag};
