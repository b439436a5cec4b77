//! A Kafka for demos, inside the process: librdkafka's mock cluster.
//!
//! It is not Apache Kafka: it keeps the last 5 MiB of each partition in memory and drops the oldest
//! records beyond that, knows no timestamp look-up, no transactions' isolation and no security.
//! [`EmbeddedKafka::lost_records`] tells whether it dropped anything. Tests of Weir run against a real
//! broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
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

/// A mock cluster of one broker: see the module's documentation. It ends when dropped.
pub struct EmbeddedKafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
    topics: Vec<(String, i32)>,
}

/// A record to produce.
#[derive(Debug, Clone)]
pub struct EmbeddedRecord {
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

impl std::fmt::Debug for EmbeddedKafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedKafka")
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

impl EmbeddedKafka {
    /// Starts the broker on a free port of the loopback interface.
    ///
    /// # Errors
    /// `Unavailable` when it cannot listen.
    pub fn start() -> Result<Self> {
        Ok(Self {
            cluster: MockCluster::new(1).map_err(|error| failed("starting", error))?,
            topics: Vec::new(),
        })
    }

    /// What `kafka.bootstrap.servers` is set to.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Bytes a topic of `partitions` partitions holds before it drops records.
    #[must_use]
    pub fn capacity_bytes(partitions: i32) -> u64 {
        PARTITION_BYTES_MAX * u64::from(partitions.unsigned_abs())
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// `InvalidArgument` when it exists or has no partitions.
    pub fn create_topic(&mut self, topic: &str, partitions: i32) -> Result<()> {
        self.cluster
            .create_topic(topic, partitions, 1)
            .map_err(|error| failed("creating a topic on", error))?;
        self.topics.push((topic.to_owned(), partitions));
        Ok(())
    }

    /// Produces `records` and waits until every one is acknowledged.
    ///
    /// # Errors
    /// `Unavailable` when one was not.
    pub fn produce(&self, records: impl IntoIterator<Item = EmbeddedRecord>) -> Result<u64> {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let producer: ThreadedProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .set("linger.ms", "5")
            .create_with_context(Deliveries(Arc::clone(&acknowledged)))
            .map_err(|error| failed("connecting to", error))?;
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
                    return Err(failed("producing to", error));
                }
                producer
                    .flush(Duration::from_millis(100))
                    .or_else(unless_timed_out)
                    .map_err(|error| failed("producing to", error))?;
                next = again;
            }
            sent += 1;
        }
        producer
            .flush(TIMEOUT)
            .map_err(|error| failed("producing to", error))?;
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        if acknowledged != sent {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("the embedded broker acknowledged {acknowledged} of {sent} records"),
            ));
        }
        Ok(sent)
    }

    /// Records the broker no longer holds, because a partition was full.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer.
    pub fn lost_records(&self) -> Result<u64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .create()
            .map_err(|error| failed("connecting to", error))?;
        let mut lost = 0;
        for (topic, partitions) in &self.topics {
            for partition in 0..*partitions {
                let (low, _) = consumer
                    .fetch_watermarks(topic, partition, TIMEOUT)
                    .map_err(|error| failed("asking", error))?;
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

fn failed(doing: &str, error: KafkaError) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing} the embedded broker"),
    )
    .with_source(error)
}
