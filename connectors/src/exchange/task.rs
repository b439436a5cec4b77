//! One write task: the rows of one partition become Arrow files.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::StreamExt as _;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt as _;
use url::Url;
use uuid::Uuid;
use weir_plan::manifest::{ManifestEntry, WritePlace, manifest_batch};
use weir_plan::{Error, ErrorKind, Result};

use super::files::{FileEntry, path_of};
use crate::files::slices;
use crate::write_metrics::TaskMetrics;

/// Of a file. A reader of a store takes a file, or its share of one, into memory at once.
const FILE_BYTES: u64 = 64 << 20;

/// What is gathered before it is sent, and how many such parts are under way.
const PART_BYTES: usize = 8 << 20;
const PARTS_UNDER_WAY: usize = 2;

/// See the module's documentation.
pub(super) struct WriteTask {
    directory: Path,
    shown: String,
    stored: SchemaRef,
    place: WritePlace,
    attempt: String,
    metrics: TaskMetrics,
    store: Arc<dyn ObjectStore>,
    memory: MemoryReservation,
    options: IpcWriteOptions,
    files: Vec<ManifestEntry>,
}

struct OpenFile {
    encoder: FileWriter<Vec<u8>>,
    out: BufWriter,
    entry: FileEntry,
    rows: u64,
}

impl WriteTask {
    pub(super) fn try_new(
        url: &Url,
        stored: SchemaRef,
        place: WritePlace,
        metrics: TaskMetrics,
        store: Arc<dyn ObjectStore>,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Self> {
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(|error| Error::internal("Arrow files cannot be LZ4").with_source(error))?;
        Ok(Self {
            directory: path_of(url)?,
            shown: url.to_string(),
            stored,
            place,
            attempt: Uuid::new_v4().simple().to_string(),
            metrics,
            store,
            memory: MemoryConsumer::new(format!("ExchangeWriteExec[{place}]")).register(pool),
            options,
            files: Vec::new(),
        })
    }

    /// Writes all of `input`; returns its manifest.
    pub(super) async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
        let mut open = None;
        while let Some(batch) = input.next().await {
            let batch = batch?;
            for (slice, _) in slices(&batch) {
                let time = self.metrics.time.clone();
                let timer = time.timer();
                let slice = self.as_stored(&slice)?;
                let mut file = match open.take() {
                    Some(file) => file,
                    None => self.begin()?,
                };
                let encoded = file.encoder.write(&slice);
                encoded.map_err(|error| self.failed("encoding", error))?;
                file.rows += slice.num_rows() as u64;
                self.send(&mut file).await?;
                if file.entry.bytes >= FILE_BYTES {
                    self.end(file).await?;
                } else {
                    open = Some(file);
                }
                timer.done();
            }
        }
        if let Some(file) = open {
            self.end(file).await?;
        }
        manifest_batch(self.place, &self.attempt, &self.files)
    }

    fn begin(&mut self) -> Result<OpenFile> {
        // What parts take; rows are encoded one batch at a time.
        self.memory
            .try_resize(PART_BYTES * PARTS_UNDER_WAY)
            .map_err(|error| {
                Error::from(error).context(format!("writing an exchange to {}", self.shown))
            })?;
        let name = format!("{:05}-{:03}.arrow", self.place.number(), self.files.len());
        let entry = FileEntry {
            attempt: self.attempt.clone(),
            name,
            bytes: 0,
        };
        let path = entry.below(&self.directory);
        let encoder =
            FileWriter::try_new_with_options(Vec::new(), &self.stored, self.options.clone());
        Ok(OpenFile {
            encoder: encoder.map_err(|error| self.failed("encoding", error))?,
            out: BufWriter::with_capacity(Arc::clone(&self.store), path, PART_BYTES)
                .with_max_concurrency(PARTS_UNDER_WAY),
            entry,
            rows: 0,
        })
    }

    /// Hands on what is encoded.
    async fn send(&self, file: &mut OpenFile) -> Result<()> {
        let encoded = std::mem::take(file.encoder.get_mut());
        file.entry.bytes += encoded.len() as u64;
        let sent = file.out.write_all(&encoded).await;
        sent.map_err(|error| self.failed("writing", error))
    }

    async fn end(&mut self, mut file: OpenFile) -> Result<()> {
        let finished = file.encoder.finish();
        finished.map_err(|error| self.failed("encoding", error))?;
        self.send(&mut file).await?;
        let closed = file.out.shutdown().await;
        closed.map_err(|error| self.failed("completing", error))?;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        self.metrics.rows.add(count(file.rows));
        self.metrics.bytes.add(count(file.entry.bytes));
        self.metrics.files.add(1);
        self.files.push(ManifestEntry {
            file: file.entry.encode()?,
            rows: file.rows,
            bytes: file.entry.bytes,
        });
        Ok(())
    }

    fn as_stored(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = rows.columns().iter().zip(self.stored.fields());
        let columns = columns.map(|(column, field)| as_stored(column, field.data_type()));
        columns
            .collect::<Result<Vec<_>, ArrowError>>()
            .and_then(|columns| {
                let options =
                    arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
                RecordBatch::try_new_with_options(Arc::clone(&self.stored), columns, &options)
            })
            .map_err(|error| self.failed("encoding", error))
    }

    fn failed(&self, doing: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::new(
            ErrorKind::Storage,
            format!("{doing} rows of an exchange failed in {}", self.shown),
        )
        .with_source(error)
    }
}

fn as_stored(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() != data_type {
        return cast(column, data_type);
    }
    // The few rows that a filter left keep all of the text they were cut from, which would be written.
    Ok(match data_type {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => Arc::clone(column),
    })
}
