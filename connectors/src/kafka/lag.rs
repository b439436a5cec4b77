//! How far behind the end of its topics a reader is, per partition.
//!
//! What was read is known from a consumer group or from a stream's position; the rest is asked of the
//! cluster. Two ends are told apart: the end up to which the client's `isolation.level` reads (under
//! `read_committed`, the default, the last stable offset: an open transaction holds it back), and the
//! high watermark, behind the last record of any kind. Lag counts offsets up to the former, as Kafka's
//! own consumers do: transaction markers and compacted records are among them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use weir_plan::{Error, ErrorKind, Options, Result, SourceOffset};

use super::cluster::{Cluster, EARLIEST, LATEST, Partitions};
use super::config::Retry;
use super::first_record::first_timestamps;
use super::offsets::{KafkaOffset, PerPartition, TopicPartition};
use super::properties::ClientProperties;
use super::ranges::OffsetRange;

/// What is odd about a partition, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionState {
    /// Nothing.
    Ok,
    /// Nothing was ever committed, for instance because the topic grew: all of it counts as unread.
    Uncommitted,
    /// Records were deleted before they were read.
    Lost,
    /// What was committed lies behind the partition's end: it was cut short, or its topic recreated.
    BeyondEnd,
    /// The topic is another one of the same name: all of it counts as unread.
    Recreated,
    /// The partition or its topic does not exist any longer.
    Deleted,
}

impl PartitionState {
    /// Whether records that were not read are gone, as far as one can know.
    #[must_use]
    pub fn is_loss(self) -> bool {
        !matches!(self, Self::Ok | Self::Uncommitted)
    }

    /// Its name, as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Uncommitted => "uncommitted",
            Self::Lost => "lost",
            Self::BeyondEnd => "beyond_end",
            Self::Recreated => "recreated",
            Self::Deleted => "deleted",
        }
    }
}

/// A partition's lag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartitionLag {
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: i32,
    /// The offset of the next record to read.
    pub committed: Option<i64>,
    /// The first offset that there is.
    pub log_start: Option<i64>,
    /// The end up to which the client's `isolation.level` reads, exclusive.
    pub end: Option<i64>,
    /// The end of all records, those of open transactions included, exclusive.
    pub high_watermark: Option<i64>,
    /// Offsets from what was committed to `end`.
    pub lag: Option<u64>,
    /// How many of them were deleted before they were read.
    pub lost: u64,
    /// The age of the first record not yet read, in seconds: now minus its timestamp; 0 without such a
    /// record, `None` when it has no timestamp.
    pub seconds_behind: Option<f64>,
    /// What is odd about it.
    pub state: PartitionState,
}

/// Asks a cluster for lags. Makes its clients at the first question and keeps them.
#[derive(Debug)]
pub struct KafkaLag {
    client: ClientProperties,
    cluster: Cluster,
    /// Sees past open transactions.
    uncommitted: Cluster,
}

impl KafkaLag {
    /// Of the cluster that `kafka.*` of `options` describe; connects nowhere. Other options are not
    /// looked at, but for `fetchOffset.*`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no property of a Kafka client.
    pub fn try_new(options: &Options) -> Result<Self> {
        let client = ClientProperties::from_options(options)?;
        let retry = Retry::from_options(options)?;
        Ok(Self {
            cluster: Cluster::new(client.clone(), retry),
            uncommitted: Cluster::new(client.read_uncommitted(), retry),
            client,
        })
    }

    /// The bootstrap servers.
    #[must_use]
    pub fn servers(&self) -> &str {
        self.client.servers()
    }

    /// `read_committed` or `read_uncommitted`: what [`PartitionLag::end`] means.
    #[must_use]
    pub fn isolation_level(&self) -> &str {
        self.client.isolation_level()
    }

    /// The lag of consumer group `group` at `now_ms`, in all topics that it has committed offsets of, or
    /// in `topics` if there are any.
    ///
    /// # Errors
    /// `NotFound` for a group that has committed nothing, and for one of `topics` that neither it nor
    /// the cluster knows; `Unavailable` when the cluster is out of reach.
    pub async fn of_group(
        &self,
        group: &str,
        topics: &BTreeSet<String>,
        now_ms: i64,
    ) -> Result<Vec<PartitionLag>> {
        let offsets = self.cluster.committed(group).await?;
        if offsets.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "consumer group {group:?} has committed nothing at {}: check its name; offsets of a group without members expire (offsets.retention.minutes of the brokers, a week by default)",
                    self.servers()
                ),
            ));
        }
        let committed = KafkaOffset {
            offsets,
            topic_ids: BTreeMap::new(),
        };
        self.measure(&committed, topics, now_ms).await
    }

    /// The lag of a stream that has read everything before `position`, as its checkpoint has it.
    ///
    /// # Errors
    /// `CorruptCheckpoint` for what is no position of Kafka's; as [`Self::of_group`].
    pub async fn of_position(
        &self,
        position: &SourceOffset,
        topics: &BTreeSet<String>,
        now_ms: i64,
    ) -> Result<Vec<PartitionLag>> {
        let committed = KafkaOffset::from_source_offset(position)?;
        self.measure(&committed, topics, now_ms).await
    }

    /// `committed` was looked up before, so that no end seems to lie before it.
    async fn measure(
        &self,
        committed: &KafkaOffset,
        topics: &BTreeSet<String>,
        now_ms: i64,
    ) -> Result<Vec<PartitionLag>> {
        let wanted = |at: &TopicPartition| topics.is_empty() || topics.contains(&at.topic);
        let read: PerPartition = committed
            .offsets
            .iter()
            .filter(|(at, _)| wanted(at))
            .map(|(at, offset)| (at.clone(), *offset))
            .collect();
        let known: BTreeSet<String> = read.keys().map(|at| at.topic.clone()).collect();
        let names = match topics.is_empty() {
            true => known.clone(),
            false => topics.clone(),
        };
        let expected = read.keys().cloned().collect();
        let found = self.cluster.topics(names.clone(), expected).await?;
        for topic in &names {
            let exists = found.all.iter().any(|at| at.topic == *topic);
            if !exists && !known.contains(topic) {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "topic {topic:?} does not exist at {}, and nothing of it was ever committed: check its name",
                        self.servers()
                    ),
                ));
            }
        }
        let (starts, ends, high) = tokio::try_join!(
            self.cluster.ends(&found.all, EARLIEST),
            self.cluster.ends(&found.all, LATEST),
            self.uncommitted.ends(&found.all, LATEST),
        )?;
        let recreated = recreated(committed, &found);
        let mut lags: Vec<PartitionLag> = read
            .keys()
            .chain(&found.all)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|at| {
                let place = Place {
                    committed: read.get(at).copied(),
                    log: starts.get(at).zip(ends.get(at)).zip(high.get(at)),
                    recreated: recreated.contains(at.topic.as_str()),
                };
                place.lag_of(at)
            })
            .collect();
        self.add_ages(&mut lags, now_ms).await?;
        Ok(lags)
    }

    async fn add_ages(&self, lags: &mut [PartitionLag], now_ms: i64) -> Result<()> {
        let ranges: Vec<OffsetRange> = lags.iter().filter_map(unread).collect();
        let client = self.client.clone();
        let asked: BTreeSet<TopicPartition> = ranges.iter().map(|range| range.at.clone()).collect();
        let first = tokio::task::spawn_blocking(move || first_timestamps(&client, &ranges))
            .await
            .map_err(|error| Error::internal("reading records died").with_source(error))??;
        for lag in lags {
            let at = TopicPartition::new(lag.topic.as_str(), lag.partition);
            if !asked.contains(&at) {
                continue;
            }
            lag.seconds_behind = match first.get(&at) {
                // Producers' clocks may be ahead.
                Some(timestamp) => {
                    timestamp.map(|then| now_ms.saturating_sub(then).max(0) as f64 / 1000.0)
                }
                None => Some(0.0),
            };
        }
        Ok(())
    }
}

/// Topics that are not those that were read, but have their names.
fn recreated<'a>(committed: &KafkaOffset, found: &'a Partitions) -> BTreeSet<&'a str> {
    let other = found.ids.iter().filter(|(topic, id)| {
        committed
            .topic_ids
            .get(*topic)
            .is_some_and(|old| old != *id)
    });
    other.map(|(topic, _)| topic.as_str()).collect()
}

/// What is there to read of a partition, unless it is nothing.
fn unread(lag: &PartitionLag) -> Option<OffsetRange> {
    let (log_start, end) = (lag.log_start?, lag.end?);
    let start = match lag.state {
        PartitionState::Recreated => log_start,
        _ => lag.committed.unwrap_or(log_start).max(log_start),
    };
    (start < end).then(|| OffsetRange {
        at: TopicPartition::new(lag.topic.as_str(), lag.partition),
        start,
        end,
    })
}

/// What is known of a partition.
struct Place<'a> {
    committed: Option<i64>,
    /// Where it begins and ends, and its high watermark; `None` if it does not exist.
    log: Option<((&'a i64, &'a i64), &'a i64)>,
    recreated: bool,
}

impl Place<'_> {
    fn lag_of(&self, at: &TopicPartition) -> PartitionLag {
        let mut lag = PartitionLag {
            topic: at.topic.clone(),
            partition: at.partition,
            committed: self.committed,
            log_start: None,
            end: None,
            high_watermark: None,
            lag: None,
            lost: 0,
            seconds_behind: None,
            state: PartitionState::Deleted,
        };
        let Some(((&start, &end), &high)) = self.log else {
            return lag;
        };
        // The two were not asked at once.
        let high = high.max(end);
        let (from, state) = match self.committed {
            _ if self.recreated => (start, PartitionState::Recreated),
            None => (start, PartitionState::Uncommitted),
            Some(committed) if committed > high => (end, PartitionState::BeyondEnd),
            Some(committed) if committed < start => (committed, PartitionState::Lost),
            Some(committed) => (committed, PartitionState::Ok),
        };
        lag.log_start = Some(start);
        lag.end = Some(end);
        lag.high_watermark = Some(high);
        lag.lag = Some(distance(from, end));
        lag.lost = distance(from, start);
        lag.seconds_behind = Some(0.0);
        lag.state = state;
        lag
    }
}

fn distance(from: i64, to: i64) -> u64 {
    u64::try_from(i128::from(to) - i128::from(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(committed: Option<i64>, log: Option<[i64; 3]>, recreated: bool) -> PartitionLag {
        let place = Place {
            committed,
            log: log.as_ref().map(|[start, end, high]| ((start, end), high)),
            recreated,
        };
        place.lag_of(&TopicPartition::new("t", 0))
    }

    #[test]
    fn every_place_of_an_offset_has_its_lag_and_its_name() {
        use PartitionState::{BeyondEnd, Deleted, Lost, Ok, Recreated, Uncommitted};
        for (committed, log, recreated, wanted) in [
            (Some(3), Some([0, 10, 10]), false, (Some(7), 0, Ok)),
            (Some(10), Some([0, 10, 10]), false, (Some(0), 0, Ok)),
            // Read uncommitted, past an open transaction.
            (Some(12), Some([0, 10, 15]), false, (Some(0), 0, Ok)),
            (None, Some([4, 10, 10]), false, (Some(6), 0, Uncommitted)),
            (Some(3), Some([5, 10, 10]), false, (Some(7), 2, Lost)),
            (Some(3), Some([10, 10, 10]), false, (Some(7), 7, Lost)),
            (Some(11), Some([0, 10, 10]), false, (Some(0), 0, BeyondEnd)),
            (Some(3), Some([0, 10, 10]), true, (Some(10), 0, Recreated)),
            (Some(3), None, false, (None, 0, Deleted)),
        ] {
            let found = lag(committed, log, recreated);
            assert_eq!((found.lag, found.lost, found.state), wanted, "{found:?}");
        }
    }

    #[test]
    fn what_is_gone_is_not_looked_for() {
        let range = unread(&lag(Some(3), Some([5, 10, 10]), false)).unwrap();
        assert_eq!((range.start, range.end), (5, 10));
        assert!(unread(&lag(Some(3), Some([10, 10, 10]), false)).is_none());
        assert!(unread(&lag(Some(3), None, false)).is_none());
        let range = unread(&lag(Some(8), Some([0, 10, 10]), true)).unwrap();
        assert_eq!((range.start, range.end), (0, 10));
    }

    #[test]
    fn high_watermark_never_lies_before_the_end() {
        assert_eq!(
            lag(Some(1), Some([0, 10, 9]), false).high_watermark,
            Some(10)
        );
    }
}
