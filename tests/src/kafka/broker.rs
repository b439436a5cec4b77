//! [`Broker`]: a running cluster and what a test does to its topics.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::{Offset, TopicPartitionList};

use super::producer::{Producer, TransactionalProducer};
use super::server::{Extra, READY_WITHIN, Server};
use super::unique_topic;
use crate::process::{blocking, eventually};
use crate::requirements::Unavailable;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The offsets that a partition holds: from `low`, up to and without `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that can be read.
    pub low: i64,
    /// The offset that the next record gets.
    pub high: i64,
}

/// A Kafka cluster that answers. Every method panics on failure, with the broker's error.
pub struct Broker {
    bootstrap: String,
    admin: Arc<AdminClient<DefaultClientContext>>,
    /// `None` for a cluster that `KAFKA_BOOTSTRAP` names.
    server: Option<Mutex<Server>>,
}

impl Broker {
    /// Starts a broker of the caller's own; dropping it kills it.
    pub async fn start_private() -> Result<Self, Unavailable> {
        Ok(Self::of(blocking(Server::start).await?).await)
    }

    /// Starts a broker over the topics that an earlier one left in `directory`, or a new one there. Dropping it kills it; the
    /// directory stays.
    pub async fn start_kept(directory: &Path) -> Result<Self, Unavailable> {
        let directory = directory.to_owned();
        let server = blocking(move || Server::start_kept(&directory)).await?;
        Ok(Self::of(server).await)
    }

    /// Starts a broker that listens elsewhere, too; the address of each of its extra listeners.
    pub(super) async fn start_with(extra: Extra) -> Result<(Self, Vec<String>), Unavailable> {
        let names: Vec<&str> = extra.listeners.iter().map(|(name, _)| *name).collect();
        let server = blocking(move || Server::start_with(extra)).await?;
        let listeners = names.iter().map(|name| server.listener(name)).collect();
        Ok((Self::of(server).await, listeners))
    }

    async fn of(server: Server) -> Self {
        let broker = Self {
            admin: admin(&server.bootstrap()),
            bootstrap: server.bootstrap(),
            server: Some(Mutex::new(server)),
        };
        broker.wait_until_ready().await;
        broker
    }

    /// The broker's process id; `None` for an external cluster and while it is stopped.
    pub fn process_id(&self) -> Option<u32> {
        let server = self.server.as_ref()?;
        server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .process_id()
    }

    /// The cluster that `KAFKA_BOOTSTRAP` names.
    pub(super) async fn external(bootstrap: &str) -> Self {
        let broker = Self {
            bootstrap: bootstrap.to_owned(),
            admin: admin(bootstrap),
            server: None,
        };
        broker.wait_until_ready().await;
        broker
    }

    /// The value of `kafka.bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A new topic with a unique name.
    pub async fn new_topic(&self, prefix: &str, partitions: i32) -> String {
        self.new_topic_with(prefix, partitions, &[]).await
    }

    /// The same with topic settings: `("retention.ms", "-1")` for records with old timestamps.
    pub async fn new_topic_with(
        &self,
        prefix: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> String {
        let topic = unique_topic(prefix);
        self.create_topic(&topic, partitions, configs).await;
        topic
    }

    /// Creates a topic and waits until each partition has a leader.
    pub async fn create_topic(&self, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
        let new = configs.iter().fold(
            NewTopic::new(topic, partitions, TopicReplication::Fixed(1)),
            |new, (key, value)| new.set(key, value),
        );
        let results = self.admin.create_topics([&new], &admin_options()).await;
        expect_each(results, "create", topic);
        self.wait_for_partitions(topic, partitions).await;
    }

    /// Deletes a topic and waits until the cluster no longer lists it.
    pub async fn delete_topic(&self, topic: &str) {
        let results = self.admin.delete_topics(&[topic], &admin_options()).await;
        expect_each(results, "delete", topic);
        self.wait_for_partitions(topic, 0).await;
    }

    /// Deletes a consumer group with all that it has committed, as a broker does once it is old enough.
    pub async fn delete_group(&self, group: &str) {
        let deleted = self.admin.delete_groups(&[group], &admin_options()).await;
        let deleted =
            deleted.unwrap_or_else(|error| panic!("cannot delete group {group}: {error}"));
        for result in deleted {
            result.unwrap_or_else(|(group, code)| panic!("cannot delete group {group}: {code}"));
        }
    }

    /// The names of all topics, as the broker has them now.
    pub async fn topics(&self) -> Vec<String> {
        let admin = self.admin.clone();
        let metadata = blocking(move || admin.inner().fetch_metadata(None, REQUEST_TIMEOUT)).await;
        let metadata = metadata.unwrap_or_else(|error| panic!("cannot list topics: {error}"));
        let names = metadata.topics().iter().map(|topic| topic.name());
        names.map(str::to_owned).collect()
    }

    /// Grows a topic to `total` partitions.
    pub async fn add_partitions(&self, topic: &str, total: i32) {
        let new = NewPartitions::new(topic, usize::try_from(total).expect("a positive count"));
        let results = self.admin.create_partitions([&new], &admin_options()).await;
        expect_each(results, "add partitions to", topic);
        self.wait_for_partitions(topic, total).await;
    }

    /// Deletes the records before `before_offset`: the low watermark becomes `before_offset`.
    pub async fn delete_records(&self, topic: &str, partition: i32, before_offset: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(topic, partition, Offset::Offset(before_offset))
            .expect("a valid offset");
        let deleted = self
            .admin
            .delete_records(&offsets, &admin_options())
            .await
            .unwrap_or_else(|error| {
                panic!("cannot delete records of {topic}[{partition}]: {error}")
            });
        for element in deleted.elements() {
            element.error().unwrap_or_else(|error| {
                panic!("cannot delete records of {topic}[{partition}]: {error}")
            });
        }
    }

    /// A partition's watermarks, as the broker has them now.
    pub async fn watermarks(&self, topic: &str, partition: i32) -> Watermarks {
        let admin = self.admin.clone();
        let name = topic.to_owned();
        let (low, high) = blocking(move || {
            admin
                .inner()
                .fetch_watermarks(&name, partition, REQUEST_TIMEOUT)
        })
        .await
        .unwrap_or_else(|error| {
            panic!("cannot read the watermarks of {topic}[{partition}]: {error}")
        });
        Watermarks { low, high }
    }

    /// An idempotent producer.
    pub fn producer(&self) -> Producer {
        self.producer_with(&[])
    }

    /// An idempotent producer with further librdkafka settings: `("compression.type", "zstd")`.
    pub fn producer_with(&self, settings: &[(&str, &str)]) -> Producer {
        Producer::new(&self.bootstrap, settings)
    }

    /// A producer whose `init_transactions` has been answered.
    pub async fn transactional_producer(&self, transactional_id: &str) -> TransactionalProducer {
        TransactionalProducer::new(&self.bootstrap, transactional_id).await
    }

    /// Shuts the broker down in order; its data stays. Idempotent.
    pub async fn stop(&self) {
        self.with_server(Server::stop).await;
    }

    /// Kills the broker as a crash would; its data stays. Idempotent.
    pub async fn kill(&self) {
        self.with_server(Server::kill).await;
    }

    /// Starts a stopped or killed broker again, on the same port and data, and waits until it answers.
    pub async fn restart(&self) {
        self.with_server(Server::start_jvm).await;
        self.wait_until_ready().await;
    }

    /// The end of the broker's log; empty for an external cluster.
    pub fn log_tail(&self) -> String {
        match &self.server {
            Some(server) => server
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .log_tail(),
            None => String::new(),
        }
    }

    async fn wait_until_ready(&self) {
        let deadline = Instant::now() + READY_WITHIN;
        if self.server.is_some() {
            self.with_server(move |server| server.wait_until_listening(deadline))
                .await;
        }
        let admin = self.admin.clone();
        let answer = blocking(move || {
            loop {
                match admin.inner().fetch_metadata(None, Duration::from_secs(1)) {
                    Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
                    Ok(_) if Instant::now() >= deadline => {
                        return Err("it lists no broker".to_owned());
                    }
                    Err(error) if Instant::now() >= deadline => return Err(error.to_string()),
                    Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        })
        .await;
        if let Err(why) = answer {
            panic!(
                "the Kafka broker at {} does not answer within {READY_WITHIN:?}: {why}\n{}",
                self.bootstrap,
                self.log_tail()
            );
        }
    }

    /// Waits until the cluster lists exactly this many partitions of a topic, each with a leader.
    async fn wait_for_partitions(&self, topic: &str, partitions: i32) {
        let expected = usize::try_from(partitions).expect("a positive count");
        eventually(REQUEST_TIMEOUT, || {
            // Short: this blocks the test's thread. A broker that answers does so in a millisecond.
            let Ok(metadata) = self
                .admin
                .inner()
                .fetch_metadata(Some(topic), Duration::from_secs(2))
            else {
                return false;
            };
            let led = metadata
                .topics()
                .iter()
                .filter(|listed| listed.name() == topic)
                .flat_map(|listed| listed.partitions())
                .filter(|partition| partition.leader() >= 0)
                .count();
            led == expected
        })
        .await;
    }

    async fn with_server(&self, action: impl FnOnce(&mut Server) + Send) {
        let server = self
            .server
            .as_ref()
            .expect("KAFKA_BOOTSTRAP names an external cluster: a test cannot stop it; use private_broker_or_skip()");
        // Blocks the test's thread, by design: a test that kills the broker wants it dead when the call returns.
        action(&mut server.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn admin(bootstrap: &str) -> Arc<AdminClient<DefaultClientContext>> {
    let admin = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        // A private broker comes back: find it soon.
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .expect("a valid admin configuration");
    Arc::new(admin)
}

fn admin_options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}

fn expect_each(
    results: Result<Vec<rdkafka::admin::TopicResult>, rdkafka::error::KafkaError>,
    action: &str,
    topic: &str,
) {
    let results = results.unwrap_or_else(|error| panic!("cannot {action} topic {topic}: {error}"));
    for result in results {
        if let Err((_, code)) = result {
            panic!("cannot {action} topic {topic}: {code}");
        }
    }
}
