//! What a write task needs to know, in a form that travels.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use deltalake::datafile::writer::WriterConfig;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow as _;
use url::Url;
use weir_plan::{Error, Result};

use crate::files::properties::{ROW_GROUP_BYTES, writer_properties};

use super::options::Codec;
use super::row_check::RowCheck;

/// Rows handed to the encoder at a time; the size of a file is checked between.
const ROWS_PER_SLICE: usize = 8192;

/// How rows become files of one table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WriteSpec {
    pub(super) url: Url,
    pub(super) storage_options: HashMap<String, String>,
    /// The table's schema after the write.
    pub(super) schema: StructType,
    pub(super) partition_by: Vec<String>,
    pub(super) target_file_size_bytes: u64,
    pub(super) stats: StatsColumns,
    pub(super) codec: Codec,
    /// Whether rows are to arrive clustered by partition value.
    pub(super) hash_by_partition: bool,
    /// The input has one more column, which says which of its rows are written.
    pub(super) row_check: Option<RowCheck>,
}

/// The columns whose statistics go into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatsColumns {
    /// The first so many; -1: all.
    pub(super) first: i64,
    /// These alone, if given (`delta.dataSkippingStatsColumns`).
    pub(super) named: Option<Vec<String>>,
}

impl Default for StatsColumns {
    fn default() -> Self {
        Self {
            first: 32,
            named: None,
        }
    }
}

impl WriteSpec {
    /// The schema of the rows to hand to the writer.
    pub(super) fn arrow_schema(&self) -> Result<SchemaRef> {
        let schema: Schema = (&self.schema).try_into_arrow().map_err(|error| {
            Error::internal(format!(
                "the schema of delta table {} has no form in memory",
                self.url
            ))
            .with_source(error)
        })?;
        Ok(Arc::new(schema))
    }

    /// The configuration of this process's writers. Its clones share one bound on bytes in upload.
    pub(super) fn writer_config(&self, arrow_schema: &SchemaRef) -> Result<WriterConfig> {
        let stats = self.stats.first.to_string();
        Ok(WriterConfig::new(
            Arc::clone(arrow_schema),
            self.partition_by.clone(),
            Some(writer_properties(
                arrow_schema,
                self.codec.compression(),
                ROW_GROUP_BYTES,
            )),
            NonZeroU64::new(self.target_file_size_bytes),
            Some(ROWS_PER_SLICE),
            stats.as_str().try_into().map_err(|error| {
                Error::internal(format!("{stats} columns with statistics")).with_source(error)
            })?,
            self.stats.named.clone(),
        ))
    }
}
