//! Dead letters produced again, each once: what is done is marked in the transaction that does it.
//!
//! The letters of a table come by query and batch: each batch is a transaction, with the batch's number for a mark. Those of a topic come by
//! partition and offset: the marks are the topic's offsets, as a consumer group has them. A redrive that is killed goes on behind its last
//! mark. Its identity is what it is to do (the source, the filter, where to): another filter is another redrive, and does not know of the
//! letters that this one has produced.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_plan::{Error, Options, Result};

use super::letter::DeadLetter;
use super::topic::blocking;
use crate::kafka::{Outbox, Outgoing, Place, check_outbox_options};

/// Letters of a topic in one transaction.
const LETTERS_PER_TRANSACTION: u64 = 10_000;

/// Messages of a topic that one transaction passes by at most: it ends before brokers give it up, however few letters are meant.
const MESSAGES_PER_TRANSACTION: u64 = 100_000;

/// How many letters were produced again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Now.
    pub letters: u64,
    /// By an earlier run of the same redrive, which this one came by.
    pub already: u64,
}

/// A redrive that runs: see the module's documentation.
#[derive(Debug)]
pub struct Redrive {
    identity: String,
    options: Options,
    to: Option<String>,
    outbox: Option<Arc<Outbox>>,
    open: Option<Open>,
    done: Redriven,
}

/// The transaction at hand.
#[derive(Debug)]
struct Open {
    /// Of a table's letters, the query and batch that it has.
    batch: Option<(String, i64)>,
    /// Its letters were produced before.
    already: bool,
    letters: u64,
    /// Of a topic, letters or not.
    messages: u64,
    marks: BTreeMap<Place, i64>,
}

impl Redrive {
    /// A redrive of this `identity` to topic `to`, or to each record's own, of the cluster of `options` (`kafka.*`). No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` for properties that cannot be set.
    pub fn new(identity: &str, options: Options, to: Option<String>) -> Result<Self> {
        check_outbox_options(&options)?;
        Ok(Self {
            identity: format!("weir-redrive-{identity}"),
            options,
            to,
            outbox: None,
            open: None,
            done: Redriven::default(),
        })
    }

    /// Where the redrive of `topic`'s letters goes on: the next offset of each partition, `None` at its beginning.
    ///
    /// # Errors
    /// `NotFound` when the topic does not exist; `Unavailable`, `PermissionDenied`.
    pub async fn reached(&mut self, topic: &str) -> Result<BTreeMap<i32, Option<i64>>> {
        let outbox = self.outbox(None).await?;
        let topic = topic.to_owned();
        blocking(move || {
            let partitions = outbox.partitions(&topic)?;
            let places: Vec<Place> = partitions.iter().map(|p| (topic.clone(), *p)).collect();
            let marks = outbox.marks(&places)?;
            Ok(partitions.into_iter().zip(marks).collect())
        })
        .await
    }

    /// Produces a letter of a table. They come in the order of their queries and batches, each batch whole.
    ///
    /// # Errors
    /// `NotFound` when the topic does not exist; `Unavailable`, `PermissionDenied`. What is not marked is produced by the next run.
    pub async fn letter_of_table(&mut self, letter: DeadLetter) -> Result<()> {
        let batch = (letter.query_id.clone(), letter.batch_id);
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.batch.as_ref() != Some(&batch))
        {
            self.commit().await?;
            let place = (self.topic_of(&letter), 0);
            let mark = letter.batch_id.saturating_add(1);
            let outbox = self.outbox(Some(&letter.query_id)).await?;
            let asked = place.clone();
            let already = blocking(move || {
                let there = outbox.marks(std::slice::from_ref(&asked))?;
                let there = there.first().copied().flatten();
                let already = there.is_some_and(|there| there >= mark);
                if !already {
                    outbox.begin()?;
                }
                Ok(already)
            });
            self.open = Some(Open {
                batch: Some(batch),
                already: already.await?,
                letters: 0,
                messages: 0,
                marks: BTreeMap::from([(place, mark)]),
            });
        }
        self.send(letter).await
    }

    /// Produces the letter of `topic`'s message at `offset` of `partition`; without one, only passes by.
    ///
    /// # Errors
    /// As [`Self::letter_of_table`].
    pub async fn letter_of_topic(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        letter: Option<DeadLetter>,
    ) -> Result<()> {
        if self.open.is_none() {
            let outbox = self.outbox(None).await?;
            blocking(move || outbox.begin()).await?;
            self.open = Some(Open {
                batch: None,
                already: false,
                letters: 0,
                messages: 0,
                marks: BTreeMap::new(),
            });
        }
        if let Some(letter) = letter {
            self.send(letter).await?;
        }
        let Some(open) = &mut self.open else {
            return Err(Error::internal("a redrive without a transaction"));
        };
        open.marks.insert((topic.to_owned(), partition), offset + 1);
        open.messages += 1;
        if open.letters >= LETTERS_PER_TRANSACTION || open.messages >= MESSAGES_PER_TRANSACTION {
            self.commit().await?;
        }
        Ok(())
    }

    /// Ends the redrive; how many letters it has produced.
    ///
    /// # Errors
    /// As [`Self::letter_of_table`].
    pub async fn finish(mut self) -> Result<Redriven> {
        self.commit().await?;
        if let Some(outbox) = self.outbox.take() {
            blocking(move || {
                drop(outbox);
                Ok(())
            })
            .await?;
        }
        Ok(self.done)
    }

    async fn send(&mut self, letter: DeadLetter) -> Result<()> {
        let topic = self.topic_of(&letter);
        let (Some(open), Some(outbox)) = (&mut self.open, &self.outbox) else {
            return Err(Error::internal("a redrive without a transaction"));
        };
        open.letters += 1;
        if open.already {
            return Ok(());
        }
        let outbox = Arc::clone(outbox);
        let sent = blocking(move || {
            outbox.send(&Outgoing {
                topic: &topic,
                key: letter.key.as_deref(),
                value: letter.value.as_deref(),
                headers: &letter.redriven_headers(),
            })
        });
        match sent.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.abort(error).await),
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        if open.already {
            self.done.already += open.letters;
            return Ok(());
        }
        let Some(outbox) = self.outbox.clone() else {
            return Err(Error::internal("a redrive without an outbox"));
        };
        let marks: Vec<(Place, i64)> = open.marks.into_iter().collect();
        let committed = blocking(move || outbox.commit(&marks, "weir: letters produced again"));
        match committed.await {
            Ok(()) => {
                self.done.letters += open.letters;
                Ok(())
            }
            Err(error) => Err(self.abort(error).await),
        }
    }

    /// Gives up the transaction at hand, for `error`.
    async fn abort(&mut self, error: Error) -> Error {
        self.open = None;
        if let Some(outbox) = self.outbox.take() {
            let aborted = blocking(move || {
                outbox.abort();
                drop(outbox);
                Ok(())
            });
            if let Err(error) = aborted.await {
                tracing::debug!(target: "weir::kafka", %error, "a transaction is left to the broker to abort");
            }
        }
        error
    }

    /// The outbox of `query`'s letters, or of a topic's.
    async fn outbox(&mut self, query: Option<&str>) -> Result<Arc<Outbox>> {
        let id = match query {
            Some(query) => format!("{}-{query}", self.identity),
            None => self.identity.clone(),
        };
        if let Some(outbox) = &self.outbox
            && outbox.id() == id
        {
            return Ok(Arc::clone(outbox));
        }
        let (options, before) = (self.options.clone(), self.outbox.take());
        let opened = blocking(move || {
            drop(before);
            Outbox::open(&options, &id)
        });
        let outbox = Arc::new(opened.await?);
        self.outbox = Some(Arc::clone(&outbox));
        Ok(outbox)
    }

    fn topic_of(&self, letter: &DeadLetter) -> String {
        self.to.clone().unwrap_or_else(|| letter.topic.clone())
    }
}
