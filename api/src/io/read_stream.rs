//! Streaming reads.

use std::sync::Arc;

use weir_connectors::kafka::KafkaSource;
use weir_plan::{Options, Result, StreamTable};

use super::format;
use crate::dataframe::DataFrame;
use crate::session::Session;

/// Reads a stream; Spark's `DataStreamReader`.
#[derive(Debug, Clone)]
pub struct DataStreamReader {
    session: Session,
    format: Option<String>,
    options: Options,
}

impl DataStreamReader {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            format: None,
            options: Options::new(),
        }
    }

    /// `kafka`.
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

    /// The stream. Nothing is read, or looked up, before the query starts.
    ///
    /// # Errors
    /// `InvalidArgument` for unknown, malformed or contradicting options.
    pub async fn load(self) -> Result<DataFrame> {
        format::check("read_stream()", self.format.as_deref(), &["kafka"])?;
        let source = KafkaSource::try_new(&self.options)?;
        let table = Arc::new(StreamTable::new(Arc::new(source)));
        let inner = self.session.datafusion().read_table(table)?;
        Ok(DataFrame::new(self.session, inner))
    }
}
