//! One written file, as it stands in a manifest and in `prepared/N`.
//!
//! An entry carries the schema and partitioning its file was written for, beside the `add` action:
//! a batch is committed from its entries alone, maybe by a later process whose query has changed.

use deltalake::kernel::{Add, StructType};
use serde::{Deserialize, Serialize};
use weir_plan::{Error, Result};

/// A written file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileEntry {
    pub(super) add: Add,
    pub(super) schema: StructType,
    pub(super) partition_by: Vec<String>,
}

/// All files of a batch, which one plan wrote.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) adds: Vec<Add>,
    pub(super) schema: StructType,
    pub(super) partition_by: Vec<String>,
}

impl FileEntry {
    pub(super) fn encode(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::internal("cannot encode a written file").with_source(error))
    }
}

impl Files {
    /// The files of `entries`; `None` when there are none.
    ///
    /// # Errors
    /// `CorruptCheckpoint` for what is no entry of this sink, or of one plan.
    pub(super) fn decode(entries: &[String]) -> Result<Option<Self>> {
        let mut files: Option<Self> = None;
        for text in entries {
            let entry: FileEntry = serde_json::from_str(text).map_err(|error| {
                corrupt(&format!("{text:.200} is no file of a delta write")).with_source(error)
            })?;
            match &mut files {
                None => {
                    files = Some(Self {
                        adds: vec![entry.add],
                        schema: entry.schema,
                        partition_by: entry.partition_by,
                    });
                }
                Some(files)
                    if files.schema == entry.schema && files.partition_by == entry.partition_by =>
                {
                    files.adds.push(entry.add);
                }
                Some(_) => return Err(corrupt("its files are of different schemas")),
            }
        }
        Ok(files)
    }
}

fn corrupt(what: &str) -> Error {
    Error::new(
        weir_plan::ErrorKind::CorruptCheckpoint,
        format!("the prepared batch cannot be committed: {what}"),
    )
}
