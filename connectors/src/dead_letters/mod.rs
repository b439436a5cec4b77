//! Where the dead letters of a streaming query go: a Delta table, a Kafka topic, or both.
//!
//! Tasks write letters as the data files of a Delta table, beside those of the rows; for a topic alone, below the checkpoint, in a directory
//! for each batch, which goes when the batch is closed. Committing a batch's letters makes those files part of the table, in one commit that carries
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
    BatchId, CommitRequest, Error, ErrorKind, Options, QueryId, Result, StreamSink as _, WriteStep,
};

use crate::delta::DeltaSink;

pub use letter::{DeadLetter, Header};
pub use options::{DEAD_LETTER_OPTIONS, DeadLetterOptions, Rate};
pub use redrive::{Redrive, Redriven};

use topic::LetterTopic;

/// See the module's documentation.
#[derive(Debug)]
pub struct DeadLetters {
    files: LetterFiles,
    topic: Option<LetterTopic>,
}

/// Where letters are written.
#[derive(Debug)]
enum LetterFiles {
    /// They become part of it.
    Table(Arc<DeltaSink>),
    /// They are only read for the topic: no process deletes what another one needs, since what is there of a closed batch nobody reads.
    Staged {
        directory: String,
        options: Options,
        stores: Arc<dyn ObjectStoreRegistry>,
    },
}

impl LetterFiles {
    /// Those of `batch`.
    fn of(&self, batch: BatchId) -> Result<Arc<DeltaSink>> {
        match self {
            Self::Table(table) => Ok(Arc::clone(table)),
            Self::Staged {
                directory,
                options,
                stores,
            } => {
                let place = format!("{directory}/{}", batch.0);
                let sink = DeltaSink::try_new(&place, Vec::new(), options, stores.as_ref())?;
                Ok(Arc::new(sink))
            }
        }
    }
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
        stores: &Arc<dyn ObjectStoreRegistry>,
    ) -> Result<Option<Self>> {
        let topic = match &options.topic {
            None => None,
            Some(name) => Some(LetterTopic::try_new(name, options.kafka.clone())?),
        };
        let mut files = Options::new();
        if topic.is_some() {
            // Who makes messages of a file holds it in memory.
            files.set("targetFileSize", "32MB");
        }
        let files = match (&options.table, &topic) {
            (None, None) => return Ok(None),
            (Some(table), _) => {
                let table = DeltaSink::try_new(table, Vec::new(), &files, stores.as_ref())?;
                LetterFiles::Table(Arc::new(table))
            }
            (None, Some(_)) => LetterFiles::Staged {
                directory: format!("{}/dead_letters", checkpoint.trim_end_matches('/')),
                options: files,
                stores: Arc::clone(stores),
            },
        };
        // What cannot be written to is refused now.
        files.of(BatchId(0))?;
        Ok(Some(Self { files, topic }))
    }

    /// The URL of the table, if there is one.
    #[must_use]
    pub fn table_url(&self) -> Option<String> {
        match &self.files {
            LetterFiles::Table(table) => Some(table.location()),
            LetterFiles::Staged { .. } => None,
        }
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
        if let LetterFiles::Table(table) = &self.files {
            let opened = table.open(query_id, letters_schema()).await;
            opened.map_err(|error| match error.kind() {
                ErrorKind::SchemaMismatch => Error::new(
                    ErrorKind::SchemaMismatch,
                    format!(
                        "delta table {} is no table of dead letters; name another one, which is made by the first letter",
                        table.location()
                    ),
                )
                .with_source(error),
                _ => error,
            })?;
        }
        match &self.topic {
            Some(topic) => topic.open().await,
            None => Ok(()),
        }
    }

    async fn write_step(&self, batch: BatchId) -> Result<Arc<dyn WriteStep>> {
        self.files.of(batch)?.write_step(letters_schema()).await
    }

    async fn commit(&self, request: CommitRequest<'_>) -> Result<()> {
        if let Some(topic) = &self.topic {
            let files = self.files.of(request.batch_id)?;
            let letters = files.read_written(request.written)?;
            topic.commit(&request, letters).await?;
        }
        match &self.files {
            LetterFiles::Table(table) => table.commit(request).await.map(|_| ()),
            LetterFiles::Staged { .. } => Ok(()),
        }
    }

    async fn closed(&self, batch: BatchId) -> Result<()> {
        match &self.files {
            LetterFiles::Table(_) => Ok(()),
            LetterFiles::Staged { .. } => self.files.of(batch)?.delete_staged().await,
        }
    }
}
