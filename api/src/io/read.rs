//! Bounded reads.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use weir_connectors::{delta, kafka};
use weir_plan::{Error, Options, Result};

use super::format;
use crate::dataframe::DataFrame;
use crate::session::Session;

/// Reads a table, or a bounded range of a topic; Spark's `DataFrameReader`.
#[derive(Debug, Clone)]
pub struct DataFrameReader {
    session: Session,
    format: Option<String>,
    options: Options,
}

impl DataFrameReader {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            format: None,
            options: Options::new(),
        }
    }

    /// `delta` or `kafka`.
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
        match format::check("read()", self.format.as_deref(), &["delta", "kafka"])?.as_str() {
            "kafka" => {
                let table = kafka::batch_table(&self.options).await?;
                self.frame(table)
            }
            _ => Err(Error::invalid_argument(
                "format \"delta\" needs a table's location: use load_path(location)",
            )),
        }
    }

    /// The rows of the table at `location`.
    ///
    /// # Errors
    /// `NotFound` when there is none; as [`Self::load`].
    pub async fn load_path(self, location: &str) -> Result<DataFrame> {
        match format::check("read()", self.format.as_deref(), &["delta", "kafka"])?.as_str() {
            "delta" => {
                let table = delta::read_table(location, &self.options).await?;
                self.frame(table)
            }
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

    /// The version of the Delta table at `location` that this reader reads. Reads with option
    /// `versionAsOf` set to it see one table, whatever is committed in between.
    ///
    /// # Errors
    /// As [`Self::load_path`].
    pub async fn delta_version(self, location: &str) -> Result<u64> {
        Ok(delta::read_version(location, &self.options).await?.0)
    }

    fn frame(self, table: Arc<dyn TableProvider>) -> Result<DataFrame> {
        let inner = self.session.datafusion().read_table(table)?;
        Ok(DataFrame::new(self.session, inner))
    }
}
