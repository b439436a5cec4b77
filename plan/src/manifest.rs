//! The rows a write returns: one per file, at least one per task, so that a lost task is noticed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt8Type, UInt32Type, UInt64Type};
use datafusion::execution::TaskContext;

use crate::dead_letters::CheckCounts;
use crate::error::{Error, Result};
use crate::placement::TaskSlot;
use crate::sink::Written;

static MANIFEST_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("task", DataType::UInt32, false),
        Field::new("tasks", DataType::UInt32, false),
        Field::new("partition", DataType::UInt32, false),
        Field::new("partitions", DataType::UInt32, false),
        Field::new("attempt", DataType::Utf8, false),
        Field::new("file", DataType::Utf8, true),
        Field::new("rows", DataType::UInt64, false),
        Field::new("bytes", DataType::UInt64, false),
        Field::new("part", DataType::UInt8, false),
    ]))
});

/// The columns of a manifest, one row per file:
/// - `task` of `tasks` and `partition` of its `partitions`: who wrote it ([`WritePlace`]);
/// - `attempt`: the random id of that execution;
/// - `file`: the sink's description of one file; null in the one row of a partition that wrote none;
/// - `rows` and `bytes` of that file;
/// - `part` of the output: 0 a file of rows, 1 one of dead letters, 2 counts (`file` is their JSON).
#[must_use]
pub fn manifest_schema() -> SchemaRef {
    Arc::clone(&MANIFEST_SCHEMA)
}

/// Where in a write its files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritePlace {
    task: u32,
    tasks: u32,
    partition: u32,
    partitions: u32,
}

impl WritePlace {
    /// `partition` of the `partitions` of a write node, in the task that `context` belongs to.
    ///
    /// # Errors
    /// `Internal` for numbers beyond `u32`.
    pub fn new(partition: usize, partitions: usize, context: &TaskContext) -> Result<Self> {
        let slot = context.session_config().get_extension::<TaskSlot>();
        let slot = slot.map_or(TaskSlot { index: 0, count: 1 }, |slot| *slot);
        let number = |number: usize| {
            u32::try_from(number)
                .map_err(|_| Error::internal(format!("write task {number} is beyond u32")))
        };
        Ok(Self {
            task: number(slot.index)?,
            tasks: number(slot.count)?,
            partition: number(partition)?,
            partitions: number(partitions)?,
        })
    }

    /// Its number among all places of its write, from 0: Spark's partition id.
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::from(self.task) * u64::from(self.partitions) + u64::from(self.partition)
    }
}

impl fmt::Display for WritePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.task, self.partition)
    }
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

/// Of the column `part`.
const ROWS: u8 = 0;
const LETTERS: u8 = 1;
const COUNTS: u8 = 2;

/// The rows of one finished partition: one per file, or one with a null file.
///
/// # Errors
/// `Internal` if Arrow refuses the columns.
pub fn manifest_batch(
    place: WritePlace,
    attempt: &str,
    entries: &[ManifestEntry],
) -> Result<RecordBatch> {
    parts(place, attempt, entries.iter().map(|entry| (ROWS, entry)))
}

/// The rows of one finished partition that told rows apart: as [`manifest_batch`], the files of its dead `letters`, and its `counts`.
///
/// # Errors
/// `Internal` if Arrow refuses the columns.
pub fn diverted_batch(
    place: WritePlace,
    attempt: &str,
    entries: &[ManifestEntry],
    letters: &[ManifestEntry],
    counts: &CheckCounts,
) -> Result<RecordBatch> {
    let counts = serde_json::to_string(counts)
        .map_err(|error| Error::internal("cannot encode counts").with_source(error))?;
    let counts = ManifestEntry {
        file: counts,
        rows: 0,
        bytes: 0,
    };
    let rows = entries.iter().map(|entry| (ROWS, entry));
    let letters = letters.iter().map(|entry| (LETTERS, entry));
    parts(
        place,
        attempt,
        rows.chain(letters).chain([(COUNTS, &counts)]),
    )
}

fn parts<'a>(
    place: WritePlace,
    attempt: &str,
    entries: impl Iterator<Item = (u8, &'a ManifestEntry)>,
) -> Result<RecordBatch> {
    let (parts, entries): (Vec<u8>, Vec<&ManifestEntry>) = entries.unzip();
    let rows = entries.len().max(1);
    let or_empty = |values: Vec<u64>| if values.is_empty() { vec![0] } else { values };
    let files: StringArray = if entries.is_empty() {
        StringArray::new_null(1)
    } else {
        entries.iter().map(|entry| Some(&entry.file)).collect()
    };
    let parts = if parts.is_empty() { vec![ROWS] } else { parts };
    let same = |number: u32| Arc::new(UInt32Array::from_value(number, rows)) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        same(place.task),
        same(place.tasks),
        same(place.partition),
        same(place.partitions),
        Arc::new(StringArray::from(vec![attempt; rows])),
        Arc::new(files),
        Arc::new(UInt64Array::from(or_empty(
            entries.iter().map(|entry| entry.rows).collect(),
        ))),
        Arc::new(UInt64Array::from(or_empty(
            entries.iter().map(|entry| entry.bytes).collect(),
        ))),
        Arc::new(UInt8Array::from(parts)),
    ];
    RecordBatch::try_new(manifest_schema(), columns)
        .map_err(|error| Error::internal("cannot build a write manifest").with_source(error))
}

/// Adds up the manifests of a complete attempt.
///
/// # Errors
/// `Internal` when the batches are no manifest, when a partition of a task did not report, or when two
/// attempts of one are mixed: accepting either would lose or double rows.
pub fn collect_manifest(batches: &[RecordBatch]) -> Result<Written> {
    let mut written = Written::default();
    let mut reports = Reports::default();
    for batch in batches {
        if batch.schema().fields() != MANIFEST_SCHEMA.fields() {
            return Err(Error::internal(format!(
                "a write returned {} instead of its manifest",
                batch.schema()
            )));
        }
        let [task, tasks, partition, partitions] =
            [0, 1, 2, 3].map(|column| batch.column(column).as_primitive::<UInt32Type>());
        let attempts = batch.column(4).as_string::<i32>();
        let files = batch.column(5).as_string::<i32>();
        let rows = batch.column(6).as_primitive::<UInt64Type>();
        let bytes = batch.column(7).as_primitive::<UInt64Type>();
        let parts = batch.column(8).as_primitive::<UInt8Type>();
        for row in 0..batch.num_rows() {
            let place = WritePlace {
                task: task.value(row),
                tasks: tasks.value(row),
                partition: partition.value(row),
                partitions: partitions.value(row),
            };
            reports.add(place, attempts.value(row))?;
            if files.is_null(row) {
                continue;
            }
            let file = files.value(row);
            match parts.value(row) {
                ROWS => {
                    written.files.push(file.to_owned());
                    written.rows += rows.value(row);
                    written.bytes += bytes.value(row);
                }
                LETTERS => {
                    let letters = written.diverted.get_or_insert_default();
                    letters.files.push(file.to_owned());
                    letters.rows += rows.value(row);
                    letters.bytes += bytes.value(row);
                }
                _ => {
                    let counts = serde_json::from_str(file).map_err(|error| {
                        Error::internal("a task's counts are damaged").with_source(error)
                    })?;
                    written.diverted.get_or_insert_default().counts.add(&counts);
                }
            }
        }
    }
    reports.check_complete()?;
    // The order in which tasks finish is chance; what is logged is not.
    written.files.sort_unstable();
    if let Some(diverted) = &mut written.diverted {
        diverted.files.sort_unstable();
    }
    Ok(written)
}

/// Who reported so far.
#[derive(Default)]
struct Reports {
    tasks: Option<u32>,
    /// By task: how many partitions it has, and the attempt of each that reported.
    by_task: BTreeMap<u32, (u32, BTreeMap<u32, String>)>,
}

impl Reports {
    fn add(&mut self, place: WritePlace, attempt: &str) -> Result<()> {
        let tasks = *self.tasks.get_or_insert(place.tasks);
        let (partitions, attempts) = self
            .by_task
            .entry(place.task)
            .or_insert_with(|| (place.partitions, BTreeMap::new()));
        if tasks != place.tasks || *partitions != place.partitions {
            return Err(Error::internal(format!(
                "write task {place} reports {} tasks of {} partitions, others {tasks} of {partitions}",
                place.tasks, place.partitions
            )));
        }
        let first = attempts
            .entry(place.partition)
            .or_insert_with(|| attempt.to_owned());
        if first != attempt {
            return Err(Error::internal(format!(
                "two attempts of write task {place} reported files"
            )));
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<()> {
        let Some(tasks) = self.tasks else {
            return Err(Error::internal("no write task reported its files"));
        };
        for task in 0..tasks {
            let Some((partitions, attempts)) = self.by_task.get(&task) else {
                return Err(Error::internal(format!(
                    "write task {task} of {tasks} did not report its files"
                )));
            };
            if attempts.len() != *partitions as usize {
                return Err(Error::internal(format!(
                    "write task {task} reported {} of its {partitions} partitions",
                    attempts.len()
                )));
            }
        }
        Ok(())
    }
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

    fn place(task: u32, partition: u32) -> WritePlace {
        WritePlace {
            task,
            tasks: 2,
            partition,
            partitions: 1,
        }
    }

    #[test]
    fn tasks_with_and_without_files_add_up() {
        let batches = [
            manifest_batch(place(0, 0), "a", &[entry("f1"), entry("f0")]).unwrap(),
            manifest_batch(place(1, 0), "b", &[]).unwrap(),
        ];
        let written = collect_manifest(&batches).unwrap();
        assert_eq!(written.files, ["f0", "f1"]);
        assert_eq!((written.rows, written.bytes), (4, 20));
    }

    #[test]
    fn two_attempts_of_one_task_are_refused() {
        let batches = [
            manifest_batch(place(0, 0), "a", &[entry("f0")]).unwrap(),
            manifest_batch(place(0, 0), "b", &[entry("f1")]).unwrap(),
            manifest_batch(place(1, 0), "c", &[]).unwrap(),
        ];
        let error = collect_manifest(&batches).unwrap_err();
        assert!(error.to_string().contains("two attempts"), "{error}");
    }

    #[test]
    fn silence_of_a_task_or_of_a_partition_is_refused() {
        assert!(collect_manifest(&[]).is_err());
        let one = [manifest_batch(place(0, 0), "a", &[entry("f0")]).unwrap()];
        let error = collect_manifest(&one).unwrap_err();
        assert!(error.to_string().contains("task 1 of 2"), "{error}");
        let half = WritePlace {
            tasks: 1,
            partitions: 2,
            ..place(0, 1)
        };
        let half = [manifest_batch(half, "a", &[entry("f0")]).unwrap()];
        let error = collect_manifest(&half).unwrap_err();
        assert!(error.to_string().contains("1 of its 2"), "{error}");
    }

    #[test]
    fn tasks_that_disagree_about_their_number_are_refused() {
        let other = WritePlace {
            tasks: 3,
            ..place(1, 0)
        };
        let batches = [
            manifest_batch(place(0, 0), "a", &[]).unwrap(),
            manifest_batch(other, "b", &[]).unwrap(),
        ];
        assert!(collect_manifest(&batches).is_err());
    }
}
