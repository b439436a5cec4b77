//! The partitions that one task reads, and how far it is in each.

use std::collections::{HashMap, VecDeque};

use super::native::client::ClientError;
use super::native::fetch::{Fetcher, Message, TopicIndex};
use super::offsets::TopicPartition;
use super::ranges::OffsetRange;

/// A partition being read: its current range, and those to come.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) at: TopicPartition,
    pub(super) topic: TopicIndex,
    /// The offset of the next record to deliver; records before it are not wanted.
    pub(super) next: i64,
    pub(super) end: i64,
    pub(super) later: VecDeque<(i64, i64)>,
    /// The partition's end as the broker last reported it, if that lies before `end`.
    pub(super) ended_at: Option<i64>,
    pub(super) done: bool,
}

/// The partitions of a task, found by what a message carries.
#[derive(Debug)]
pub(super) struct Readings {
    pub(super) all: Vec<Reading>,
    by_partition: HashMap<(TopicIndex, i32), usize>,
    /// Messages come in runs of one partition.
    last: usize,
    pub(super) open: usize,
}

impl Readings {
    pub(super) fn new(fetcher: &mut Fetcher, ranges: &[OffsetRange]) -> Result<Self, ClientError> {
        let mut topics: HashMap<&str, TopicIndex> = HashMap::new();
        let mut readings = Self {
            all: Vec::new(),
            by_partition: HashMap::new(),
            last: 0,
            open: 0,
        };
        for range in ranges {
            let name = range.at.topic.as_str();
            let topic = match topics.get(name) {
                Some(topic) => *topic,
                None => {
                    let topic = fetcher.add_topic(name)?;
                    topics.insert(name, topic);
                    topic
                }
            };
            let key = (topic, range.at.partition);
            if let Some(index) = readings.by_partition.get(&key) {
                readings.all[*index]
                    .later
                    .push_back((range.start, range.end));
                continue;
            }
            readings.by_partition.insert(key, readings.all.len());
            readings.all.push(Reading {
                at: range.at.clone(),
                topic,
                next: range.start,
                end: range.end,
                later: VecDeque::new(),
                ended_at: None,
                done: false,
            });
        }
        readings.open = readings.all.len();
        Ok(readings)
    }

    /// The partition that a message is of.
    pub(super) fn index_of(&mut self, message: Message<'_>) -> Option<usize> {
        let topic = message.topic()?;
        let partition = message.partition();
        let same = |reading: &Reading| reading.topic == topic && reading.at.partition == partition;
        if !self.all.get(self.last).is_some_and(same) {
            self.last = *self.by_partition.get(&(topic, partition))?;
        }
        Some(self.last)
    }
}
