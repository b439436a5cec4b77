//! Bounded reads.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use weir_connectors::{delta, kafka};
use weir_plan::{Error, Options, Result};

use super::format;
use crate::dataframe::DataFrame;
use crate::session::Session;

/// Reads a table, or a bounded range of a topic; Spark's `DataFrameReader`.
#[derive(Debug, Clone)]
pub struct DataFrameReader {
    pub(super) session: Session,
    format: Option<String>,
    pub(super) options: Options,
    pub(super) schema: Option<SchemaRef>,
}

const FORMATS: &[&str] = &["delta", "kafka", "parquet", "json"];

impl DataFrameReader {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            format: None,
            options: Options::new(),
            schema: None,
        }
    }

    /// `delta`, `kafka`, `parquet` or `json`.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
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

    /// The rows of a source that needs no path (`kafka`).
    ///
    /// # Errors
    /// `InvalidArgument` for unknown or malformed options, and what the source reports.
    pub async fn load(self) -> Result<DataFrame> {
        match self.known_format()?.as_str() {
            "kafka" => {
                self.check_no_schema("kafka")?;
                let table = kafka::batch_table(&self.options).await?;
                self.frame(table)
            }
            other => Err(Error::invalid_argument(format!(
                "format {other:?} needs a location: use load_path(location)"
            ))),
        }
    }

    /// The rows of the table, or of the files, at `location`.
    ///
    /// # Errors
    /// `NotFound` when there is none; as [`Self::load`].
    pub async fn load_path(self, location: &str) -> Result<DataFrame> {
        match self.known_format()?.as_str() {
            "delta" => {
                self.check_no_schema("delta")?;
                let table =
                    delta::read_table(location, &self.options, self.session.stores()).await?;
                self.frame(table)
            }
            "parquet" | "json" => self.load_paths([location]).await,
            _ => Err(Error::invalid_argument(format!(
                "format \"kafka\" takes no path ({location:?}): name topics by option \"subscribe\""
            ))),
        }
    }

    /// The rows of the Delta table at `location`.
    ///
    /// # Errors
    /// As [`Self::load_path`].
    pub async fn delta(self, location: &str) -> Result<DataFrame> {
        self.format("delta").load_path(location).await
    }

    pub(super) fn known_format(&self) -> Result<String> {
        format::check("read()", self.format.as_deref(), FORMATS)
    }

    fn check_no_schema(&self, format: &str) -> Result<()> {
        match self.schema {
            None => Ok(()),
            Some(_) => Err(Error::invalid_argument(format!(
                "format {format:?} has a schema of its own; remove schema()"
            ))),
        }
    }

    pub(super) fn frame(self, table: Arc<dyn TableProvider>) -> Result<DataFrame> {
        let inner = self.session.datafusion().read_table(table)?;
        Ok(DataFrame::new(self.session, inner))
    }
}
