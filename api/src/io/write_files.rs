//! Bounded writes of files.

use std::sync::Arc;

use weir_connectors::files::{FileFormat, FileSaveMode, FilesSink};
use weir_plan::Result;
use weir_plan::logical::WriteNode;
use weir_plan::manifest::collect_manifest;
use weir_streaming::BatchJob;

use super::write::DataFrameWriter;

impl DataFrameWriter {
    /// Writes Parquet files below the directory at `location`.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub async fn parquet(self, location: &str) -> Result<()> {
        self.format("parquet").save(location).await
    }

    /// Writes files of JSON lines below the directory at `location`.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub async fn json(self, location: &str) -> Result<()> {
        self.format("json").save(location).await
    }

    /// Writes, then renames all files into place. See [`weir_connectors::files`] for what a reader of
    /// the directory sees meanwhile.
    pub(super) async fn save_files(
        self,
        format: FileFormat,
        mode: FileSaveMode,
        location: &str,
    ) -> Result<()> {
        let sink = FilesSink::try_new(format, location, mode, self.partition_by, &self.options)?;
        let input = self.frame.plan().clone();
        let schema = Arc::clone(input.schema().inner());
        if !sink.prepare(&schema).await? {
            return Ok(());
        }
        let job = BatchJob {
            plan: WriteNode::plan(sink.write_step(), input)?,
            timestamp: chrono::Utc::now(),
        };
        let output = self.frame.session().runner().run(job).await?;
        sink.commit(&collect_manifest(&output.rows)?).await
    }
}
