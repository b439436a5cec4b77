//! Dead letters as messages of a Kafka topic, each batch in one transaction.
//!
//! The outbox of a query is `weir-dlq-QUERY`. A batch's mark is the offset N + 1 of batch N, committed at partition 0 of the topic that the
//! batch's first letter goes to: what is prepared is read in the same order whenever it is committed. Brokers forget the marks of a group
//! after a while (`offsets.retention.minutes`): a batch that another run has prepared, and that has no mark, is looked for in the topic.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt as _};
use tokio::sync::Mutex;
use weir_plan::dead_letters::header;
use weir_plan::{CommitRequest, Error, Options, Result};

use super::letter::DeadLetter;
use crate::kafka::{Outbox, Outgoing, Place, check_outbox_options, check_topic};

/// How far the clocks of who writes letters and of who keeps them may be apart.
const CLOCKS_MS: i64 = 3_600_000;

/// What stands for a record's own topic in the name of the letters'.
const OWN_TOPIC: &str = "{topic}";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct LetterTopic {
    /// May hold [`OWN_TOPIC`].
    name: String,
    /// `kafka.*`.
    options: Options,
    /// Opened by the first letters of a run.
    outbox: Mutex<Option<Arc<Outbox>>>,
}

impl LetterTopic {
    /// Letters in topic `name` of the cluster of `options`. No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no name of a topic, and for properties that cannot be set.
    pub(super) fn try_new(name: &str, options: Options) -> Result<Self> {
        let plain = name.replace(OWN_TOPIC, "t");
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if plain.is_empty() || plain.len() > 249 || !plain.chars().all(legal) || name == OWN_TOPIC {
            return Err(Error::invalid_argument(format!(
                "option \"dlqTopic\" is {name:?}; it takes the name of a topic, in which {OWN_TOPIC} stands for the record's own: \
                 {OWN_TOPIC}.dlq"
            )));
        }
        check_outbox_options(&options)?;
        Ok(Self {
            name: name.to_owned(),
            options,
            outbox: Mutex::default(),
        })
    }

    /// Without the servers: their addresses may change between two starts.
    pub(super) fn location(&self) -> String {
        format!("kafka topic {}", self.name)
    }

    /// Checks that the topic exists, where its name is known before there is a letter.
    pub(super) async fn open(&self) -> Result<()> {
        if self.name.contains(OWN_TOPIC) {
            return Ok(());
        }
        let (options, name) = (self.options.clone(), self.name.clone());
        blocking(move || check_topic(&options, &name)).await
    }

    /// Produces the letters of a batch, unless they are there.
    pub(super) async fn commit(
        &self,
        request: &CommitRequest<'_>,
        letters: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<()> {
        let (query, batch) = (request.query_id, request.batch_id);
        let mut own = self.outbox.lock().await;
        let outbox = match own.take() {
            Some(outbox) => outbox,
            None => {
                let options = self.options.clone();
                let id = format!("weir-dlq-{query}");
                Arc::new(blocking(move || Outbox::open(&options, &id)).await?)
            }
        };
        let mark = i64::try_from(batch.0)
            .map_err(|_| Error::internal(format!("batch {batch} is beyond i64")))?
            + 1;
        let sent = self.send(&outbox, mark, request.recovered, letters).await;
        match &sent {
            // Kept for the next batch only when it is known to be in order.
            Ok(()) => *own = Some(outbox),
            Err(_) => {
                blocking(move || {
                    outbox.abort();
                    drop(outbox);
                    Ok(())
                })
                .await?
            }
        }
        sent
    }

    async fn send(
        &self,
        outbox: &Arc<Outbox>,
        mark: i64,
        recovered: bool,
        letters: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<()> {
        let mut letters = std::pin::pin!(letters);
        let mut place: Option<Place> = None;
        while let Some(rows) = letters.next().await {
            let rows = DeadLetter::of_rows(&rows?)?;
            let Some(first) = rows.first() else {
                continue;
            };
            if place.is_none() {
                let at = (self.topic_of(first)?, 0);
                place = Some(at.clone());
                let outbox = Arc::clone(outbox);
                let (of, since) = (batch_headers(first), first.failed_at_ms - CLOCKS_MS);
                let there = blocking(move || {
                    let there = outbox.marks(std::slice::from_ref(&at))?;
                    let there = match there.first().copied().flatten() {
                        Some(there) => there >= mark,
                        None => recovered && outbox.has_since(&at.0, since, &of)?,
                    };
                    if !there {
                        outbox.begin()?;
                    }
                    Ok(there)
                });
                if there.await? {
                    return Ok(());
                }
            }
            let topics = rows.iter().map(|letter| self.topic_of(letter));
            let topics = topics.collect::<Result<Vec<_>>>()?;
            let outbox = Arc::clone(outbox);
            blocking(move || {
                for (letter, topic) in rows.iter().zip(&topics) {
                    outbox.send(&Outgoing {
                        topic,
                        key: letter.key.as_deref(),
                        value: letter.value.as_deref(),
                        headers: &letter.message_headers(),
                    })?;
                }
                Ok(())
            })
            .await?;
        }
        let Some(place) = place else {
            return Ok(());
        };
        let outbox = Arc::clone(outbox);
        let note = format!("weir: letters up to batch {}", mark - 1);
        blocking(move || outbox.commit(&[(place, mark)], &note)).await
    }

    /// Where a letter goes.
    fn topic_of(&self, letter: &DeadLetter) -> Result<String> {
        let topic = self.name.replace(OWN_TOPIC, &letter.topic);
        if topic == letter.topic {
            return Err(Error::invalid_argument(format!(
                "option \"dlqTopic\" is {topic:?}, which the query reads: its letters would be read again and again; name another one"
            )));
        }
        Ok(topic)
    }
}

/// What the letters of one batch have in common, as headers.
fn batch_headers(letter: &DeadLetter) -> [(&'static str, String); 2] {
    [
        (header::QUERY_ID, letter.query_id.clone()),
        (header::BATCH_ID, letter.batch_id.to_string()),
    ]
}

/// Runs `work`, which waits for a cluster, on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("a thread that produces failed").with_source(error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, more: &[(&str, &str)]) -> Result<LetterTopic> {
        let mut options: Options = more.iter().copied().collect();
        options.set("kafka.bootstrap.servers", "broker:9092");
        LetterTopic::try_new(name, options)
    }

    #[test]
    fn names_of_topics_may_hold_the_records_own_and_must_not_be_it() {
        let letter = DeadLetter {
            topic: "raw.orders".to_owned(),
            ..DeadLetter::default()
        };
        let own = topic("{topic}.dlq", &[]).unwrap();
        assert_eq!(own.topic_of(&letter).unwrap(), "raw.orders.dlq");
        let same = topic("raw.orders", &[]).unwrap();
        let error = same.topic_of(&letter).unwrap_err();
        assert!(error.to_string().contains("raw.orders"), "{error}");
        for name in ["", "{topic}", "a b", "dlq/{topic}", &"x".repeat(250)] {
            let error = topic(name, &[]).unwrap_err();
            assert!(error.to_string().contains("dlqTopic"), "{error}");
        }
    }

    #[test]
    fn identity_of_the_producer_cannot_be_set() {
        for key in ["kafka.transactional.id", "kafka.group.id"] {
            let error = topic("dlq", &[(key, "mine")]).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
