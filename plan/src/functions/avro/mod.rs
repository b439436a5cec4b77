//! Avro in columns: [`from_avro`], as Spark has it.
//!
//! `arrow-avro` reads the bytes; `check` says beforehand whether one schema's records can be read as another's.

mod check;
mod decoder;
mod from_avro;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod values;
mod walk;

pub(crate) use decoder::AvroDecoder;
pub(super) use from_avro::FromAvro;
pub use from_avro::{AVRO_OPTIONS, from_avro};
pub(super) use schema::within;
