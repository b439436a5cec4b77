//! Messages produced exactly once: in transactions that carry a mark of what is in them.
//!
//! An outbox has an identity: the `transactional.id` of its producer, and the consumer group whose committed offsets are its marks. The
//! offsets are committed by the transaction that has the messages, so that either both are there or neither. Who opens an outbox aborts what
//! an earlier process of the same identity left open, and fences it off; what is committed is then told by the marks.
//!
//! Every call blocks its thread.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::{Offset, TopicPartitionList};
use weir_plan::{Error, ErrorKind, Options, Result};

use super::properties::ClientProperties;
use super::secrets::Secrets;

/// The longest that a question to the cluster takes.
const ASKING: Duration = Duration::from_secs(30);
/// The longest that a transaction takes to end, once its messages are sent: what `delivery.timeout.ms` may be, and some.
const ENDING: Duration = Duration::from_secs(330);

/// A message to produce.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(String, Option<Vec<u8>>)],
}

/// Where a mark is: the offset that the group has committed of a partition.
pub(crate) type Place = (String, i32);

/// See the module's documentation.
pub(crate) struct Outbox {
    id: String,
    properties: ClientProperties,
    producer: ThreadedProducer<Deliveries>,
    marks: BaseConsumer<Quiet>,
    /// Topics that were seen to exist.
    seen: Mutex<BTreeSet<String>>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("id", &self.id)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// Refuses properties that an outbox decides itself.
///
/// # Errors
/// `InvalidArgument`, naming the property; as the Kafka source for the others.
pub(crate) fn check_outbox_options(options: &Options) -> Result<()> {
    for key in ["kafka.transactional.id", "kafka.group.id"] {
        if options.get(key).is_some() {
            return Err(Error::invalid_argument(format!(
                "option {key:?} cannot be set: messages that are written exactly once have an identity of their own; remove it"
            )));
        }
    }
    ClientProperties::from_options(options).map(|_| ())
}

/// Checks that `topic` exists, without making it.
///
/// # Errors
/// `NotFound`, naming it; `Unavailable` when the cluster is out of reach.
pub(crate) fn check_topic(options: &Options, topic: &str) -> Result<()> {
    let properties = ClientProperties::from_options(options)?;
    let config = properties.marking("weir-dlq");
    let client: BaseConsumer<Quiet> = config
        .create_with_context(Quiet::of(&properties))
        .map_err(|error| failed(&properties, "connect", &error))?;
    exists(&client, &properties, topic)
}

impl Outbox {
    /// The outbox of identity `id` on the cluster of `options` (`kafka.*`).
    ///
    /// # Errors
    /// `Unavailable` when the cluster is out of reach, `PermissionDenied` when it does not accept who asks, `InvalidArgument` for
    /// properties that are none.
    pub(crate) fn open(options: &Options, id: &str) -> Result<Self> {
        let properties = ClientProperties::from_options(options)?;
        let refused =
            |error: KafkaError| failed(&properties, "open a transactional producer", &error);
        let context = Deliveries::new(Quiet::of(&properties));
        let config = properties.producing(id);
        let producer: ThreadedProducer<Deliveries> =
            config.create_with_context(context).map_err(refused)?;
        let marks: BaseConsumer<Quiet> = properties
            .marking(id)
            .create_with_context(Quiet::of(&properties))
            .map_err(refused)?;
        // Ends what an earlier process left open: only then do the marks say all that was committed.
        producer.init_transactions(ASKING).map_err(refused)?;
        Ok(Self {
            id: id.to_owned(),
            properties,
            producer,
            marks,
            seen: Mutex::default(),
        })
    }

    /// Its identity.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The marks at `places`; `None` where there is none.
    ///
    /// # Errors
    /// `Unavailable`, `PermissionDenied`.
    pub(crate) fn marks(&self, places: &[Place]) -> Result<Vec<Option<i64>>> {
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in places {
            asked.add_partition(topic, *partition);
        }
        let found = self.marks.committed_offsets(asked, ASKING);
        let found = found
            .map_err(|error| failed(&self.properties, "read what was written before", &error))?;
        let found = found.to_topic_map();
        Ok(places
            .iter()
            .map(|place| match found.get(place) {
                Some(Offset::Offset(offset)) => Some(*offset),
                _ => None,
            })
            .collect())
    }

    /// Whether `topic` holds a committed message with all of `headers` that was written at `since_ms` (since the epoch) or later. It reads
    /// what was written since.
    ///
    /// # Errors
    /// `NotFound` when the topic does not exist; `Unavailable`, `PermissionDenied`.
    pub(crate) fn has_since(
        &self,
        topic: &str,
        since_ms: i64,
        headers: &[(&str, String)],
    ) -> Result<bool> {
        let doing = format!("look for what was written to topic {topic:?} before");
        let refused = |error: KafkaError| failed(&self.properties, &doing, &error);
        let mut times = TopicPartitionList::new();
        for partition in self.partitions(topic)? {
            let time = Offset::Offset(since_ms.max(0));
            times
                .add_partition_offset(topic, partition, time)
                .map_err(refused)?;
        }
        let starts = self.marks.offsets_for_times(times, ASKING);
        let starts = starts.map_err(refused)?;
        let mut list = TopicPartitionList::new();
        let mut open = BTreeSet::new();
        for start in starts.elements() {
            // Nothing was written since where it is the end.
            if let Offset::Offset(offset) = start.offset() {
                let from = Offset::Offset(offset);
                list.add_partition_offset(topic, start.partition(), from)
                    .map_err(refused)?;
                open.insert(start.partition());
            }
        }
        if open.is_empty() {
            return Ok(false);
        }
        let reader: BaseConsumer<Quiet> = self
            .properties
            .marking(&self.id)
            .create_with_context(Quiet::of(&self.properties))
            .map_err(refused)?;
        reader.assign(&list).map_err(refused)?;
        while !open.is_empty() {
            let Some(event) = reader.poll(ASKING) else {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "cannot {doing}: kafka at {} gave nothing for {} s; try again once it is well",
                        self.properties.servers(),
                        ASKING.as_secs()
                    ),
                ));
            };
            match event {
                Ok(message) if has_all(&message, headers) => return Ok(true),
                Ok(_) => {}
                Err(KafkaError::PartitionEOF(partition)) => {
                    open.remove(&partition);
                }
                Err(error) => return Err(refused(error)),
            }
        }
        Ok(false)
    }

    /// The partitions of `topic`.
    ///
    /// # Errors
    /// `NotFound` when it does not exist; `Unavailable`, `PermissionDenied`.
    pub(crate) fn partitions(&self, topic: &str) -> Result<Vec<i32>> {
        self.check_seen(topic)?;
        let found = self.marks.fetch_metadata(Some(topic), ASKING);
        let found = found.map_err(|error| self.refused(topic, &error))?;
        let topics = found.topics().iter().filter(|found| found.name() == topic);
        Ok(topics
            .flat_map(|found| found.partitions().iter().map(|partition| partition.id()))
            .collect())
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// `Fenced` when a later process has this identity.
    pub(crate) fn begin(&self) -> Result<()> {
        self.deliveries().first_error = None;
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| failed(&self.properties, "begin a transaction", &error))
    }

    /// Produces one message within the transaction; waits while the queue is full.
    ///
    /// # Errors
    /// `NotFound` when its topic does not exist, and what earlier messages of the transaction met.
    pub(crate) fn send(&self, message: &Outgoing<'_>) -> Result<()> {
        self.check_seen(message.topic)?;
        let mut record = BaseRecord::<[u8], [u8]>::to(message.topic);
        record.key = message.key;
        record.payload = message.value;
        let headers = OwnedHeaders::new_with_capacity(message.headers.len());
        let headers = message
            .headers
            .iter()
            .fold(headers, |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: value.as_ref(),
                })
            });
        record.headers = Some(headers);
        let deadline = Instant::now() + ENDING;
        loop {
            if let Some(error) = self.deliveries().first_error.take() {
                return Err(error);
            }
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, again))
                    if error.rdkafka_error_code() == Some(Code::QueueFull)
                        && Instant::now() < deadline =>
                {
                    record = again;
                    // The queue empties as messages are acknowledged.
                    let _ = self.producer.flush(Duration::from_millis(20));
                }
                Err((error, _)) => return Err(self.refused(message.topic, &error)),
            }
        }
    }

    /// Commits the transaction, with `marks` and a `note` for who looks at them.
    ///
    /// # Errors
    /// What kept any message from being written; then none is, unless the cluster was lost at the end: the marks tell.
    pub(crate) fn commit(&self, marks: &[(Place, i64)], note: &str) -> Result<()> {
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), offset) in marks {
            let mut mark = offsets.add_partition(topic, *partition);
            let set = mark.set_offset(Offset::Offset(*offset));
            set.map_err(|error| failed(&self.properties, "mark what is written", &error))?;
            mark.set_metadata(note);
        }
        let group = self.marks.group_metadata();
        let group = group.ok_or_else(|| Error::internal("an outbox without a group"))?;
        let sent = self
            .producer
            .send_offsets_to_transaction(&offsets, &group, ASKING);
        let committed = sent.and_then(|()| self.producer.commit_transaction(ENDING));
        committed.map_err(|error| {
            let first = self.deliveries().first_error.take();
            first.unwrap_or_else(|| failed(&self.properties, "commit a transaction", &error))
        })
    }

    /// Gives the transaction up: none of its messages is ever read. What cannot be aborted now is when the outbox is opened again.
    pub(crate) fn abort(&self) {
        if let Err(error) = self.producer.abort_transaction(ASKING) {
            tracing::debug!(target: "weir::kafka", id = %self.id, %error, "a transaction is left to the broker to abort");
        }
    }

    fn check_seen(&self, topic: &str) -> Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(topic) {
            exists(&self.marks, &self.properties, topic)?;
            seen.insert(topic.to_owned());
        }
        Ok(())
    }

    fn refused(&self, topic: &str, error: &KafkaError) -> Error {
        failed(
            &self.properties,
            &format!("write to topic {topic:?}"),
            error,
        )
    }

    fn deliveries(&self) -> MutexGuard<'_, Delivered> {
        let context: &Deliveries = self.producer.context();
        context
            .delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientProperties {
    fn producing(&self, id: &str) -> ClientConfig {
        config(self.for_producing(), [("transactional.id", id)])
    }

    fn marking(&self, group: &str) -> ClientConfig {
        let more = [("group.id", group), ("isolation.level", "read_committed")];
        config(self.for_asking(), more)
    }
}

fn config<'a>(
    properties: impl IntoIterator<Item = (String, String)>,
    more: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in properties {
        config.set(key, value);
    }
    for (key, value) in more {
        config.set(key, value);
    }
    // What librdkafka would print on stderr goes through the context instead.
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

fn exists(client: &BaseConsumer<Quiet>, properties: &ClientProperties, topic: &str) -> Result<()> {
    let found = client.fetch_metadata(Some(topic), ASKING);
    let found =
        found.map_err(|error| failed(properties, &format!("look for topic {topic:?}"), &error))?;
    let mut topics = found.topics().iter();
    let found = topics.find(|found| found.name() == topic);
    if found.is_some_and(|found| found.error().is_none() && !found.partitions().is_empty()) {
        return Ok(());
    }
    let code = found.and_then(|found| found.error()).map(Code::from);
    match code {
        None | Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "topic {topic:?} does not exist at kafka {}: create it, for a table's whole life (its retention is how long dead letters \
                 are kept)",
                properties.servers()
            ),
        )),
        Some(code) => Err(failed(
            properties,
            &format!("write to topic {topic:?}"),
            &KafkaError::MetadataFetch(code),
        )),
    }
}

fn has_all(message: &BorrowedMessage<'_>, wanted: &[(&str, String)]) -> bool {
    let has = |(key, value): &(&str, String)| {
        let mut headers = message.headers().into_iter().flat_map(Headers::iter);
        headers.any(|found| found.key == *key && found.value == Some(value.as_bytes()))
    };
    wanted.iter().all(has)
}

fn failed(properties: &ClientProperties, doing: &str, error: &KafkaError) -> Error {
    let code = error.rdkafka_error_code();
    let (kind, remedy) = match code {
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => (
            ErrorKind::Fenced,
            "another process of the same query has taken over",
        ),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            (ErrorKind::NotFound, "create the topic")
        }
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => (
            ErrorKind::InvalidArgument,
            "a letter is its record and headers that say why: give the topic a greater max.message.bytes than its source has",
        ),
        Some(
            Code::TopicAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed,
        ) => (
            ErrorKind::PermissionDenied,
            "grant WRITE on the topic and on transactional ids that begin with \"weir-\", and READ on groups that do",
        ),
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => (
            ErrorKind::PermissionDenied,
            "check kafka.security.protocol, kafka.sasl.* and kafka.ssl.*",
        ),
        _ => (ErrorKind::Unavailable, "try again once it is well"),
    };
    let text = properties.secrets().scrub(&error.to_string());
    Error::new(
        kind,
        format!(
            "cannot {doing}: kafka at {} gave \"{text}\"; {remedy}",
            properties.servers()
        ),
    )
}

/// librdkafka's log goes to `tracing`, without secrets.
struct Quiet {
    properties: ClientProperties,
    secrets: Secrets,
}

impl Quiet {
    fn of(properties: &ClientProperties) -> Self {
        Self {
            properties: properties.clone(),
            secrets: properties.secrets(),
        }
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        let text = self.secrets.scrub(text);
        match level {
            // Properties of consumers given to a producer are no news: the source's are passed on.
            _ if facility == "CONFWARN" => {
                tracing::trace!(target: "weir::kafka", "{facility}: {text}");
            }
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "weir::kafka", "{facility}: {text}");
            }
            _ => tracing::debug!(target: "weir::kafka", "{facility}: {text}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = self.secrets.scrub(reason);
        tracing::debug!(target: "weir::kafka", %error, "{reason}");
    }
}

impl ConsumerContext for Quiet {}

/// Keeps the first message that was not written.
struct Deliveries {
    quiet: Quiet,
    delivered: Mutex<Delivered>,
}

#[derive(Default)]
struct Delivered {
    first_error: Option<Error>,
}

impl Deliveries {
    fn new(quiet: Quiet) -> Self {
        Self {
            quiet,
            delivered: Mutex::default(),
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.quiet.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.quiet.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else {
            return;
        };
        // Of a transaction that is given up: what is purged met no error of its own.
        if matches!(
            error.rdkafka_error_code(),
            Some(Code::PurgeQueue | Code::PurgeInflight)
        ) {
            return;
        }
        let mut delivered = self
            .delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        delivered.first_error.get_or_insert_with(|| {
            let doing = format!("write to topic {:?}", message.topic());
            failed(&self.quiet.properties, &doing, error)
        });
    }
}
