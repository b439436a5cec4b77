//! Files that a batch's tasks wrote, read before (or without) being part of the table.

use std::future::ready;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::RecordBatch;
use deltalake::Path;
use deltalake::kernel::Add;
use deltalake::logstore::{LogStore as _, ObjectStoreRef};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use weir_plan::{Error, ErrorKind, Result, Written};

use super::entry::Files;
use super::error::table_error;
use super::sink::DeltaSink;

/// How many rows are decoded at a time.
const ROWS_AT_ONCE: usize = 1024;

impl DeltaSink {
    /// The rows of `written`, file by file, in the order in which they are listed.
    ///
    /// # Errors
    /// `CorruptCheckpoint` for a file that is gone; `Storage` or `Unavailable`.
    pub(crate) fn read_written(
        &self,
        written: &Written,
    ) -> Result<BoxStream<'_, Result<RecordBatch>>> {
        let store = self.log_store().object_store(None);
        let files = Files::decode(&written.files)?.map_or_else(Vec::new, |files| files.adds);
        let files = stream::iter(files.into_iter().map(Ok));
        Ok(files
            .and_then(move |add| self.rows_of(Arc::clone(&store), add))
            .try_flatten()
            .boxed())
    }

    /// Deletes all that is at its place, where no table is, and on a disk the directory.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`.
    pub(crate) async fn delete_staged(&self) -> Result<()> {
        let store = self.log_store().object_store(None);
        let staged = store.list(None).map_ok(|file| file.location).boxed();
        let deleted = store.delete_stream(staged).try_for_each(|_| ready(Ok(())));
        match deleted.await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => {
                return Err(table_error(self.url(), "deleting files of", error.into()));
            }
        }
        if self.url().scheme() == "file"
            && let Ok(directory) = self.url().to_file_path()
        {
            // It may not be there, and hold what another process writes just now.
            let _ = tokio::fs::remove_dir(directory).await;
        }
        Ok(())
    }

    async fn rows_of(
        &self,
        store: ObjectStoreRef,
        add: Add,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let place = format!("file {} of {}", add.path, self.url());
        let bytes = match store.get(&path(&add)?).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = bytes.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Error::new(
                ErrorKind::CorruptCheckpoint,
                format!("{place}, of a batch that was prepared and not committed, is gone"),
            ),
            error => table_error(self.url(), "reading files of", error.into()),
        })?;
        let failed = move |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Storage, format!("{place} cannot be read")).with_source(error)
        };
        let rows = ParquetRecordBatchReaderBuilder::try_new(bytes);
        let rows = rows.and_then(|rows| rows.with_batch_size(ROWS_AT_ONCE).build());
        let rows = rows.map_err(|error| failed.clone()(Box::new(error)))?;
        let rows = rows.map(move |rows| rows.map_err(|error| failed.clone()(Box::new(error))));
        Ok(stream::iter(rows).boxed())
    }
}

fn path(add: &Add) -> Result<Path> {
    Path::from_url_path(&add.path).map_err(|error| {
        Error::internal(format!("{:?} is no path of a data file", add.path)).with_source(error)
    })
}
