//! The rows a write returns: one per file, at least one per task, so that a lost task is noticed.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};

use crate::error::{Error, Result};
use crate::sink::Written;

static MANIFEST_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("partition", DataType::UInt32, false),
        Field::new("attempt", DataType::Utf8, false),
        Field::new("file", DataType::Utf8, true),
        Field::new("rows", DataType::UInt64, false),
        Field::new("bytes", DataType::UInt64, false),
    ]))
});

/// `partition` (the writing task's), `attempt` (its random id), `file` (the sink's description of
/// one file; null in the one row of a task that wrote none), `rows` and `bytes` of that file.
#[must_use]
pub fn manifest_schema() -> SchemaRef {
    Arc::clone(&MANIFEST_SCHEMA)
}

/// A file as a write task reports it.
#[derive(Debug, Clone)]
pub struct ManifestEntry {
    /// The sink's own description of the file.
    pub file: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The rows of one finished task: one per file, or one with a null file.
///
/// # Errors
/// `Internal` if Arrow refuses the columns.
pub fn manifest_batch(
    partition: u32,
    attempt: &str,
    entries: &[ManifestEntry],
) -> Result<RecordBatch> {
    let rows = entries.len().max(1);
    let or_empty = |values: Vec<u64>| if values.is_empty() { vec![0] } else { values };
    let files: StringArray = if entries.is_empty() {
        StringArray::new_null(1)
    } else {
        entries.iter().map(|entry| Some(&entry.file)).collect()
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_value(partition, rows)),
        Arc::new(StringArray::from(vec![attempt; rows])),
        Arc::new(files),
        Arc::new(UInt64Array::from(or_empty(
            entries.iter().map(|entry| entry.rows).collect(),
        ))),
        Arc::new(UInt64Array::from(or_empty(
            entries.iter().map(|entry| entry.bytes).collect(),
        ))),
    ];
    RecordBatch::try_new(manifest_schema(), columns)
        .map_err(|error| Error::internal("cannot build a write manifest").with_source(error))
}

/// Adds up the manifests of a complete attempt.
///
/// # Errors
/// `Internal` when the batches are no manifest, when no task reported, or when two attempts of one
/// partition are mixed: accepting either would double or lose rows.
pub fn collect_manifest(batches: &[RecordBatch]) -> Result<Written> {
    let mut written = Written::default();
    let mut attempts: BTreeSet<(u32, String)> = BTreeSet::new();
    for batch in batches {
        if batch.schema().fields() != MANIFEST_SCHEMA.fields() {
            return Err(Error::internal(format!(
                "a write returned {} instead of its manifest",
                batch.schema()
            )));
        }
        let partitions = batch.column(0).as_primitive::<UInt32Type>();
        let tries = batch.column(1).as_string::<i32>();
        let files = batch.column(2).as_string::<i32>();
        let rows = batch.column(3).as_primitive::<UInt64Type>();
        let bytes = batch.column(4).as_primitive::<UInt64Type>();
        for row in 0..batch.num_rows() {
            attempts.insert((partitions.value(row), tries.value(row).to_owned()));
            if files.is_valid(row) {
                written.files.push(files.value(row).to_owned());
                written.rows += rows.value(row);
                written.bytes += bytes.value(row);
            }
        }
    }
    if attempts.is_empty() {
        return Err(Error::internal("no write task reported its files"));
    }
    let mut last = None;
    for (partition, _) in &attempts {
        if last == Some(partition) {
            return Err(Error::internal(format!(
                "two attempts of write task {partition} reported files"
            )));
        }
        last = Some(partition);
    }
    // The order in which tasks finish is chance; what is logged is not.
    written.files.sort_unstable();
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(file: &str) -> ManifestEntry {
        ManifestEntry {
            file: file.to_owned(),
            rows: 2,
            bytes: 10,
        }
    }

    #[test]
    fn tasks_with_and_without_files_add_up() {
        let batches = [
            manifest_batch(0, "a", &[entry("f1"), entry("f0")]).unwrap(),
            manifest_batch(1, "b", &[]).unwrap(),
        ];
        let written = collect_manifest(&batches).unwrap();
        assert_eq!(written.files, ["f0", "f1"]);
        assert_eq!((written.rows, written.bytes), (4, 20));
    }

    #[test]
    fn two_attempts_of_one_task_are_refused() {
        let batches = [
            manifest_batch(0, "a", &[entry("f0")]).unwrap(),
            manifest_batch(0, "b", &[entry("f1")]).unwrap(),
        ];
        let error = collect_manifest(&batches).unwrap_err();
        assert!(error.to_string().contains("two attempts"), "{error}");
    }

    #[test]
    fn silence_of_every_task_is_refused() {
        assert!(collect_manifest(&[]).is_err());
    }
}
