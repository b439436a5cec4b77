//! JSON Schema: the types of records, and which of them can be read as which.

mod check;
mod decoder;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use check::check;
pub(crate) use decoder::JsonDecoder;
pub(crate) use schema::JsonType;
