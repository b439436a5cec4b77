//! Avro in columns: [`from_avro`] and [`to_avro`], as Spark has them.
//!
//! `arrow-avro` reads and writes the bytes; `check` says beforehand whether one schema's records can be read as another's, `fit` whether
//! values can be written as a schema's. Types are those of `AvroTree::data_type` both ways.

mod check;
mod decoder;
mod derive;
mod encoder;
mod fit;
mod fit_scalars;
#[cfg(test)]
mod fit_tests;
mod fit_unions;
mod from_avro;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod to_avro;
mod values;
mod walk;

pub(crate) use check::check;
pub(crate) use decoder::AvroDecoder;
pub(crate) use derive::{Nulls, RECORD_NAME, schema_of};
pub(crate) use encoder::AvroEncoder;
pub(super) use from_avro::FromAvro;
pub use from_avro::{AVRO_OPTIONS, from_avro};
pub(super) use schema::within;
pub(super) use to_avro::ToAvro;
pub use to_avro::to_avro;
