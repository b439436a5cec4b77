//! Parquet files: how they are encoded, found out about and read.

pub(crate) mod properties;
pub(super) mod scan;
