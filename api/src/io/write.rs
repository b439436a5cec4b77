//! Bounded writes.

use weir_connectors::files::{FileFormat, FileSaveMode};
use weir_plan::{Error, Options, Result};

use super::{format, write_delta};
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
    /// Replaces what is there: all of it, or the rows that the options of format `delta` name.
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
    expected_version: Option<u64>,
}

impl DataFrameWriter {
    pub(crate) fn new(frame: DataFrame) -> Self {
        Self {
            frame,
            format: None,
            mode: SaveMode::default(),
            partition_by: Vec::new(),
            options: Options::new(),
            expected_version: None,
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

    /// The version of the table that these rows were computed from
    /// ([`DeltaTable::version`](crate::delta::DeltaTable::version)): [`Self::save`] in mode overwrite
    /// fails with `Conflict` when a later commit changed the rows it replaces, instead of losing that
    /// change. Without it, only commits since the write began count.
    #[must_use]
    pub fn expected_version(mut self, version: u64) -> Self {
        self.expected_version = Some(version);
        self
    }

    /// Writes to the table, or the directory of files, at `location` in one commit.
    ///
    /// # Errors
    /// `InvalidArgument` for options or a table that must not be there, `SchemaMismatch` for rows
    /// that do not fit it, `Conflict` when another commit changed what is replaced, and what the
    /// query reports. Nothing is in the table after an error.
    pub async fn save(self, location: &str) -> Result<()> {
        let format = format::check("write()", self.format.as_deref(), FORMATS)?;
        if let Some(format) = FileFormat::parse(&format) {
            if let Some(version) = self.expected_version {
                return Err(Error::invalid_argument(format!(
                    "expected_version({version}) belongs to format \"delta\": files have no versions"
                )));
            }
            let mode = match self.mode {
                SaveMode::Append => FileSaveMode::Append,
                SaveMode::Overwrite => FileSaveMode::Overwrite,
                SaveMode::ErrorIfExists => FileSaveMode::ErrorIfExists,
                SaveMode::Ignore => FileSaveMode::Ignore,
            };
            return self.save_files(format, mode, location).await;
        }
        write_delta::save(write_delta::DeltaWrite {
            frame: self.frame,
            location,
            mode: self.mode,
            partition_by: self.partition_by,
            options: self.options,
            expected_version: self.expected_version,
        })
        .await
    }
}
