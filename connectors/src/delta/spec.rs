//! What a write task needs to know, in a form that travels.

use std::sync::Arc;

use arrow::datatypes::{Fields, Schema, SchemaRef};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow as _;
use url::Url;
use weir_plan::dead_letters::Diversion;
use weir_plan::{Error, Result};

use crate::files::properties::{ROW_GROUP_BYTES, writer_properties};

use super::open_files::FileLayout;
use super::options::Codec;
use super::row_check::RowCheck;

/// How rows become files of one table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WriteSpec {
    pub(super) url: Url,
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
    /// The input has one more column, which says which of its rows are dead letters. Not together with a row check.
    pub(super) diversion: Option<Diverting>,
}

/// What becomes of rows that break a rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Diverting {
    pub(super) diversion: Diversion,
    /// Where dead letters are written; `None` where no rule makes any.
    pub(super) letters: Option<Box<WriteSpec>>,
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

    /// How the columns that are in files are encoded.
    pub(super) fn file_layout(&self, arrow_schema: &SchemaRef) -> FileLayout {
        let in_files = arrow_schema.fields().iter();
        let fields: Fields = in_files
            .filter(|field| !self.partition_by.contains(field.name()))
            .cloned()
            .collect();
        FileLayout {
            schema: Arc::new(Schema::new(fields)),
            properties: writer_properties(arrow_schema, self.codec.compression(), ROW_GROUP_BYTES),
        }
    }
}
