//! Where the dead letters of a streaming query go: a Delta table, a Kafka topic, or both.
//!
//! Tasks write letters as the data files of a Delta table, beside those of the rows. Committing a batch's letters makes those files part of
//! the table, in one commit that carries `txn(query, batch)`; for a topic, its messages are made of them, in one transaction that carries
//! the batch's number. Either is there once, however often the batch is committed.

mod options;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::object_store::ObjectStoreRegistry;
use weir_plan::dead_letters::{LetterSink, letters_schema};
use weir_plan::{
    CommitRequest, Error, ErrorKind, Options, QueryId, Result, StreamSink as _, WriteStep, Written,
};

use crate::delta::DeltaSink;

pub use options::{DEAD_LETTER_OPTIONS, DeadLetterOptions, Rate};

/// See the module's documentation.
#[derive(Debug)]
pub struct DeadLetters {
    files: DeltaSink,
}

impl DeadLetters {
    /// The letters of a query, in the Delta table at `location`, a path or a URL of one of `stores`. No I/O: the table is made by the
    /// first letters.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` for a location there is no store for.
    pub fn in_table(location: &str, stores: &dyn ObjectStoreRegistry) -> Result<Self> {
        let files = DeltaSink::try_new(location, Vec::new(), &Options::new(), stores)?;
        Ok(Self { files })
    }

    /// The URL of the table.
    #[must_use]
    pub fn url(&self) -> String {
        self.files.location()
    }
}

#[async_trait]
impl LetterSink for DeadLetters {
    fn location(&self) -> String {
        format!("delta {}", self.files.location())
    }

    async fn open(&self, query_id: QueryId) -> Result<()> {
        let opened = self.files.open(query_id, letters_schema()).await;
        opened.map_err(|error| match error.kind() {
            ErrorKind::SchemaMismatch => Error::new(
                ErrorKind::SchemaMismatch,
                format!(
                    "delta table {} is no table of dead letters; name another one, which is made by the first letter",
                    self.files.location()
                ),
            )
            .with_source(error),
            _ => error,
        })
    }

    async fn write_step(&self) -> Result<Arc<dyn WriteStep>> {
        self.files.write_step(letters_schema()).await
    }

    async fn commit(&self, request: CommitRequest<'_>) -> Result<()> {
        self.files.commit(request).await.map(|_| ())
    }

    async fn closed(&self, _written: &Written) -> Result<()> {
        Ok(())
    }
}
