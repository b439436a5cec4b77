//! One write task: the rows of one input partition become files; of a stream with rules, files of rows and files of dead letters.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use deltalake::DeltaTableError;
use deltalake::kernel::Add;
use futures::StreamExt as _;
use uuid::Uuid;
use weir_plan::dead_letters::{CheckCounts, Diversion, letters_schema};
use weir_plan::manifest::{ManifestEntry, WritePlace, diverted_batch, manifest_batch};
use weir_plan::{Error, Result};

use super::decimal_stats::drop_inexact;
use super::entry::FileEntry;
use super::error::table_error;
use super::location::log_store;
use super::normalize::Normalizer;
use super::open_files::{FileLayout, OpenFiles, PartitionRows};
use super::partition::zone_timestamps;
use super::spec::{Diverting, WriteSpec};
use crate::files::slices;
use crate::write_metrics::{SortingMetrics, TaskMetrics};

/// See the module's documentation.
pub(super) struct WriteTask {
    rows: Output,
    sorting: Option<Sorting>,
    place: WritePlace,
}

/// How rows are told apart, and where those go that are dead letters.
pub(super) struct Sorting {
    diversion: Diversion,
    letters: Option<Output>,
    counts: CheckCounts,
    metrics: SortingMetrics,
}

/// The files of one table.
pub(super) struct Output {
    spec: Arc<WriteSpec>,
    normalizer: Normalizer,
    metrics: TaskMetrics,
    memory: MemoryReservation,
    open: OpenFiles,
    files: Vec<Add>,
}

impl WriteTask {
    pub(super) fn new(rows: Output, sorting: Option<Sorting>, place: WritePlace) -> Self {
        Self {
            rows,
            sorting,
            place,
        }
    }

    /// Writes all of `input`; returns its manifest.
    pub(super) async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
        let attempt = Uuid::new_v4().to_string();
        while let Some(batch) = input.next().await {
            let batch = match &self.rows.spec.row_check {
                None => batch?,
                Some(check) => check.apply(batch?)?,
            };
            let batch = match &mut self.sorting {
                None => batch,
                Some(sorting) => sorting.rows_of(batch).await?,
            };
            if batch.num_rows() > 0 {
                self.rows.write(&batch).await?;
            }
        }
        let rows = self.rows.finish().await?;
        let Some(sorting) = self.sorting else {
            return manifest_batch(self.place, &attempt, &rows);
        };
        let letters = match sorting.letters {
            Some(letters) => letters.finish().await?,
            None => Vec::new(),
        };
        diverted_batch(self.place, &attempt, &rows, &letters, &sorting.counts)
    }
}

impl Sorting {
    pub(super) fn try_new(
        diverting: &Diverting,
        place: WritePlace,
        metrics: SortingMetrics,
        runtime: &RuntimeEnv,
    ) -> Result<Self> {
        let mut sorting = Self {
            diversion: diverting.diversion.clone(),
            letters: None,
            counts: CheckCounts::default(),
            metrics,
        };
        if let Some(spec) = &diverting.letters {
            let spec = Arc::new(spec.as_ref().clone());
            let schema = spec.arrow_schema()?;
            let layout = spec.file_layout(&schema);
            let normalizer = Normalizer::try_new(&letters_schema(), schema, &spec.partition_by)?;
            let metrics = sorting.metrics.letters.clone();
            let output = Output::try_new(spec, layout, normalizer, place, metrics, runtime)?;
            sorting.letters = Some(output);
        }
        Ok(sorting)
    }

    /// The rows of `batch` that are no dead letters; those are written here.
    async fn rows_of(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let before = self.counts.dropped;
        let timer = self.metrics.time.timer();
        let sorted = self.diversion.sort(batch, &mut self.counts)?;
        timer.done();
        let dropped = self.counts.dropped - before;
        self.metrics
            .dropped
            .add(usize::try_from(dropped).unwrap_or(usize::MAX));
        if let Some(letters) = &sorted.letters {
            let Some(output) = &mut self.letters else {
                return Err(Error::internal("a dead letter has no place to go"));
            };
            output.write(letters).await?;
        }
        Ok(sorted.rows)
    }
}

impl Output {
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
            metrics,
            memory,
            open,
            files: Vec::new(),
        })
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.normalizer.normalize(batch)?;
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
        Ok(())
    }

    /// Completes its files, and returns them.
    async fn finish(mut self) -> Result<Vec<ManifestEntry>> {
        self.close().await?;
        self.entries()
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
