//! A Kafka for demos: one inside the process, or topics of its own on a real one.
//!
//! The one inside the process is librdkafka's mock cluster and not Apache Kafka: it keeps the last 5 MiB
//! of each partition in memory and drops the oldest records beyond that, knows no timestamp look-up, no
//! transactions' isolation and no security. [`DemoBroker::lost_records`] tells whether it dropped
//! anything. Tests of Weir run against a real broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{
    BaseRecord, DefaultProducerContext, Producer, ProducerContext, ThreadedProducer,
};
use weir_plan::{Error, ErrorKind, Result};

/// What the mock cluster keeps per partition, in bytes (a constant of librdkafka's).
const PARTITION_BYTES_MAX: u64 = 5 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A broker to produce into: see the module's documentation. An embedded one ends when dropped; a real
/// one keeps its topics until [`Self::delete_topics`].
pub struct DemoBroker {
    home: Home,
    topics: Vec<(String, i32)>,
}

enum Home {
    Embedded(MockCluster<'static, DefaultProducerContext>),
    Real {
        bootstrap: String,
        admin: AdminClient<DefaultClientContext>,
    },
}

/// A record to produce.
#[derive(Debug, Clone)]
pub struct DemoRecord {
    /// Where to.
    pub topic: String,
    /// The partition, from 0.
    pub partition: i32,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its time, in milliseconds since the epoch.
    pub timestamp_ms: i64,
}

impl std::fmt::Debug for DemoBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoBroker")
            .field("bootstrap_servers", &self.bootstrap_servers())
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

impl DemoBroker {
    /// Starts a broker on a free port of the loopback interface.
    ///
    /// # Errors
    /// `Unavailable` when it cannot listen.
    pub fn embedded() -> Result<Self> {
        let cluster = MockCluster::new(1);
        Ok(Self {
            home: Home::Embedded(
                cluster.map_err(|error| failed("starting", "the embedded broker", error))?,
            ),
            topics: Vec::new(),
        })
    }

    /// The broker at `bootstrap_servers` (`host:port,...`), without encryption.
    ///
    /// # Errors
    /// `InvalidArgument` when that is no list of servers, `Unavailable` when none of them answers.
    pub fn connect(bootstrap_servers: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap_servers);
        let refused = |error| failed("connecting to", bootstrap_servers, error);
        let admin: AdminClient<_> = config.create().map_err(refused)?;
        admin
            .inner()
            .fetch_metadata(None, TIMEOUT)
            .map_err(refused)?;
        Ok(Self {
            home: Home::Real {
                bootstrap: bootstrap_servers.to_owned(),
                admin,
            },
            topics: Vec::new(),
        })
    }

    /// What `kafka.bootstrap.servers` is set to.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        match &self.home {
            Home::Embedded(cluster) => cluster.bootstrap_servers(),
            Home::Real { bootstrap, .. } => bootstrap.clone(),
        }
    }

    /// Bytes a topic of `partitions` partitions holds before it drops records; `None` without such a
    /// limit.
    #[must_use]
    pub fn capacity_bytes(&self, partitions: i32) -> Option<u64> {
        match self.home {
            Home::Embedded(_) => Some(PARTITION_BYTES_MAX * u64::from(partitions.unsigned_abs())),
            Home::Real { .. } => None,
        }
    }

    /// Makes a topic, with the broker's defaults.
    ///
    /// # Errors
    /// `Unavailable` when it exists, has no partitions, or the broker does not make it.
    pub async fn create_topic(&mut self, topic: &str, partitions: i32) -> Result<()> {
        let refused = |error| failed("creating a topic on", &self.bootstrap_servers(), error);
        match &self.home {
            Home::Embedded(cluster) => {
                cluster
                    .create_topic(topic, partitions, 1)
                    .map_err(refused)?;
            }
            Home::Real { admin, .. } => {
                // -1: as many replicas as the broker's default says. Records of a demo have times of
                // their own, which may be older than what a broker keeps.
                let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1))
                    .set("retention.ms", "-1");
                let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
                let made = admin.create_topics(&[new], &options).await;
                for made in made.map_err(refused)? {
                    made.map_err(|(_, code)| refused(KafkaError::AdminOp(code)))?;
                }
            }
        }
        self.topics.push((topic.to_owned(), partitions));
        Ok(())
    }

    /// Removes the topics that [`Self::create_topic`] made on a real broker.
    ///
    /// # Errors
    /// `Unavailable` when it does not remove one.
    pub async fn delete_topics(&mut self) -> Result<()> {
        if let Home::Real { admin, bootstrap } = &self.home {
            let names: Vec<&str> = self.topics.iter().map(|(name, _)| name.as_str()).collect();
            let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
            let refused = |error| failed("deleting the topics on", bootstrap, error);
            let gone = admin.delete_topics(&names, &options).await;
            for gone in gone.map_err(refused)? {
                gone.map_err(|(_, code)| refused(KafkaError::AdminOp(code)))?;
            }
        }
        self.topics.clear();
        Ok(())
    }

    /// Produces `records` and waits until every one is acknowledged. Blocks its thread.
    ///
    /// # Errors
    /// `Unavailable` when one was not.
    pub fn produce(&self, records: impl IntoIterator<Item = DemoRecord>) -> Result<u64> {
        let place = self.bootstrap_servers();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let producer: ThreadedProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", &place)
            .set("linger.ms", "5")
            .create_with_context(Deliveries(Arc::clone(&acknowledged)))
            .map_err(|error| failed("connecting to", &place, error))?;
        let mut sent = 0;
        for record in records {
            let mut next = BaseRecord::<[u8], [u8]>::to(&record.topic)
                .partition(record.partition)
                .timestamp(record.timestamp_ms);
            if let Some(key) = &record.key {
                next = next.key(key.as_slice());
            }
            if let Some(value) = &record.value {
                next = next.payload(value.as_slice());
            }
            // A full queue empties as deliveries are acknowledged.
            while let Err((error, again)) = producer.send(next) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(failed("producing to", &place, error));
                }
                producer
                    .flush(Duration::from_millis(100))
                    .or_else(unless_timed_out)
                    .map_err(|error| failed("producing to", &place, error))?;
                next = again;
            }
            sent += 1;
        }
        producer
            .flush(TIMEOUT)
            .map_err(|error| failed("producing to", &place, error))?;
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        if acknowledged != sent {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{place} acknowledged {acknowledged} of {sent} records"),
            ));
        }
        Ok(sent)
    }

    /// Records the broker no longer holds, because a partition was full.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer.
    pub fn lost_records(&self) -> Result<u64> {
        let place = self.bootstrap_servers();
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &place)
            .create()
            .map_err(|error| failed("connecting to", &place, error))?;
        let mut lost = 0;
        for (topic, partitions) in &self.topics {
            for partition in 0..*partitions {
                let (low, _) = consumer
                    .fetch_watermarks(topic, partition, TIMEOUT)
                    .map_err(|error| failed("asking", &place, error))?;
                lost += u64::try_from(low).unwrap_or_default();
            }
        }
        Ok(lost)
    }
}

struct Deliveries(Arc<AtomicU64>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn unless_timed_out(error: KafkaError) -> std::result::Result<(), KafkaError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::OperationTimedOut) => Ok(()),
        _ => Err(error),
    }
}

fn failed(doing: &str, place: &str, error: KafkaError) -> Error {
    let kind = match &error {
        KafkaError::ClientConfig(..) => ErrorKind::InvalidArgument,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("{doing} {place}")).with_source(error)
}
