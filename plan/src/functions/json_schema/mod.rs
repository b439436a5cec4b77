//! JSON Schema: the types of records, which of them can be read as which, and records of them.

mod check;
mod decoder;
mod derive;
mod encoder;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use check::check;
pub(crate) use decoder::JsonDecoder;
pub(crate) use derive::schema_of;
pub(crate) use encoder::JsonEncoder;
pub(crate) use schema::JsonType;
