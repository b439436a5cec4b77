//! One write task: the rows of one input partition become files.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::partition;
use arrow::error::ArrowError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use deltalake::DeltaResult;
use deltalake::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake::kernel::Add;
use deltalake::kernel::scalars::ScalarExt;
use deltalake::logstore::ObjectStoreRef;
use futures::StreamExt as _;
use tracing::warn;
use uuid::Uuid;
use weir_plan::manifest::{ManifestEntry, manifest_batch};
use weir_plan::{Error, Result};

use super::decimal_stats::drop_inexact;
use super::entry::FileEntry;
use super::error::table_error;
use super::location::log_store;
use super::normalize::Normalizer;
use super::partition::zone_timestamps;
use super::spec::WriteSpec;
use crate::files::slices;
use crate::write_metrics::TaskMetrics;

/// What a task whose rows all go to one file needs: a row group, and what its encoder holds twice.
const OPEN_FILE_BYTES: usize = 48 << 20;

/// See the module's documentation.
pub(super) struct WriteTask {
    spec: Arc<WriteSpec>,
    config: WriterConfig,
    normalizer: Normalizer,
    partition: u32,
    metrics: TaskMetrics,
    store: ObjectStoreRef,
    memory: MemoryReservation,
    files: Vec<Add>,
}

impl WriteTask {
    pub(super) fn try_new(
        spec: Arc<WriteSpec>,
        config: WriterConfig,
        normalizer: Normalizer,
        partition: u32,
        metrics: TaskMetrics,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Self> {
        let store = log_store(&spec.url, &spec.storage_options)?.object_store(None);
        let memory = MemoryConsumer::new(format!("DeltaWriteExec[{partition}]"))
            .with_can_spill(true)
            .register(pool);
        Ok(Self {
            spec,
            config,
            normalizer,
            partition,
            metrics,
            store,
            memory,
            files: Vec::new(),
        })
    }

    /// Writes all of `input`; returns its manifest.
    pub(super) async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
        let attempt = Uuid::new_v4().to_string();
        let mut writer = Guard(None);
        while let Some(batch) = input.next().await {
            let batch = match &self.spec.row_check {
                None => batch?,
                Some(check) => check.apply(batch?)?,
            };
            let batch = self.normalizer.normalize(&batch)?;
            for (slice, bytes) in slices(&batch) {
                self.reserve(bytes, &mut writer).await?;
                let timer = self.metrics.time.timer();
                let open = writer.open(&self.store, &self.config);
                write(open, slice, &self.spec.partition_by)
                    .await
                    .map_err(|error| table_error(&self.spec.url, "writing a file of", error))?;
                timer.done();
            }
        }
        self.close(&mut writer).await?;
        let entries = self.entries()?;
        manifest_batch(self.partition, &attempt, &entries)
    }

    /// Accounts for rows of `bytes`. When memory is short, what is buffered becomes files first: they
    /// are smaller than they could be, and the write goes on.
    async fn reserve(&mut self, bytes: usize, writer: &mut Guard) -> Result<()> {
        // One open file holds at most a row group, whatever went through it.
        let bounded = self.spec.partition_by.is_empty() && self.memory.size() >= OPEN_FILE_BYTES;
        if bounded || self.memory.try_grow(bytes).is_ok() {
            return Ok(());
        }
        self.close(writer).await?;
        self.memory.try_grow(bytes).map_err(|error| {
            Error::from(error).context(format!("writing to delta table {}", self.spec.url))
        })
    }

    /// Completes the files begun so far.
    async fn close(&mut self, writer: &mut Guard) -> Result<()> {
        let Some(open) = writer.0.take() else {
            return Ok(());
        };
        let timer = self.metrics.time.timer();
        // Its own task: closing that is given up half-way would leave parts of uploads behind.
        let closed = tokio::spawn(open.close()).await.map_err(|error| {
            Error::internal("a task that closes data files failed").with_source(error)
        })?;
        timer.done();
        let adds = closed
            .map_err(|error| table_error(&self.spec.url, "completing the files of", error))?;
        self.files.extend(adds);
        self.memory.free();
        Ok(())
    }

    fn entries(&mut self) -> Result<Vec<ManifestEntry>> {
        std::mem::take(&mut self.files)
            .into_iter()
            .map(|mut add| {
                let rows = records(&add)?;
                let bytes = u64::try_from(add.size).unwrap_or_default();
                self.metrics
                    .rows
                    .add(usize::try_from(rows).unwrap_or(usize::MAX));
                self.metrics
                    .bytes
                    .add(usize::try_from(bytes).unwrap_or(usize::MAX));
                self.metrics.files.add(1);
                zone_timestamps(&mut add, &self.spec.schema);
                drop_inexact(&mut add, &self.spec.schema);
                let entry = FileEntry {
                    add,
                    schema: self.spec.schema.clone(),
                    partition_by: self.spec.partition_by.clone(),
                };
                Ok(ManifestEntry {
                    file: entry.encode()?,
                    rows,
                    bytes,
                })
            })
            .collect()
    }
}

fn records(add: &Add) -> Result<u64> {
    let stats = add.get_stats().ok().flatten();
    stats
        .and_then(|stats| u64::try_from(stats.num_records).ok())
        .ok_or_else(|| Error::internal(format!("file {:?} has no number of rows", add.path)))
}

/// Hands rows to the writer. Rows of one partition go as they are: the writer's own way to divide rows
/// copies every value.
async fn write(
    writer: &mut DeltaWriter,
    rows: RecordBatch,
    partition_by: &[String],
) -> DeltaResult<()> {
    if !partition_by.is_empty() && is_of_one_partition(&rows, partition_by)? {
        let values = partition_by.iter().map(|name| {
            let value = rows.column_by_name(name)?;
            Some((name.clone(), ScalarExt::from_array(value.as_ref(), 0)?))
        });
        // A value without such a form is the general way's to refuse.
        if let Some(values) = values.collect::<Option<_>>() {
            return writer.write_partition(rows, &values).await;
        }
    }
    writer.write(&rows).await
}

/// Whether all of `rows`, which are not none, have the same values of the partition columns.
fn is_of_one_partition(rows: &RecordBatch, partition_by: &[String]) -> Result<bool, ArrowError> {
    let columns: Option<Vec<ArrayRef>> = partition_by
        .iter()
        .map(|name| rows.column_by_name(name).cloned())
        .collect();
    match columns {
        Some(columns) => Ok(partition(&columns)?.len() == 1),
        None => Ok(false),
    }
}

/// An open writer, aborted when it is dropped: its task failed or was given up.
struct Guard(Option<DeltaWriter>);

impl Guard {
    fn open(&mut self, store: &ObjectStoreRef, config: &WriterConfig) -> &mut DeltaWriter {
        self.0
            .get_or_insert_with(|| DeltaWriter::new(Arc::clone(store), config.clone()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(writer) = self.0.take() else {
            return;
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    if let Err(error) = writer.abort().await {
                        warn!(%error, "an abandoned write left parts of an upload behind");
                    }
                });
            }
            Err(_) => {
                warn!("a write was abandoned outside a runtime; it may leave parts of uploads")
            }
        }
    }
}
