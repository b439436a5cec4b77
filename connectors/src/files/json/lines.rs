//! A file's lines, decompressed by its suffix, in blocks of whole lines.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use weir_plan::{Error, Result};

use crate::files::error::file_error;
use crate::files::location::shown;

/// Bytes of lines handed on at a time; more only for a longer line.
const BLOCK_BYTES: usize = 1 << 20;

/// Compressions of Hadoop's that are not built in.
const UNKNOWN_SUFFIXES: &[&str] = &[".deflate", ".snappy", ".lz4", ".lzo", ".zlib"];

/// Some whole lines.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// The number of its first line, from 1.
    pub(super) first_line: u64,
}

/// Reads one file.
pub(super) struct Lines {
    path: Path,
    bytes: BoxStream<'static, Result<Bytes, DataFusionError>>,
    pending: Vec<u8>,
    next_line: u64,
}

impl Lines {
    /// The lines of the file at `path`.
    ///
    /// # Errors
    /// `Unsupported` for a compression that is not built in, by its suffix; what the store reports.
    pub(super) async fn open(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Self> {
        let compression = compression(path)?;
        let failed = |error: DataFusionError| unreadable(path, error);
        let read = store
            .get(path)
            .await
            .map_err(|error| failed(error.into()))?;
        let bytes = read.into_stream().map_err(DataFusionError::from).boxed();
        Ok(Self {
            path: path.clone(),
            bytes: compression.convert_stream(bytes).map_err(failed)?,
            pending: Vec::new(),
            next_line: 1,
        })
    }

    /// The next lines; `None` at the end of the file.
    ///
    /// # Errors
    /// `Storage`, naming the file: it cannot be read, or its compression is damaged.
    pub(super) async fn next(&mut self) -> Result<Option<Block>> {
        loop {
            if self.pending.len() >= BLOCK_BYTES
                && let Some(end) = self.pending.iter().rposition(|byte| *byte == b'\n')
            {
                let rest = self.pending.split_off(end + 1);
                let whole = std::mem::replace(&mut self.pending, rest);
                return Ok(Some(self.block(whole)));
            }
            match self.bytes.next().await {
                Some(Ok(bytes)) => self.pending.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(unreadable(&self.path, error)),
                None if self.pending.is_empty() => return Ok(None),
                None => {
                    let rest = std::mem::take(&mut self.pending);
                    return Ok(Some(self.block(rest)));
                }
            }
        }
    }

    fn block(&mut self, bytes: Vec<u8>) -> Block {
        let first_line = self.next_line;
        self.next_line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Block { bytes, first_line }
    }
}

impl Block {
    /// Its lines that are not blank, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let numbers = self.first_line..;
        let lines = self
            .bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii);
        numbers.zip(lines).filter(|(_, line)| !line.is_empty())
    }
}

fn compression(path: &Path) -> Result<FileCompressionType> {
    let name = path.filename().unwrap_or_default().to_lowercase();
    if let Some(suffix) = UNKNOWN_SUFFIXES
        .iter()
        .find(|suffix| name.ends_with(**suffix))
    {
        return Err(Error::unsupported(format!(
            "json file {} is compressed in a way that is not built in ({suffix}); use .gz, .bz2, .xz \
             or .zst",
            shown(path)
        )));
    }
    Ok(match name.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("gz" | "gzip") => FileCompressionType::GZIP,
        Some("bz2") => FileCompressionType::BZIP2,
        Some("xz") => FileCompressionType::XZ,
        Some("zst" | "zstd") => FileCompressionType::ZSTD,
        _ => FileCompressionType::UNCOMPRESSED,
    })
}

fn unreadable(path: &Path, error: DataFusionError) -> Error {
    file_error("reading json file", &shown(path), error)
}
