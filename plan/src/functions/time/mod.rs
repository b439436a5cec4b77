//! Dates and times as text: Spark's casts ([`text`]) and its patterns ([`pattern`]), in UTC.

pub mod civil;
pub mod pattern;
pub mod text;
