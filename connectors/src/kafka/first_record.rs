//! The time of the first record at or after an offset, for many partitions at once.
//!
//! One client fetches them all and stops each partition at its first record, so what is transferred is
//! about one fetch per partition, however much lies behind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use weir_plan::{Error, ErrorKind, Result};

use super::native::client::ClientError;
use super::native::code;
use super::native::fetch::{Fetcher, Message};
use super::offsets::TopicPartition;
use super::properties::ClientProperties;
use super::ranges::OffsetRange;
use super::readings::Readings;

/// The longest that all of it takes.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// How long a wait lasts before it is looked at how things are.
const SLICE: Duration = Duration::from_millis(50);

/// How many messages are taken from the queue at once.
const MESSAGES_MAX: usize = 256;

/// The timestamp in milliseconds, if it has one, of the first record in each of `ranges` (one per
/// partition). A range without a record (transaction markers, aborted and compacted records are none)
/// has no entry, nor has what was deleted meanwhile. Blocks.
///
/// # Errors
/// `Unavailable` when a partition is not answered for in 30 s; `InvalidArgument` when the brokers do
/// not accept who asks.
pub(super) fn first_timestamps(
    client: &ClientProperties,
    ranges: &[OffsetRange],
) -> Result<BTreeMap<TopicPartition, Option<i64>>> {
    if ranges.is_empty() {
        return Ok(BTreeMap::new());
    }
    let failed = |error: ClientError| client.explain("start reading", &error);
    let mut fetcher = Fetcher::new(client.peeking_client()?).map_err(failed)?;
    let mut search = Search {
        client,
        readings: Readings::new(&mut fetcher, ranges).map_err(failed)?,
        found: BTreeMap::new(),
    };
    search.run(&fetcher)?;
    Ok(search.found)
}

struct Search<'a> {
    client: &'a ClientProperties,
    readings: Readings,
    found: BTreeMap<TopicPartition, Option<i64>>,
}

impl Search<'_> {
    fn run(&mut self, fetcher: &Fetcher) -> Result<()> {
        for reading in &self.readings.all {
            fetcher
                .start(reading.topic, reading.at.partition, reading.next)
                .map_err(|error| {
                    let what = format!("read {}", reading.at);
                    self.client.explain(&what, &error)
                })?;
        }
        let begun = Instant::now();
        while self.readings.open > 0 {
            let mut messages = fetcher.poll(Duration::ZERO, MESSAGES_MAX);
            if messages.is_empty() {
                drop(messages);
                messages = fetcher.poll(SLICE, 1);
            }
            for message in messages.iter() {
                self.handle(fetcher, message)?;
            }
            if messages.is_empty() {
                self.drop_deleted(fetcher)?;
                self.check(fetcher, begun)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, fetcher: &Fetcher, message: Message<'_>) -> Result<()> {
        let Some(index) = self.readings.index_of(message) else {
            return message.error().map_or(Ok(()), |error| self.failed(&error));
        };
        let reading = &self.readings.all[index];
        if reading.done {
            return Ok(());
        }
        match message.error() {
            None if message.offset() < reading.next => return Ok(()),
            None => {
                if message.offset() < reading.end {
                    let (timestamp, _) = message.timestamp();
                    self.found.insert(reading.at.clone(), timestamp);
                }
            }
            // A new leader may know the end only a moment later: it is waited for.
            Some(error) if error.code == code::PARTITION_EOF && message.offset() < reading.end => {
                return Ok(());
            }
            // Its end, or gone since its offsets were looked up.
            Some(error)
                if error.code == code::PARTITION_EOF
                    || error.code == code::AUTO_OFFSET_RESET
                    || code::is_unknown_partition(error.code) => {}
            Some(error) => return self.failed(&error),
        }
        self.finish(fetcher, index)
    }

    fn finish(&mut self, fetcher: &Fetcher, index: usize) -> Result<()> {
        let reading = &mut self.readings.all[index];
        reading.done = true;
        self.readings.open -= 1;
        let reading = &self.readings.all[index];
        fetcher
            .stop(reading.topic, reading.at.partition)
            .map_err(|error| {
                let what = format!("stop reading {}", reading.at);
                self.client.explain(&what, &error)
            })
    }

    /// The client reports that a topic is gone, but not which in a form to rely on: none of those that
    /// are still waited for is worth it.
    fn drop_deleted(&mut self, fetcher: &Fetcher) -> Result<()> {
        if fetcher.client().take_unknown_partition().is_none() {
            return Ok(());
        }
        for index in 0..self.readings.all.len() {
            if !self.readings.all[index].done {
                self.finish(fetcher, index)?;
            }
        }
        Ok(())
    }

    fn failed(&self, error: &ClientError) -> Result<()> {
        if code::is_retried(error.code) || error.code == code::NONE {
            return Ok(());
        }
        Err(self.client.explain("read records", error))
    }

    fn check(&self, fetcher: &Fetcher, begun: Instant) -> Result<()> {
        let trouble = fetcher.client().trouble();
        if let Some(fatal) = &trouble.fatal {
            return Err(self.client.explain("read records", fatal));
        }
        if begun.elapsed() < GIVE_UP_AFTER {
            return Ok(());
        }
        let Some(reading) = self.readings.all.iter().find(|reading| !reading.done) else {
            return Ok(());
        };
        let cause = trouble
            .last
            .map_or_else(|| "nothing came".to_owned(), |error| error.text);
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "{}: waited {GIVE_UP_AFTER:.0?} for offset {} from {}: {cause}; try again once the brokers are well",
                reading.at,
                reading.next,
                self.client.servers(),
            ),
        ))
    }
}
