//! The files that a write task has open: one per combination of partition values that has rows.
//!
//! delta-rs encodes, uploads and rolls the files of one combination ([`PartitionWriter`]); this module
//! divides rows among them and bounds what each holds.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{partition, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, SortField};
use delta_kernel::expressions::Scalar;
use deltalake::datafile::writer::{PartitionWriter, PartitionWriterConfig};
use deltalake::kernel::Add;
use deltalake::kernel::scalars::ScalarExt;
use deltalake::logstore::ObjectStoreRef;
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::{DeltaResult, DeltaTableError};
use futures::{StreamExt as _, TryStreamExt as _};
use indexmap::IndexMap;
use tracing::warn;

use super::spec::WriteSpec;
use crate::files::dictionary::fitted_to;

/// Parts of one file in upload at once. Each is 5 MiB of memory; a disk or a store is kept busy by few,
/// since every task has files of its own.
const UPLOADS_PER_FILE: usize = 2;

/// Rows handed to the encoder at a time; the size of a file is checked between.
const ROWS_PER_SLICE: usize = 8192;

/// What one open file holds at most, whatever went through it: a row group, which its encoder holds
/// twice while it is completed, and parts in upload.
const OPEN_FILE_BYTES: usize = 48 << 20;

/// How rows of one table become files.
#[derive(Debug, Clone)]
pub(super) struct FileLayout {
    pub(super) schema: SchemaRef,
    pub(super) properties: WriterProperties,
}

/// See the module's documentation.
pub(super) struct OpenFiles {
    store: ObjectStoreRef,
    spec: Arc<WriteSpec>,
    layout: FileLayout,
    open: BTreeMap<OwnedRow, OpenFile>,
}

struct OpenFile {
    writer: PartitionWriter,
    held: usize,
}

/// Rows of one combination of partition values, without its columns.
pub(super) struct PartitionRows {
    key: OwnedRow,
    values: IndexMap<String, Scalar>,
    rows: RecordBatch,
    bytes: usize,
}

impl OpenFiles {
    pub(super) fn new(store: ObjectStoreRef, spec: Arc<WriteSpec>, layout: FileLayout) -> Self {
        Self {
            store,
            spec,
            layout,
            open: BTreeMap::new(),
        }
    }

    /// Divides rows, which take `bytes` of memory, by their partition values. Rows of one combination
    /// are not copied.
    pub(super) fn divide(
        &self,
        rows: &RecordBatch,
        bytes: usize,
    ) -> DeltaResult<Vec<PartitionRows>> {
        let names = &self.spec.partition_by;
        let schema = rows.schema();
        let keys = names
            .iter()
            .map(|name| Ok(Arc::clone(rows.column(schema.index_of(name)?))))
            .collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
        let data: Vec<usize> = (0..schema.fields().len())
            .filter(|&index| !names.contains(schema.field(index).name()))
            .collect();
        let rows = rows.project(&data)?;
        let groups = groups(&keys, rows.num_rows())?;
        groups
            .into_iter()
            .map(|(key, group)| {
                let first = group.as_ref().map_or(0, |rows| rows.value(0) as usize);
                let values = names
                    .iter()
                    .zip(&keys)
                    .map(|(name, column)| {
                        let value = Scalar::from_array(column.as_ref(), first);
                        Some((name.clone(), value?))
                    })
                    .collect::<Option<IndexMap<_, _>>>()
                    .ok_or_else(|| {
                        DeltaTableError::generic(format!(
                            "the values of partition columns {names:?} have no form in a log"
                        ))
                    })?;
                let rows = match &group {
                    None => rows.clone(),
                    Some(group) => take_record_batch(&rows, group)?,
                };
                let share = group.map_or(bytes, |_| rows.get_array_memory_size());
                Ok(PartitionRows {
                    key,
                    values,
                    rows,
                    bytes: share,
                })
            })
            .collect()
    }

    /// How many bytes more are held once `rows` are written.
    pub(super) fn growth(&self, rows: &PartitionRows) -> usize {
        let held = self.open.get(&rows.key).map_or(0, |file| file.held);
        (held + rows.bytes).min(OPEN_FILE_BYTES) - held
    }

    /// Hands rows to their file, which is opened if it is not.
    pub(super) async fn write(&mut self, rows: PartitionRows) -> DeltaResult<()> {
        let growth = self.growth(&rows);
        let file = match self.open.entry(rows.key) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(place) => {
                let (store, spec, layout) = (Arc::clone(&self.store), &self.spec, &self.layout);
                place.insert(OpenFile {
                    writer: partition_writer(store, spec, layout, rows.values, &rows.rows)?,
                    held: 0,
                })
            }
        };
        file.held += growth;
        file.writer.write(&rows.rows).await
    }

    /// Completes all files; the next rows open others. One that fails does not keep the others from being
    /// completed: giving up a half-way upload would leave parts of it behind.
    pub(super) fn close(&mut self) -> impl Future<Output = DeltaResult<Vec<Add>>> + Send + use<> {
        let open = std::mem::take(&mut self.open);
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        async move {
            let closed: Vec<DeltaResult<Vec<Add>>> = futures::stream::iter(open.into_values())
                .map(|file| file.writer.close())
                .buffered(at_once)
                .collect()
                .await;
            futures::stream::iter(closed).try_concat().await
        }
    }
}

/// Files that are still open belong to a task that failed or was abandoned: they are given up.
impl Drop for OpenFiles {
    fn drop(&mut self) {
        let open = std::mem::take(&mut self.open);
        if open.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    for file in open.into_values() {
                        if let Err(error) = file.writer.abort().await {
                            warn!(%error, "an abandoned write left parts of an upload behind");
                        }
                    }
                });
            }
            Err(_) => {
                warn!("a write was abandoned outside a runtime; it may leave parts of uploads")
            }
        }
    }
}

fn partition_writer(
    store: ObjectStoreRef,
    spec: &WriteSpec,
    layout: &FileLayout,
    values: IndexMap<String, Scalar>,
    first: &RecordBatch,
) -> DeltaResult<PartitionWriter> {
    let config = PartitionWriterConfig::try_new(
        Arc::clone(&layout.schema),
        values,
        Some(fitted_to(&layout.properties, first)),
        std::num::NonZeroU64::new(spec.target_file_size_bytes),
        Some(ROWS_PER_SLICE),
        Some(UPLOADS_PER_FILE),
        None,
    )?;
    let first = spec.stats.first.to_string();
    let first = first.as_str().try_into().map_err(|error| {
        DeltaTableError::generic(format!("{first} columns with statistics: {error}"))
    })?;
    PartitionWriter::try_with_config(store, config, first, spec.stats.named.clone())
}

/// The rows of each combination of `keys`, in the order in which combinations come first; `None` for
/// all rows, where there is one combination only.
fn groups(
    keys: &[ArrayRef],
    rows: usize,
) -> Result<Vec<(OwnedRow, Option<UInt32Array>)>, ArrowError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let fields = keys
        .iter()
        .map(|key| SortField::new(key.data_type().clone()))
        .collect();
    let converter = RowConverter::new(fields)?;
    if keys.is_empty() {
        return Ok(vec![(converter.parser().parse(&[]).owned(), None)]);
    }
    if partition(keys)?.len() == 1 {
        let first: Vec<ArrayRef> = keys.iter().map(|key| key.slice(0, 1)).collect();
        return Ok(vec![(
            converter.convert_columns(&first)?.row(0).owned(),
            None,
        )]);
    }
    let keys = converter.convert_columns(keys)?;
    let mut places: HashMap<_, usize> = HashMap::new();
    let mut groups = Vec::new();
    for (row, key) in (0_u32..).zip(&keys) {
        let place = *places.entry(key).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(row);
    }
    let groups = groups.into_iter();
    Ok(groups
        .map(|(key, rows)| (key.owned(), Some(UInt32Array::from(rows))))
        .collect())
}
