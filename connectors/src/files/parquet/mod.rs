//! Parquet files: how they are encoded, found out about and read.

mod named;
pub(crate) mod properties;
pub(crate) mod scan;
