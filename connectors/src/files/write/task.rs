//! One write task: the rows of one input partition become files below `_temporary`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::StreamExt as _;
use object_store::ObjectStore;
use uuid::Uuid;
use weir_plan::manifest::{ManifestEntry, WritePlace, manifest_batch};
use weir_plan::{Error, Result};

use super::spec::{FileEntry, WriteSpec};
use crate::files::location::store_path;
use crate::files::normalize::Normalizer;
use crate::files::open::OpenFile;
use crate::files::options::FileFormat;
use crate::files::slices;
use crate::write_metrics::TaskMetrics;

/// What a task whose rows all go to one file needs: a row group, and what its encoder holds twice.
const OPEN_FILE_BYTES: usize = 48 << 20;

/// See the module's documentation.
pub(super) struct WriteTask {
    spec: Arc<WriteSpec>,
    normalizer: Normalizer,
    place: WritePlace,
    attempt: String,
    metrics: TaskMetrics,
    store: Arc<dyn ObjectStore>,
    memory: MemoryReservation,
    /// By directory, each with where it belongs.
    open: HashMap<String, (OpenFile, String)>,
    begun: usize,
    files: Vec<ManifestEntry>,
}

impl WriteTask {
    pub(super) fn new(
        spec: Arc<WriteSpec>,
        normalizer: Normalizer,
        place: WritePlace,
        metrics: TaskMetrics,
        store: Arc<dyn ObjectStore>,
        pool: &Arc<dyn MemoryPool>,
    ) -> Self {
        let memory = MemoryConsumer::new(format!("FilesWriteExec[{place}]"))
            .with_can_spill(true)
            .register(pool);
        Self {
            spec,
            normalizer,
            place,
            attempt: Uuid::new_v4().to_string(),
            metrics,
            store,
            memory,
            open: HashMap::new(),
            begun: 0,
            files: Vec::new(),
        }
    }

    /// Writes all of `input`; returns its manifest.
    pub(super) async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
        while let Some(batch) = input.next().await {
            let batch = batch?;
            for (slice, bytes) in slices(&batch) {
                self.reserve(bytes).await?;
                let time = self.metrics.time.clone();
                let timer = time.timer();
                for part in self.normalizer.parts(&slice)? {
                    self.write(&part.directory, part.rows).await?;
                }
                timer.done();
            }
        }
        // The columns of a table without rows are kept by a file without rows, as in Spark.
        let columns_lost = self.place.number() == 0 && self.begun == 0;
        if columns_lost
            && self.spec.format == FileFormat::Parquet
            && self.spec.partition_by.is_empty()
        {
            self.begin("", None)?;
        }
        self.close_all().await?;
        manifest_batch(self.place, &self.attempt, &self.files)
    }

    /// Accounts for rows of `bytes`. When memory is short, what is buffered becomes files first: they
    /// are smaller than they could be, and the write goes on.
    async fn reserve(&mut self, bytes: usize) -> Result<()> {
        // One open file holds at most a row group, whatever went through it.
        let bounded = self.spec.partition_by.is_empty() && self.memory.size() >= OPEN_FILE_BYTES;
        if bounded || self.memory.try_grow(bytes).is_ok() {
            return Ok(());
        }
        self.close_all().await?;
        self.memory.try_grow(bytes).map_err(|error| {
            let place = self.spec.root.display().to_string();
            Error::from(error).context(format!("writing to {place}"))
        })
    }

    async fn write(&mut self, directory: &str, mut rows: RecordBatch) -> Result<()> {
        let limits = self.spec.options;
        while rows.num_rows() > 0 {
            if !self.open.contains_key(directory) {
                self.begin(directory, Some(&rows))?;
            }
            let Some((file, _)) = self.open.get_mut(directory) else {
                return Err(Error::internal(format!("no file is open in {directory:?}")));
            };
            let room = match limits.max_records_per_file {
                0 => usize::MAX,
                most => usize::try_from(most.saturating_sub(file.rows())).unwrap_or(usize::MAX),
            };
            let now = rows.num_rows().min(room);
            file.write(&rows.slice(0, now)).await?;
            rows = rows.slice(now, rows.num_rows() - now);
            let full =
                limits.max_records_per_file > 0 && file.rows() >= limits.max_records_per_file;
            let large =
                limits.target_file_size_bytes > 0 && file.bytes() >= limits.target_file_size_bytes;
            if (full || large)
                && let Some((file, path)) = self.open.remove(directory)
            {
                self.close(file, path).await?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, directory: &str, first: Option<&RecordBatch>) -> Result<()> {
        let name = self.spec.file_name(self.place.number(), self.begun);
        let path = match directory {
            "" => name,
            directory => format!("{directory}/{name}"),
        };
        let place = self.spec.staging().join(&self.attempt).join(&path);
        let file = OpenFile::create(
            self.spec.format,
            &self.spec.options,
            &self.store,
            store_path(&place)?,
            self.normalizer.file_schema(),
            first,
        )?;
        self.begun += 1;
        self.open.insert(directory.to_owned(), (file, path));
        Ok(())
    }

    async fn close_all(&mut self) -> Result<()> {
        for (_, (file, path)) in std::mem::take(&mut self.open) {
            self.close(file, path).await?;
        }
        self.memory.free();
        Ok(())
    }

    async fn close(&mut self, file: OpenFile, path: String) -> Result<()> {
        let (rows, bytes) = file.close(&self.store).await?;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        self.metrics.rows.add(count(rows));
        self.metrics.bytes.add(count(bytes));
        self.metrics.files.add(1);
        let attempt = self.attempt.clone();
        self.files.push(ManifestEntry {
            file: FileEntry { attempt, path }.encode()?,
            rows,
            bytes,
        });
        Ok(())
    }
}
