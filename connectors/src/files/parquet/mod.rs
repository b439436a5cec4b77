//! Parquet files: how they are encoded, found out about and read.

pub(crate) mod dictionary;
mod named;
pub(crate) mod properties;
pub(crate) mod scan;
