//! How far consumers of Kafka are behind: streams by their checkpoint, others by their consumer group.
//!
//! It asks the cluster and the checkpoint, and changes neither.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use weir_connectors::ObjectStores;
use weir_connectors::kafka::KafkaLag;
use weir_plan::settings::STORAGE_PREFIX;
use weir_plan::{Error, ErrorKind, Options, QueryId, Result};
use weir_streaming::CheckpointStore;
use weir_streaming::checkpoint::Position;
use weir_streaming::store;

pub use weir_connectors::kafka::{PartitionLag, PartitionState};

/// Whose lag it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consumer {
    /// A consumer group, of Weir's or another program's.
    Group(String),
    /// A stream's checkpoint: a path, or a URL.
    Checkpoint(String),
}

/// Measures the lag of one consumer, as often as wanted.
#[derive(Debug)]
pub struct LagReader {
    kafka: KafkaLag,
    consumer: Reading,
    topics: BTreeSet<String>,
}

#[derive(Debug)]
enum Reading {
    Group(String),
    Checkpoint(Arc<dyn CheckpointStore>),
}

/// A consumer's lag at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LagReport {
    /// The consumer group, if it is one's.
    pub group: Option<String>,
    /// The checkpoint, if it is one's.
    pub checkpoint: Option<String>,
    /// The checkpoint's query.
    pub query_id: Option<QueryId>,
    /// The brokers that were asked.
    pub bootstrap_servers: String,
    /// What the ends are ends of: `read_committed` is the last stable offset of each partition,
    /// `read_uncommitted` its high watermark.
    pub isolation_level: String,
    /// When it was measured.
    #[serde(serialize_with = "as_millis_utc")]
    pub time: DateTime<Utc>,
    /// All lags together, in offsets.
    pub total_lag: u64,
    /// The largest one.
    pub max_lag: u64,
    /// The largest age, in seconds, of a record that was not yet read.
    pub max_seconds_behind: f64,
    /// Offsets that were deleted before they were read.
    pub lost: u64,
    /// Whether records are gone that were not read, as far as one can know.
    pub data_loss: bool,
    /// Each partition, by topic and number; those of a checkpoint's first source first.
    pub partitions: Vec<PartitionLag>,
}

impl LagReader {
    /// Of `consumer`, in all topics that it has read, or in `topics` if there are any. `options` are
    /// `kafka.*` properties and, for a checkpoint on an object store, `weir.storage.*` settings. Connects
    /// nowhere.
    ///
    /// # Errors
    /// `InvalidArgument` for an option that is neither, or malformed; as
    /// [`DataStreamWriter::start`](crate::DataStreamWriter::start) for the checkpoint's place.
    pub fn try_new(
        consumer: Consumer,
        topics: impl IntoIterator<Item = String>,
        options: &Options,
    ) -> Result<Self> {
        options.validate("a measurement of lag", &[], &["kafka.", STORAGE_PREFIX])?;
        if options.get("kafka.group.id").is_some() {
            return Err(Error::invalid_argument(
                "option \"kafka.group.id\" is not taken here: say whose lag it is by its group or its checkpoint",
            ));
        }
        let consumer = match consumer {
            Consumer::Group(group) => Reading::Group(group),
            Consumer::Checkpoint(place) => {
                let stores = ObjectStores::try_new(options.with_prefix(STORAGE_PREFIX))?;
                Reading::Checkpoint(store::open(&place, &stores)?)
            }
        };
        Ok(Self {
            kafka: KafkaLag::try_new(options)?,
            consumer,
            topics: topics.into_iter().collect(),
        })
    }

    /// The lag now.
    ///
    /// # Errors
    /// `NotFound` for a group that has committed nothing, a place without a checkpoint, and a topic that
    /// nobody knows; `Unavailable` when the brokers or the store are out of reach; `InvalidArgument` when
    /// the brokers do not accept who asks; `CorruptCheckpoint` and `CheckpointMismatch` for a damaged
    /// checkpoint.
    pub async fn measure(&self) -> Result<LagReport> {
        let time = Utc::now();
        let now_ms = time.timestamp_millis();
        let mut report = LagReport {
            group: None,
            checkpoint: None,
            query_id: None,
            bootstrap_servers: self.kafka.servers().to_owned(),
            isolation_level: self.kafka.isolation_level().to_owned(),
            time,
            total_lag: 0,
            max_lag: 0,
            max_seconds_behind: 0.0,
            lost: 0,
            data_loss: false,
            partitions: Vec::new(),
        };
        match &self.consumer {
            Reading::Group(group) => {
                report.group = Some(group.clone());
                report.partitions = self.kafka.of_group(group, &self.topics, now_ms).await?;
            }
            Reading::Checkpoint(store) => {
                let position = Position::read(Arc::clone(store)).await?;
                report.checkpoint = Some(store.location());
                report.query_id = Some(position.query_id);
                report.partitions = self.of_position(store.as_ref(), position, now_ms).await?;
            }
        }
        report.add_up();
        Ok(report)
    }

    async fn of_position(
        &self,
        store: &dyn CheckpointStore,
        position: Position,
        now_ms: i64,
    ) -> Result<Vec<PartitionLag>> {
        let place = store.location();
        let mut partitions = Vec::new();
        let mut any = false;
        for (kind, offset) in position.sources {
            if kind != "kafka" {
                continue;
            }
            any = true;
            let offset = offset.ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "checkpoint {place} does not say yet where its query begins: let a run of the query reach its first look at Kafka"
                    ),
                )
            })?;
            let of_source = self
                .kafka
                .of_position(&offset, &self.topics, now_ms)
                .await?;
            partitions.extend(of_source);
        }
        match any {
            true => Ok(partitions),
            false => Err(Error::invalid_argument(format!(
                "the query of checkpoint {place} reads nothing of Kafka"
            ))),
        }
    }
}

impl LagReport {
    fn add_up(&mut self) {
        for partition in &self.partitions {
            let lag = partition.lag.unwrap_or(0);
            self.total_lag = self.total_lag.saturating_add(lag);
            self.max_lag = self.max_lag.max(lag);
            self.lost = self.lost.saturating_add(partition.lost);
            self.data_loss |= partition.state.is_loss();
            let seconds = partition.seconds_behind.unwrap_or(0.0);
            self.max_seconds_behind = self.max_seconds_behind.max(seconds);
        }
    }
}

fn as_millis_utc<S: Serializer>(time: &DateTime<Utc>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
