//! Producers that account for what the broker acknowledged.
//!
//! Every call returns only after the delivery report of each of its records, and enters those that were delivered in a [`Ledger`]. A
//! record that was not delivered is a panic: a test that expects a failure to produce uses rdkafka itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::types::RDKafkaErrorCode;

use crate::ledger::Ledger;
use crate::process::{blocking, eventually};

const DELIVERED_WITHIN: Duration = Duration::from_secs(60);
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// A record to produce. Null key, null value and no headers unless set.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// `None` is a null value: a tombstone.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since the epoch; `None` is the time of sending.
    pub timestamp_ms: Option<i64>,
    /// Names may repeat; a value may be null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// A record with a value and a null key.
    pub fn of(value: impl Into<Vec<u8>>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// A record with a key and a null value.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self::default().key(key)
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the timestamp.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }
}

/// An idempotent producer.
pub struct Producer {
    native: Arc<ThreadedProducer<Reports>>,
}

impl Producer {
    pub(super) fn new(bootstrap: &str, settings: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("message.max.bytes", "20971520")
            .set("linger.ms", "5")
            // In records and in kilobytes: what a test may have in flight.
            .set("queue.buffering.max.messages", "500000")
            .set("queue.buffering.max.kbytes", "262144")
            // Otherwise the first record after create_topic may wait for the next metadata refresh.
            .set("topic.metadata.propagation.max.ms", "10000");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        let native = config
            .create_with_context(Reports)
            .expect("a valid producer configuration");
        Self {
            native: Arc::new(native),
        }
    }

    /// Produces one record and returns its offset.
    pub async fn produce(&self, topic: &str, partition: i32, record: Record) -> i64 {
        let ledger = self.produce_all(topic, [(partition, record)]).await;
        ledger.partitions[&(topic.to_owned(), partition)].offset_min
    }

    /// Produces `record(0)` to `record(n - 1)`, spread over partitions 0 to `partitions - 1` in turn.
    pub async fn produce_n(
        &self,
        topic: &str,
        partitions: i32,
        n: usize,
        mut record: impl FnMut(usize) -> Record,
    ) -> Ledger {
        let turns = (0..partitions).cycle();
        let records = (0..n)
            .zip(turns)
            .map(|(i, partition)| (partition, record(i)));
        self.produce_all(topic, records).await
    }

    /// Produces records, each to the partition beside it, in order.
    pub async fn produce_all(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (i32, Record)>,
    ) -> Ledger {
        let batch = Arc::new(Batch::default());
        let mut sent = 0;
        for (partition, record) in records {
            self.send(topic, partition, &record, &batch).await;
            sent += 1;
        }
        let native = self.native.clone();
        blocking(move || native.flush(DELIVERED_WITHIN))
            .await
            .unwrap_or_else(|error| {
                panic!("records of {topic} were not delivered within {DELIVERED_WITHIN:?}: {error}")
            });
        batch.take(topic, sent)
    }

    async fn send(&self, topic: &str, partition: i32, record: &Record, batch: &Arc<Batch>) {
        let deadline = Instant::now() + DELIVERED_WITHIN;
        let mut attempt = native_record(topic, partition, record, batch.clone());
        loop {
            match self.native.send(attempt) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), rejected))
                    if Instant::now() < deadline =>
                {
                    attempt = rejected;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => panic!("cannot produce to {topic}[{partition}]: {error}"),
            }
        }
    }
}

/// A producer whose records are read only once their transaction is committed (by a `read_committed` reader).
///
/// Begin, produce, then commit or abort, as often as wanted. Dropping it leaves an open transaction to time out on the broker.
///
/// The broker answers a commit before it has written the transaction's markers. [`TransactionalProducer::commit`] and
/// [`TransactionalProducer::abort`] return after they are written, so that what a test reads next does not depend on luck.
pub struct TransactionalProducer {
    producer: Producer,
    /// The partitions of the open transaction, with the greatest offset that it wrote to each.
    open: Mutex<Ledger>,
}

impl TransactionalProducer {
    pub(super) async fn new(bootstrap: &str, transactional_id: &str) -> Self {
        let producer = Producer::new(bootstrap, &[("transactional.id", transactional_id)]);
        let native = producer.native.clone();
        blocking(move || native.init_transactions(TRANSACTION_TIMEOUT))
            .await
            .unwrap_or_else(|error| {
                panic!("cannot initialise transactions of {transactional_id}: {error}")
            });
        Self {
            producer,
            open: Mutex::default(),
        }
    }

    /// Begins a transaction.
    pub fn begin(&self) {
        self.producer
            .native
            .begin_transaction()
            .unwrap_or_else(|error| panic!("cannot begin a transaction: {error}"));
    }

    /// Produces one record within the open transaction and returns its offset.
    pub async fn produce(&self, topic: &str, partition: i32, record: Record) -> i64 {
        let ledger = self
            .producer
            .produce_all(topic, [(partition, record)])
            .await;
        self.open().merge(&ledger);
        ledger.partitions[&(topic.to_owned(), partition)].offset_min
    }

    /// Like [`Producer::produce_n`], within the open transaction. The ledger counts only once the transaction commits.
    pub async fn produce_n(
        &self,
        topic: &str,
        partitions: i32,
        n: usize,
        record: impl FnMut(usize) -> Record,
    ) -> Ledger {
        let ledger = self.producer.produce_n(topic, partitions, n, record).await;
        self.open().merge(&ledger);
        ledger
    }

    /// Commits the open transaction.
    pub async fn commit(&self) {
        let native = self.producer.native.clone();
        blocking(move || native.commit_transaction(TRANSACTION_TIMEOUT))
            .await
            .unwrap_or_else(|error| panic!("cannot commit the transaction: {error}"));
        self.wait_for_markers().await;
    }

    /// Aborts the open transaction: its offsets stay taken, its records are never read.
    pub async fn abort(&self) {
        let native = self.producer.native.clone();
        blocking(move || native.abort_transaction(TRANSACTION_TIMEOUT))
            .await
            .unwrap_or_else(|error| panic!("cannot abort the transaction: {error}"));
        self.wait_for_markers().await;
    }

    /// A marker takes the offset after the last record, or a later one if others write to the partition too.
    async fn wait_for_markers(&self) {
        let written = std::mem::take(&mut *self.open());
        for ((topic, partition), rows) in written.partitions {
            eventually(TRANSACTION_TIMEOUT, || {
                let client = self.producer.native.client();
                client
                    .fetch_watermarks(&topic, partition, TRANSACTION_TIMEOUT)
                    .is_ok_and(|(_, high)| high > rows.offset_max + 1)
            })
            .await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Ledger> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The delivery reports of one call.
#[derive(Default)]
struct Batch {
    reports: Mutex<BatchReports>,
}

#[derive(Default)]
struct BatchReports {
    delivered: Ledger,
    first_error: Option<KafkaError>,
}

impl Batch {
    fn take(&self, topic: &str, sent: u64) -> Ledger {
        let reports =
            std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(error) = reports.first_error {
            panic!(
                "{} of {sent} records were not delivered to {topic}: {error}",
                sent - reports.delivered.rows
            );
        }
        assert_eq!(reports.delivered.rows, sent, "delivery reports of {topic}");
        reports.delivered
    }
}

/// Enters each delivery report in the batch that its record belongs to.
struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, report: &DeliveryResult<'_>, batch: Arc<Batch>) {
        let mut reports = batch.reports.lock().unwrap_or_else(PoisonError::into_inner);
        match report {
            Ok(message) => reports.delivered.enter(
                message.topic(),
                message.partition(),
                message.offset(),
                message.key(),
                message.payload(),
            ),
            Err((error, _)) => {
                reports.first_error.get_or_insert_with(|| error.clone());
            }
        }
    }
}

fn native_record<'a>(
    topic: &'a str,
    partition: i32,
    record: &'a Record,
    batch: Arc<Batch>,
) -> BaseRecord<'a, [u8], [u8], Arc<Batch>> {
    let mut native = BaseRecord::with_opaque_to(topic, batch).partition(partition);
    if let Some(key) = &record.key {
        native = native.key(key.as_slice());
    }
    if let Some(value) = &record.value {
        native = native.payload(value.as_slice());
    }
    if let Some(timestamp_ms) = record.timestamp_ms {
        native = native.timestamp(timestamp_ms);
    }
    if !record.headers.is_empty() {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (name, value)| {
                headers.insert(Header {
                    key: name,
                    value: value.as_ref(),
                })
            });
        native = native.headers(headers);
    }
    native
}
