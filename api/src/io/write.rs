//! Bounded writes.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use weir_connectors::delta::{AppendMode, DeltaSink};
use weir_connectors::files::{FileFormat, FileSaveMode};
use weir_plan::logical::WriteNode;
use weir_plan::manifest::collect_manifest;
use weir_plan::{Error, Options, Result, StreamSink};
use weir_streaming::BatchJob;

use super::format;
use crate::dataframe::DataFrame;

const FORMATS: &[&str] = &["delta", "parquet", "json"];

/// What to do about a table that is there already; Spark's `SaveMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveMode {
    /// Adds the rows.
    Append,
    /// Fails.
    #[default]
    ErrorIfExists,
    /// Writes nothing.
    Ignore,
    /// Replaces what is there. Of files; not of tables yet.
    Overwrite,
}

impl std::str::FromStr for SaveMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_lowercase().as_str() {
            "append" => Ok(Self::Append),
            "error" | "errorifexists" | "default" => Ok(Self::ErrorIfExists),
            "ignore" => Ok(Self::Ignore),
            "overwrite" => Ok(Self::Overwrite),
            _ => Err(Error::invalid_argument(format!(
                "unknown mode {text:?}; use append, overwrite, error or ignore"
            ))),
        }
    }
}

/// Writes a dataframe's rows once; Spark's `DataFrameWriter`.
#[derive(Debug, Clone)]
pub struct DataFrameWriter {
    pub(super) frame: DataFrame,
    format: Option<String>,
    mode: SaveMode,
    pub(super) partition_by: Vec<String>,
    pub(super) options: Options,
}

impl DataFrameWriter {
    pub(crate) fn new(frame: DataFrame) -> Self {
        Self {
            frame,
            format: None,
            mode: SaveMode::default(),
            partition_by: Vec::new(),
            options: Options::new(),
        }
    }

    /// `delta`, `parquet` or `json`.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// What to do about a table that is there already.
    #[must_use]
    pub fn mode(mut self, mode: SaveMode) -> Self {
        self.mode = mode;
        self
    }

    /// The columns whose values become directories of the table.
    #[must_use]
    pub fn partition_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.partition_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// An option of the format.
    #[must_use]
    pub fn option(mut self, key: impl Into<String>, value: impl std::fmt::Display) -> Self {
        self.options.set(key, value);
        self
    }

    /// Several options.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options.extend(options);
        self
    }

    /// Writes to the table, or the directory of files, at `location` in one commit.
    ///
    /// # Errors
    /// `InvalidArgument` for options or a table that must not be there, `SchemaMismatch` for rows
    /// that do not fit it, and what the query reports. Nothing is in the table after an error.
    pub async fn save(self, location: &str) -> Result<()> {
        let format = format::check("write()", self.format.as_deref(), FORMATS)?;
        if let Some(format) = FileFormat::parse(&format) {
            let mode = match self.mode {
                SaveMode::Append => FileSaveMode::Append,
                SaveMode::Overwrite => FileSaveMode::Overwrite,
                SaveMode::ErrorIfExists => FileSaveMode::ErrorIfExists,
                SaveMode::Ignore => FileSaveMode::Ignore,
            };
            return self.save_files(format, mode, location).await;
        }
        let mode = match self.mode {
            SaveMode::Overwrite => {
                return Err(Error::unsupported(
                    "mode \"overwrite\" of a delta table is not supported yet; write to a new table",
                ));
            }
            SaveMode::Append => AppendMode::Append,
            SaveMode::ErrorIfExists => AppendMode::ErrorIfExists,
            SaveMode::Ignore => AppendMode::Ignore,
        };
        let sink = DeltaSink::try_new(location, self.partition_by, &self.options)?;
        let input: LogicalPlan = self.frame.plan().clone();
        let schema = Arc::clone(input.schema().inner());
        if !sink.prepare_append(Arc::clone(&schema), mode).await? {
            return Ok(());
        }
        let step = sink.write_step(Arc::clone(&schema)).await?;
        let job = BatchJob {
            plan: WriteNode::plan(step, input)?,
            timestamp: chrono::Utc::now(),
        };
        let output = self.frame.session().runner().run(job).await?;
        let written = collect_manifest(&output.rows)?;
        sink.append(&written, schema, mode).await?;
        Ok(())
    }
}
