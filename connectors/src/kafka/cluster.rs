//! The cluster as the planner asks it: which partitions exist, and where they begin and end.
//!
//! One client is made at the first question and kept. Every question is one request per broker, is
//! asked on a blocking thread, and is answered or given up within [`GIVE_UP_AFTER`]; a cluster none
//! of whose brokers can be connected to is given up after [`ALL_DOWN_GRACE`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::{Offset, TopicPartitionList};
use weir_plan::{Error, ErrorKind, Result};

use super::config::{Retry, Subscription};
use super::native::client::{Client, ClientError};
use super::native::code;
use super::native::metadata::TopicDescription;
use super::offsets::{PerPartition, TopicPartition, list_partitions};
use super::properties::ClientProperties;

/// The longest that one question takes.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// How long every broker may refuse connections: enough for the second address of a host name.
const ALL_DOWN_GRACE: Duration = Duration::from_secs(3);

/// The pause before what a leader election or a restart disturbed is asked again.
const ELECTION_PAUSE: Duration = Duration::from_millis(250);

/// How long to wait for a connection before looking for trouble.
const CONNECT_SLICE: Duration = Duration::from_millis(50);

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
struct Inner {
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
        if let Some(client) = slot.take() {
            // It waits for its connections to close, which must not hold up an async thread.
            std::thread::spawn(move || drop(client));
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

    async fn ask<T: Send + 'static>(
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

    /// The partitions that `subscription` means.
    ///
    /// # Errors
    /// `NotFound` for a topic or partition that it names and the cluster lacks.
    pub(super) async fn subscribed(&self, subscription: &Subscription) -> Result<Partitions> {
        let subscription = subscription.clone();
        self.ask(move |inner, client| inner.subscribed(client, &subscription))
            .await
    }

    /// The partitions of those of `topics` that exist.
    pub(super) async fn existing(&self, topics: BTreeSet<String>) -> Result<Partitions> {
        self.ask(move |inner, client| inner.describe(client, &topics))
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

/// The one question being asked, and until when.
struct Attempt<'a> {
    inner: &'a Inner,
    client: &'a Client,
    what: &'static str,
    started: Instant,
    tries: u32,
}

impl Attempt<'_> {
    fn remaining(&self) -> Duration {
        GIVE_UP_AFTER.saturating_sub(self.started.elapsed())
    }

    fn out_of_reach(&self, error: Option<&ClientError>) -> Error {
        let servers = self.inner.properties.servers();
        let cause = error.map_or_else(|| "no answer".to_owned(), |error| error.text.clone());
        Error::new(
            ErrorKind::Unavailable,
            format!(
                "cannot {}: no kafka broker at {servers} could be reached in {:.0?}: {cause}; check kafka.bootstrap.servers and that the brokers run",
                self.what,
                self.started.elapsed()
            ),
        )
    }

    /// Whether it is worth to go on waiting.
    fn check(&self) -> ControlFlow<Error> {
        let trouble = self.client.trouble();
        if let Some(fatal) = &trouble.fatal {
            return ControlFlow::Break(self.inner.properties.explain(self.what, fatal));
        }
        let down_for = trouble
            .all_down_since
            .map(|since| since.max(self.started).elapsed());
        if down_for.is_some_and(|down| down > ALL_DOWN_GRACE) {
            return ControlFlow::Break(self.out_of_reach(trouble.last.as_ref()));
        }
        ControlFlow::Continue(())
    }

    /// Waits for the first connection. Calls that block without a say come after it.
    fn wait_connected(&self) -> Result<()> {
        while !self.client.wait_connected(CONNECT_SLICE) {
            if let ControlFlow::Break(error) = self.check() {
                return Err(error);
            }
            if self.remaining().is_zero() {
                return Err(self.out_of_reach(self.client.trouble().last.as_ref()));
            }
        }
        Ok(())
    }

    /// After an error: pauses and returns for another try, or gives up.
    fn again(&mut self, error: &ClientError) -> Result<()> {
        let passing = code::is_retried(error.code);
        self.tries += 1;
        if let ControlFlow::Break(error) = self.check() {
            return Err(error);
        }
        let out_of_tries = !passing && self.tries > self.inner.retry.times;
        if self.remaining().is_zero() || out_of_tries {
            let trouble = self.client.trouble();
            return Err(match (error.code, &trouble.last) {
                (code::TIMED_OUT | code::TRANSPORT | code::ALL_BROKERS_DOWN, Some(last)) => {
                    self.out_of_reach(Some(last))
                }
                _ => self.inner.properties.explain(self.what, error),
            });
        }
        let pause = if passing {
            self.inner.retry.pause.max(ELECTION_PAUSE)
        } else {
            self.inner.retry.pause
        };
        std::thread::sleep(pause.min(self.remaining()));
        Ok(())
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

    fn attempt<'a>(&'a self, client: &'a Client, what: &'static str) -> Attempt<'a> {
        Attempt {
            inner: self,
            client,
            what,
            started: Instant::now(),
            tries: 0,
        }
    }

    fn subscribed(&self, client: &Client, subscription: &Subscription) -> Result<Partitions> {
        let topics: BTreeSet<String> = match subscription {
            Subscription::Topics(topics) => topics.clone(),
            Subscription::Assign(all) => all.keys().cloned().collect(),
            Subscription::Pattern { .. } => self
                .topic_names(client)?
                .into_iter()
                .filter(|topic| subscription.matches(topic))
                .collect(),
        };
        let mut found = self.describe(client, &topics)?;
        let servers = self.properties.servers();
        if let Subscription::Topics(_) | Subscription::Assign(_) = subscription {
            let there: BTreeSet<&str> = found.all.iter().map(|at| at.topic.as_str()).collect();
            let missing: Vec<&str> = topics
                .iter()
                .map(String::as_str)
                .filter(|topic| !there.contains(topic))
                .collect();
            if !missing.is_empty() {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "topic {} does not exist at {servers}; create it, or correct the subscription",
                        missing.join(", ")
                    ),
                ));
            }
        }
        if let Subscription::Assign(all) = subscription {
            let assigned: BTreeSet<TopicPartition> = all
                .iter()
                .flat_map(|(topic, numbers)| {
                    numbers
                        .iter()
                        .map(|number| TopicPartition::new(topic.clone(), *number))
                })
                .collect();
            let missing: Vec<&TopicPartition> = assigned.difference(&found.all).collect();
            if !missing.is_empty() {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "assigned partitions {} do not exist at {servers}; correct the option assign",
                        list_partitions(missing)
                    ),
                ));
            }
            found.all = assigned;
        }
        Ok(found)
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
