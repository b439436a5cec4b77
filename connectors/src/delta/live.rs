//! The files of a table's version, as its log has them.
//!
//! Paths are kept byte for byte: a `remove` action takes effect only if its path is spelled as in the
//! `add` action, and writers do not agree on what they escape.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{Int32Type, Int64Type};
use deltalake::kernel::Snapshot;
use deltalake::logstore::LogStoreRef;
use futures::TryStreamExt as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use weir_plan::{Error, Result};

use super::error::table_error;

/// A data file, of an `add` action.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LiveFile {
    /// As it stands in the log: a URI, relative to the table or absolute.
    pub(super) path: String,
    #[serde(default)]
    pub(super) size: i64,
    #[serde(default)]
    pub(super) partition_values: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub(super) stats: Option<String>,
    #[serde(default)]
    pub(super) deletion_vector: Option<Value>,
    #[serde(default)]
    pub(super) tags: Option<BTreeMap<String, Option<String>>>,
}

impl LiveFile {
    /// The log line that removes the file at `deletion_timestamp` (milliseconds since 1970). The rows
    /// are gone or changed, not only moved.
    pub(super) fn remove_line(&self, deletion_timestamp: i64) -> String {
        let mut remove = Map::new();
        remove.insert("path".to_owned(), json!(self.path));
        remove.insert("deletionTimestamp".to_owned(), json!(deletion_timestamp));
        remove.insert("dataChange".to_owned(), json!(true));
        remove.insert("extendedFileMetadata".to_owned(), json!(true));
        remove.insert("partitionValues".to_owned(), json!(self.partition_values));
        remove.insert("size".to_owned(), json!(self.size));
        if let Some(tags) = &self.tags {
            remove.insert("tags".to_owned(), json!(tags));
        }
        // A file is known by its path and its deletion vector: without it, nothing is removed.
        if let Some(vector) = &self.deletion_vector {
            remove.insert("deletionVector".to_owned(), vector.clone());
        }
        json!({ "remove": remove }).to_string()
    }

    /// Where the file is.
    pub(super) fn url(&self, table: &Url) -> Result<Url> {
        Url::parse(&self.path)
            .or_else(|_| table.join(&self.path))
            .map_err(|error| {
                Error::internal(format!(
                    "file {:?} of delta table {table} has no URL",
                    self.path
                ))
                .with_source(error)
            })
    }
}

/// All files of `snapshot`.
pub(super) async fn live_files(
    url: &Url,
    log_store: &LogStoreRef,
    snapshot: &Snapshot,
) -> Result<Vec<LiveFile>> {
    let mut batches = snapshot.files(log_store, None);
    let mut files = Vec::new();
    while let Some(batch) = batches
        .try_next()
        .await
        .map_err(|error| table_error(url, "listing the files of", error))?
    {
        for row in 0..batch.num_rows() {
            files.push(live_file(&batch, row).ok_or_else(|| {
                Error::internal(format!(
                    "the list of files of delta table {url} has another form than known"
                ))
            })?);
        }
    }
    Ok(files)
}

fn live_file(batch: &RecordBatch, row: usize) -> Option<LiveFile> {
    let constants = batch
        .column_by_name("fileConstantValues")?
        .as_struct_opt()?;
    let partition_values = text_map(constants, "partitionValues", row).unwrap_or_default();
    Some(LiveFile {
        path: text(batch.column_by_name("path")?, row)?,
        size: batch
            .column_by_name("size")?
            .as_primitive_opt::<Int64Type>()?
            .value(row),
        partition_values,
        stats: batch
            .column_by_name("stats")
            .and_then(|stats| text(stats, row)),
        deletion_vector: deletion_vector(batch, row)?,
        tags: text_map(constants, "tags", row),
    })
}

/// `Some(None)`: it has none.
fn deletion_vector(batch: &RecordBatch, row: usize) -> Option<Option<Value>> {
    let Some(vectors) = batch.column_by_name("deletionVector") else {
        return Some(None);
    };
    let vectors = vectors.as_struct_opt()?;
    let kind = vectors.column_by_name("storageType")?;
    if vectors.is_null(row) || kind.is_null(row) {
        return Some(None);
    }
    let mut vector = Map::new();
    vector.insert("storageType".to_owned(), json!(text(kind, row)?));
    let place = vectors.column_by_name("pathOrInlineDv")?;
    vector.insert("pathOrInlineDv".to_owned(), json!(text(place, row)?));
    let offset = vectors
        .column_by_name("offset")?
        .as_primitive_opt::<Int32Type>()?;
    if offset.is_valid(row) {
        vector.insert("offset".to_owned(), json!(offset.value(row)));
    }
    let bytes = vectors
        .column_by_name("sizeInBytes")?
        .as_primitive_opt::<Int32Type>()?;
    vector.insert("sizeInBytes".to_owned(), json!(bytes.value(row)));
    let rows = vectors
        .column_by_name("cardinality")?
        .as_primitive_opt::<Int64Type>()?;
    vector.insert("cardinality".to_owned(), json!(rows.value(row)));
    Some(Some(Value::Object(vector)))
}

fn text(column: &dyn Array, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    if let Some(strings) = column.as_string_opt::<i32>() {
        return Some(strings.value(row).to_owned());
    }
    if let Some(strings) = column.as_string_opt::<i64>() {
        return Some(strings.value(row).to_owned());
    }
    let strings = column.as_string_view_opt()?;
    Some(strings.value(row).to_owned())
}

fn text_map(
    constants: &StructArray,
    name: &str,
    row: usize,
) -> Option<BTreeMap<String, Option<String>>> {
    let maps = constants.column_by_name(name)?.as_map_opt()?;
    if maps.is_null(row) {
        return None;
    }
    let entries = maps.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    (0..entries.len())
        .map(|entry| Some((text(keys, entry)?, text(values, entry))))
        .collect()
}
