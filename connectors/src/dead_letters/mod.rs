//! Where the dead letters of a streaming query go: a Delta table, a Kafka topic, or both.
//!
//! Tasks write letters as the data files of a Delta table, beside those of the rows; for a topic alone, below the checkpoint, where they go
//! when the batch is closed. Committing a batch's letters makes those files part of the table, in one commit that carries
//! `txn(query, batch)`; for a topic, its messages are made of them, in one transaction that carries the batch's number. Either is there
//! once, however often the batch is committed.

mod letter;
mod options;
mod redrive;
mod topic;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::object_store::ObjectStoreRegistry;
use weir_plan::dead_letters::{LetterSink, letters_schema};
use weir_plan::{
    CommitRequest, Error, ErrorKind, Options, QueryId, Result, StreamSink as _, WriteStep, Written,
};

use crate::delta::DeltaSink;

pub use letter::{DeadLetter, Header};
pub use options::{DEAD_LETTER_OPTIONS, DeadLetterOptions, Rate};
pub use redrive::{Redrive, Redriven};

use topic::LetterTopic;

/// See the module's documentation.
#[derive(Debug)]
pub struct DeadLetters {
    files: DeltaSink,
    /// Whether the files become part of a table, or are only read for the topic.
    is_table: bool,
    topic: Option<LetterTopic>,
}

impl DeadLetters {
    /// The place that `options` name; `None` if they name none. Letters for a topic alone are staged in a directory of `checkpoint`. No I/O:
    /// a table is made by its first letters.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported` for a location there is no store for, and for what is no name of a topic.
    pub fn of_options(
        options: &DeadLetterOptions,
        checkpoint: &str,
        stores: &dyn ObjectStoreRegistry,
    ) -> Result<Option<Self>> {
        let topic = match &options.topic {
            None => None,
            Some(name) => Some(LetterTopic::try_new(name, options.kafka.clone())?),
        };
        let location = match (&options.table, &topic) {
            (None, None) => return Ok(None),
            (Some(table), _) => table.clone(),
            (None, Some(_)) => format!("{}/dead_letters", checkpoint.trim_end_matches('/')),
        };
        let mut files = Options::new();
        if topic.is_some() {
            // Who makes messages of a file holds it in memory.
            files.set("targetFileSize", "32MB");
        }
        Ok(Some(Self {
            files: DeltaSink::try_new(&location, Vec::new(), &files, stores)?,
            is_table: options.table.is_some(),
            topic,
        }))
    }

    /// The URL of the table, if there is one.
    #[must_use]
    pub fn table_url(&self) -> Option<String> {
        self.is_table.then(|| self.files.location())
    }
}

#[async_trait]
impl LetterSink for DeadLetters {
    fn location(&self) -> String {
        let table = self.table_url().map(|url| format!("delta {url}"));
        let topic = self.topic.as_ref().map(LetterTopic::location);
        let both: Vec<String> = table.into_iter().chain(topic).collect();
        both.join(" and ")
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
        })?;
        match &self.topic {
            Some(topic) => topic.open().await,
            None => Ok(()),
        }
    }

    async fn write_step(&self) -> Result<Arc<dyn WriteStep>> {
        self.files.write_step(letters_schema()).await
    }

    async fn commit(&self, request: CommitRequest<'_>) -> Result<()> {
        if let Some(topic) = &self.topic {
            let letters = self.files.read_written(request.written)?;
            topic
                .commit(request.query_id, request.batch_id, letters)
                .await?;
        }
        if self.is_table {
            self.files.commit(request).await?;
        }
        Ok(())
    }

    async fn closed(&self, written: &Written) -> Result<()> {
        match self.is_table {
            true => Ok(()),
            false => self.files.delete_written(written).await,
        }
    }
}
