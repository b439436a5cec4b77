//! One file that is being written.

use std::sync::Arc;

use ::parquet::arrow::AsyncArrowWriter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use datafusion::common::DataFusionError;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use weir_plan::Result;

use super::error::file_error;
use super::location::shown;
use super::options::{FileFormat, WriteOptions};
use super::parquet::dictionary::fitted_to;
use super::parquet::properties::writer_properties;

/// Times in JSON: ISO 8601, as Spark's readers take them. Spark writes milliseconds only and drops the
/// rest; all six digits are kept here.
const TIMESTAMP: &str = "%Y-%m-%dT%H:%M:%S%.6f";
const TIMESTAMP_ZONED: &str = "%Y-%m-%dT%H:%M:%S%.6f%:z";

enum Encoder {
    Parquet(Box<AsyncArrowWriter<BufWriter>>),
    Json {
        out: Box<dyn AsyncWrite + Send + Unpin>,
        bytes: u64,
        ignore_nulls: bool,
    },
}

/// An open file. Dropping it leaves it unfinished below `_temporary`.
pub(super) struct OpenFile {
    path: Path,
    encoder: Encoder,
    rows: u64,
}

impl OpenFile {
    /// A file of `schema`, of which `first` are the first rows, if there are any.
    pub(super) fn create(
        format: FileFormat,
        options: &WriteOptions,
        store: &Arc<dyn ObjectStore>,
        path: Path,
        schema: &SchemaRef,
        first: Option<&RecordBatch>,
    ) -> Result<Self> {
        let failed = |error: DataFusionError| file_error("creating", &shown(&path), error);
        let encoder = match format {
            FileFormat::Parquet => {
                let group_bytes = usize::try_from(options.row_group_bytes).unwrap_or(usize::MAX);
                let mut properties =
                    writer_properties(schema, options.codec.parquet(), group_bytes);
                if let Some(first) = first {
                    properties = fitted_to(&properties, first);
                }
                let writer = AsyncArrowWriter::try_new_with_options(
                    BufWriter::new(Arc::clone(store), path.clone()),
                    Arc::clone(schema),
                    // What other readers see is what Weir reads: no types of Arrow's own.
                    ArrowWriterOptions::new()
                        .with_properties(properties)
                        .with_skip_arrow_metadata(true),
                );
                Encoder::Parquet(Box::new(writer.map_err(|error| failed(error.into()))?))
            }
            FileFormat::Json => {
                let out = BufWriter::new(Arc::clone(store), path.clone());
                Encoder::Json {
                    out: options
                        .codec
                        .stream()
                        .convert_async_writer(out)
                        .map_err(failed)?,
                    bytes: 0,
                    ignore_nulls: options.ignore_null_fields,
                }
            }
        };
        Ok(Self {
            path,
            encoder,
            rows: 0,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Encoded bytes so far; of JSON, before compression.
    pub(super) fn bytes(&self) -> u64 {
        match &self.encoder {
            Encoder::Parquet(writer) => (writer.bytes_written() + writer.in_progress_size()) as u64,
            Encoder::Json { bytes, .. } => *bytes,
        }
    }

    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = match &mut self.encoder {
            Encoder::Parquet(writer) => writer.write(batch).await.map_err(DataFusionError::from),
            Encoder::Json {
                out,
                bytes,
                ignore_nulls,
            } => match json_lines(batch, *ignore_nulls) {
                Ok(lines) => {
                    *bytes += lines.len() as u64;
                    out.write_all(&lines).await.map_err(DataFusionError::from)
                }
                Err(error) => Err(error.into()),
            },
        };
        written.map_err(|error| file_error("writing", &shown(&self.path), error))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Completes the file; returns its rows and its size.
    pub(super) async fn close(self, store: &Arc<dyn ObjectStore>) -> Result<(u64, u64)> {
        let closed = match self.encoder {
            Encoder::Parquet(writer) => writer
                .close()
                .await
                .map(|_| ())
                .map_err(DataFusionError::from),
            Encoder::Json { mut out, .. } => out.shutdown().await.map_err(DataFusionError::from),
        };
        let failed = |error: DataFusionError| file_error("completing", &shown(&self.path), error);
        closed.map_err(failed)?;
        let info = store
            .head(&self.path)
            .await
            .map_err(|error| failed(error.into()))?;
        Ok((self.rows, info.size))
    }
}

fn json_lines(
    batch: &RecordBatch,
    ignore_nulls: bool,
) -> Result<Vec<u8>, arrow::error::ArrowError> {
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(!ignore_nulls)
        .with_timestamp_format(TIMESTAMP.to_owned())
        .with_timestamp_tz_format(TIMESTAMP_ZONED.to_owned())
        .build::<_, LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner())
}
