//! The cluster as the planner asks it: which partitions exist, and where they begin and end.
//!
//! One client is made at the first question and kept. Every question is one request per broker, is
//! asked on a blocking thread, and is answered or given up in bounded time (see [`super::attempt`]).
//! What consumer groups have committed is asked in [`super::group`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::{Offset, TopicPartitionList};
use weir_plan::{Error, Result};

use super::attempt::{Attempt, ELECTION_PAUSE};
use super::config::Retry;
use super::native::client::{Client, ClientError};
use super::native::code;
use super::native::metadata::TopicDescription;
use super::offsets::{PerPartition, TopicPartition};
use super::properties::ClientProperties;
use super::select::{Missing, select};
use super::subscription::Subscription;

/// Offsets to look up, as Kafka's protocol spells them.
pub(super) const EARLIEST: i64 = -2;
/// See [`EARLIEST`].
pub(super) const LATEST: i64 = -1;

/// Topics that exist, with their ids where the brokers give any, and their partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Partitions {
    pub(super) ids: BTreeMap<String, String>,
    pub(super) all: BTreeSet<TopicPartition>,
}

/// A cluster, through one lazily made client.
#[derive(Debug)]
pub(super) struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    properties: ClientProperties,
    retry: Retry,
    client: Mutex<Option<Arc<Client>>>,
    /// See [`Client::stand_in_for_controller`]; asked once.
    stand_in: OnceLock<Option<i32>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let slot = self
            .client
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(client) = slot.take() else {
            return;
        };
        // Closing takes a millisecond, or as long as a host name takes to resolve: not on a thread
        // that others wait for, and not past the end of the runtime.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn_blocking(move || drop(client));
            }
            Err(_) => drop(client),
        }
    }
}

impl Cluster {
    /// The cluster that `properties` name; connects at the first question.
    pub(super) fn new(properties: ClientProperties, retry: Retry) -> Self {
        Self {
            inner: Arc::new(Inner {
                properties,
                retry,
                client: Mutex::new(None),
                stand_in: OnceLock::new(),
            }),
        }
    }

    /// Asks `question` on a blocking thread.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Inner, &Client) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            let client = inner.client()?;
            question(&inner, &client)
        })
        .await
        .map_err(|error| Error::internal("looking up kafka metadata died").with_source(error))?
    }

    /// The partitions that `subscription` means, those `read_before` among them if they exist.
    ///
    /// # Errors
    /// `NotFound` for a topic or partition that it names, that was not read before and that the
    /// cluster lacks. What was read before and is gone is the planner's to judge.
    pub(super) async fn subscribed(
        &self,
        subscription: &Subscription,
        read_before: BTreeSet<TopicPartition>,
    ) -> Result<Partitions> {
        let subscription = subscription.clone();
        self.ask(move |inner, client| inner.subscribed(client, &subscription, &read_before))
            .await
    }

    /// Those of `partitions` that exist.
    pub(super) async fn existing(
        &self,
        partitions: BTreeSet<TopicPartition>,
    ) -> Result<Partitions> {
        self.ask(move |inner, client| {
            let topics = partitions.iter().map(|at| at.topic.clone()).collect();
            inner.settle(
                || inner.describe(client, &topics),
                |found| {
                    found.all.retain(|at| partitions.contains(at));
                    found.all.len() == partitions.len()
                },
            )
        })
        .await
    }

    /// The partitions and ids of those of `topics` that exist; looks again for a moment while one of
    /// `expected` is missing.
    pub(super) async fn topics(
        &self,
        topics: BTreeSet<String>,
        expected: BTreeSet<TopicPartition>,
    ) -> Result<Partitions> {
        self.ask(move |inner, client| {
            inner.settle(
                || inner.describe(client, &topics),
                |found| expected.is_subset(&found.all),
            )
        })
        .await
    }

    /// One offset per partition: of [`EARLIEST`], [`LATEST`] or a timestamp. `None`: no record is
    /// as young as the timestamp.
    pub(super) async fn offsets(
        &self,
        wanted: PerPartition,
    ) -> Result<BTreeMap<TopicPartition, Option<i64>>> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.ask(move |inner, client| inner.offsets(client, &wanted))
            .await
    }

    /// [`EARLIEST`] or [`LATEST`] of every partition.
    pub(super) async fn ends(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        which: i64,
    ) -> Result<PerPartition> {
        let wanted = partitions.iter().map(|at| (at.clone(), which)).collect();
        let found = self.offsets(wanted).await?;
        Ok(found
            .into_iter()
            .filter_map(|(at, offset)| Some((at, offset?)))
            .collect())
    }
}

impl Inner {
    fn client(&self) -> Result<Arc<Client>> {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*slot {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.properties.metadata_client()?);
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    /// An attempt to do `what` with `client`.
    pub(super) fn attempt<'a>(
        &'a self,
        client: &'a Client,
        what: impl Into<String>,
    ) -> Attempt<'a> {
        Attempt::new(&self.properties, self.retry, client, what)
    }

    /// Asks until the answer is complete, or a few times: a broker may learn of a new topic a moment
    /// after the others, and what is only late must not be taken for gone.
    fn settle(
        &self,
        mut ask: impl FnMut() -> Result<Partitions>,
        mut is_complete: impl FnMut(&mut Partitions) -> bool,
    ) -> Result<Partitions> {
        let mut tries = 0;
        loop {
            let mut found = ask()?;
            if is_complete(&mut found) || tries >= self.retry.times {
                return Ok(found);
            }
            tries += 1;
            std::thread::sleep(self.retry.pause.max(ELECTION_PAUSE));
        }
    }

    fn subscribed(
        &self,
        client: &Client,
        subscription: &Subscription,
        read_before: &BTreeSet<TopicPartition>,
    ) -> Result<Partitions> {
        let mut missing = Missing::default();
        let found = self.settle(
            || {
                let topics = match subscription {
                    Subscription::Topics(topics) => topics.clone(),
                    Subscription::Assign(all) => all.keys().cloned().collect(),
                    Subscription::Pattern { .. } => self
                        .topic_names(client)?
                        .into_iter()
                        .filter(|topic| subscription.matches(topic))
                        .collect(),
                };
                self.describe(client, &topics)
            },
            |found| {
                missing = select(subscription, found, read_before);
                missing == Missing::default()
            },
        )?;
        missing
            .never_read(self.properties.servers())
            .map(|()| found)
    }

    fn stand_in(&self, attempt: &mut Attempt<'_>, topic: &str) -> Result<Option<i32>> {
        if let Some(known) = self.stand_in.get() {
            return Ok(*known);
        }
        attempt.wait_connected()?;
        loop {
            let timeout = attempt.remaining();
            match attempt.client.stand_in_for_controller(topic, timeout) {
                Ok(broker) => return Ok(*self.stand_in.get_or_init(|| broker)),
                Err(error) => attempt.again(&error)?,
            }
        }
    }

    fn topic_names(&self, client: &Client) -> Result<Vec<String>> {
        let mut attempt = self.attempt(client, "list the topics");
        attempt.wait_connected()?;
        loop {
            match client.topic_names(attempt.remaining()) {
                Ok(names) => {
                    client.forget_trouble();
                    return Ok(names);
                }
                Err(error) => attempt.again(&error)?,
            }
        }
    }

    fn describe(&self, client: &Client, topics: &BTreeSet<String>) -> Result<Partitions> {
        if topics.is_empty() {
            return Ok(Partitions::default());
        }
        let names: Vec<String> = topics.iter().cloned().collect();
        let mut attempt = self.attempt(client, "look up the topics");
        let broker = self.stand_in(&mut attempt, &names[0])?;
        loop {
            let timeout = attempt.remaining();
            let described = client.describe_topics(&names, broker, timeout, || attempt.check());
            match described {
                Ok(ControlFlow::Break(error)) => return Err(error),
                Ok(ControlFlow::Continue(topics)) => {
                    client.forget_trouble();
                    match partitions_of(topics) {
                        Ok(partitions) => return Ok(partitions),
                        Err((topic, error)) if error.code == code::INVALID_TOPIC => {
                            return Err(Error::invalid_argument(format!(
                                "{topic:?} is no valid topic name: {}",
                                error.text
                            )));
                        }
                        Err((_, error)) => attempt.again(&error)?,
                    }
                }
                Err(error) => attempt.again(&error)?,
            }
        }
    }

    fn offsets(
        &self,
        client: &Client,
        wanted: &PerPartition,
    ) -> Result<BTreeMap<TopicPartition, Option<i64>>> {
        let mut attempt = self.attempt(client, "look up offsets");
        loop {
            let error = match ask_offsets(client, wanted, attempt.remaining()) {
                Ok(offsets) => {
                    client.forget_trouble();
                    return Ok(offsets);
                }
                Err(error) => error,
            };
            attempt.again(&error)?;
            // The client remembers leaders; describing the topics makes it learn the new ones.
            let topics: BTreeSet<String> = wanted.keys().map(|at| at.topic.clone()).collect();
            self.describe(client, &topics)?;
        }
    }
}

/// What exists of the topics described, or the first topic with an error that is not absence.
fn partitions_of(
    topics: Vec<TopicDescription>,
) -> std::result::Result<Partitions, (String, ClientError)> {
    let mut found = Partitions::default();
    for topic in topics {
        match topic.error {
            None => {
                let partitions = topic.partitions.iter();
                found
                    .all
                    .extend(partitions.map(|number| TopicPartition::new(&topic.name, *number)));
                if let Some(id) = topic.id {
                    found.ids.insert(topic.name, id);
                }
            }
            Some(error) if code::is_unknown_partition(error.code) => {}
            Some(error) => return Err((topic.name, error)),
        }
    }
    Ok(found)
}

fn ask_offsets(
    client: &Client,
    wanted: &PerPartition,
    timeout: Duration,
) -> std::result::Result<BTreeMap<TopicPartition, Option<i64>>, ClientError> {
    let failed = |code, text: String| ClientError { code, text };
    let mut list = TopicPartitionList::with_capacity(wanted.len());
    for (at, &offset) in wanted {
        let offset = match offset {
            EARLIEST => Offset::Beginning,
            LATEST => Offset::End,
            timestamp => Offset::Offset(timestamp),
        };
        list.add_partition_offset(&at.topic, at.partition, offset)
            .map_err(|error| failed(code::NONE, error.to_string()))?;
    }
    client.list_offsets(&mut list, timeout)?;
    list.elements()
        .into_iter()
        .map(|element| {
            let at = TopicPartition::new(element.topic(), element.partition());
            if let Err(error) = element.error() {
                let code = error
                    .rdkafka_error_code()
                    .map_or(code::NONE, |code| code as i32);
                return Err(failed(code, format!("{at}: {error}")));
            }
            match element.offset() {
                Offset::Offset(offset) => Ok((at, Some(offset))),
                // -1: for a timestamp, no record is that young.
                Offset::End if wanted.get(&at).is_some_and(|asked| *asked >= 0) => Ok((at, None)),
                _ => Err(failed(
                    code::TIMED_OUT,
                    format!("{at}: no offset was given"),
                )),
            }
        })
        .collect()
}
