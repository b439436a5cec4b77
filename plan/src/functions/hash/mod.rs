//! Hashes: of bytes ([`digest`]) and of values of any type ([`row`]).

pub mod digest;
pub mod row;
mod sha1;
