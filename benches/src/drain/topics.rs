//! The broker and its topics, each filled once and kept with a note of what it holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::types::RDKafkaErrorCode;
use weir_tests::kafka::Broker;

use super::expected::Expected;
use super::records::{write_key, write_value};

/// Of the producer. Brokers keep batches as the producer compressed them.
pub const COMPRESSION: &str = "lz4";

/// The broker, over topics in a directory.
pub struct Topics {
    /// The broker.
    pub broker: Broker,
    directory: PathBuf,
}

/// A filled topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub expected: Expected,
    /// Bytes of its log: keys, values and framing, compressed.
    pub stored_bytes: u64,
}

impl Topics {
    /// The topics in `directory`.
    ///
    /// # Panics
    /// When the broker cannot be started.
    pub async fn open(directory: &Path) -> Self {
        let broker = Broker::start_kept(directory)
            .await
            .unwrap_or_else(|unavailable| panic!("{unavailable}"));
        Self {
            broker,
            directory: directory.to_owned(),
        }
    }

    /// The topic of so many records and partitions, filled now if it is not there.
    ///
    /// # Panics
    /// When it cannot be filled, or does not hold what its note says.
    pub async fn topic(&self, records: u64, partitions: i32) -> Topic {
        let name = format!("orders-{records}-{partitions}");
        let note = self.directory.join(format!("{name}.json"));
        let expected = match fs::read(&note) {
            Ok(content) => serde_json::from_slice(&content).expect("a note of this program's"),
            Err(_) => {
                self.discard(&name).await;
                self.broker
                    .create_topic(&name, partitions, &[("retention.ms", "-1")])
                    .await;
                let bootstrap = self.broker.bootstrap().to_owned();
                let topic = name.clone();
                let expected = tokio::task::spawn_blocking(move || {
                    fill(&bootstrap, &topic, records, partitions)
                })
                .await
                .expect("the topic can be filled");
                // Last: only a whole topic has a note.
                fs::write(&note, serde_json::to_vec(&expected).expect("plain numbers"))
                    .expect("the note can be written");
                expected
            }
        };
        for partition in 0..partitions {
            let marks = self.broker.watermarks(&name, partition).await;
            let held = u64::try_from(marks.high - marks.low).unwrap_or_default();
            assert_eq!(
                (marks.low, held),
                (0, expected.records_of(partition)),
                "{name}-{partition}"
            );
        }
        Topic {
            stored_bytes: self.stored_bytes(&name, partitions),
            name,
            expected,
        }
    }

    /// Removes what a run that was broken off left of a topic.
    async fn discard(&self, topic: &str) {
        if self
            .directory
            .join("data")
            .join(format!("{topic}-0"))
            .exists()
        {
            self.broker.delete_topic(topic).await;
        }
    }

    fn stored_bytes(&self, topic: &str, partitions: i32) -> u64 {
        (0..partitions)
            .flat_map(|partition| {
                let directory = self
                    .directory
                    .join("data")
                    .join(format!("{topic}-{partition}"));
                weir_tests::files::files_under(&directory, ".log")
            })
            .filter_map(|log| Some(log.metadata().ok()?.len()))
            .sum()
    }
}

fn fill(bootstrap: &str, topic: &str, records: u64, partitions: i32) -> Expected {
    let delivered = Arc::new(AtomicU64::new(0));
    let producer: ThreadedProducer<Deliveries> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("compression.type", COMPRESSION)
        .set("linger.ms", "100")
        .set("batch.num.messages", "10000")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "200000")
        .create_with_context(Deliveries(Arc::clone(&delivered)))
        .expect("a valid configuration");
    let (mut key, mut value) = (String::new(), String::new());
    let mut value_bytes = 0;
    for (number, partition) in (0..records).zip((0..partitions).cycle()) {
        write_key(&mut key, number);
        write_value(&mut value, number);
        value_bytes += value.len() as u64;
        let mut next = BaseRecord::to(topic)
            .partition(partition)
            .key(&key)
            .payload(&value);
        while let Err((error, again)) = producer.send(next) {
            assert!(
                matches!(
                    error,
                    KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
                ),
                "{topic}: {error}"
            );
            // Its own thread empties the queue.
            std::thread::sleep(Duration::from_millis(5));
            next = again;
        }
    }
    producer
        .flush(Duration::from_secs(120))
        .expect("all is delivered");
    assert_eq!(
        delivered.load(Ordering::SeqCst),
        records,
        "records of {topic} that were delivered"
    );
    Expected {
        records,
        partitions,
        value_bytes,
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
