//! One write task: the rows of one input partition become files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use deltalake::DeltaTableError;
use deltalake::kernel::Add;
use futures::StreamExt as _;
use uuid::Uuid;
use weir_plan::manifest::{ManifestEntry, WritePlace, manifest_batch};
use weir_plan::{Error, Result};

use super::decimal_stats::drop_inexact;
use super::entry::FileEntry;
use super::error::table_error;
use super::location::log_store;
use super::normalize::Normalizer;
use super::open_files::{FileLayout, OpenFiles, PartitionRows};
use super::partition::zone_timestamps;
use super::spec::WriteSpec;
use crate::files::slices;
use crate::write_metrics::TaskMetrics;

/// See the module's documentation.
pub(super) struct WriteTask {
    spec: Arc<WriteSpec>,
    normalizer: Normalizer,
    place: WritePlace,
    metrics: TaskMetrics,
    memory: MemoryReservation,
    open: OpenFiles,
    files: Vec<Add>,
}

impl WriteTask {
    pub(super) fn try_new(
        spec: Arc<WriteSpec>,
        layout: FileLayout,
        normalizer: Normalizer,
        place: WritePlace,
        metrics: TaskMetrics,
        runtime: &RuntimeEnv,
    ) -> Result<Self> {
        let store = log_store(&spec.url, runtime.object_store_registry.as_ref())?;
        let store = store.object_store(None);
        let memory = MemoryConsumer::new(format!("DeltaWriteExec[{place}]"))
            .with_can_spill(true)
            .register(&runtime.memory_pool);
        let open = OpenFiles::new(store, Arc::clone(&spec), layout);
        Ok(Self {
            spec,
            normalizer,
            place,
            metrics,
            memory,
            open,
            files: Vec::new(),
        })
    }

    /// Writes all of `input`; returns its manifest.
    pub(super) async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
        let attempt = Uuid::new_v4().to_string();
        while let Some(batch) = input.next().await {
            let batch = match &self.spec.row_check {
                None => batch?,
                Some(check) => check.apply(batch?)?,
            };
            let batch = self.normalizer.normalize(&batch)?;
            for (slice, bytes) in slices(&batch) {
                let time = self.metrics.time.clone();
                let timer = time.timer();
                let parts = self.open.divide(&slice, bytes);
                for rows in parts.map_err(|error| self.refused(error))? {
                    self.reserve(&rows).await?;
                    let written = self.open.write(rows).await;
                    written.map_err(|error| self.refused(error))?;
                }
                timer.done();
            }
        }
        self.close().await?;
        let entries = self.entries()?;
        manifest_batch(self.place, &attempt, &entries)
    }

    fn refused(&self, error: DeltaTableError) -> Error {
        table_error(&self.spec.url, "writing a file of", error)
    }

    /// Accounts for rows. When memory is short, what is buffered becomes files first: they are smaller
    /// than they could be, and the write goes on.
    async fn reserve(&mut self, rows: &PartitionRows) -> Result<()> {
        let growth = self.open.growth(rows);
        if self.memory.try_grow(growth).is_ok() {
            return Ok(());
        }
        self.close().await?;
        let alone = self.open.growth(rows);
        self.memory.try_grow(alone).map_err(|error| {
            Error::from(error).context(format!("writing to delta table {}", self.spec.url))
        })
    }

    /// Completes the files begun so far.
    async fn close(&mut self) -> Result<()> {
        let timer = self.metrics.time.timer();
        // Its own task: closing that is given up half-way would leave parts of uploads behind.
        let closed = tokio::spawn(self.open.close()).await.map_err(|error| {
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
