//! One task's reading: its ranges, each to its end, in batches.
//!
//! A range ends by position: with its last record, with a record past its end, at the end of the
//! partition, or when the client's position has passed its end (transaction markers and aborted
//! records are no messages). Counting records would never end a range with gaps.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use rdkafka::{Offset, TopicPartitionList};
use weir_plan::{Error, ErrorKind, Result};

use super::exec::ReadSettings;
use super::native::client::ClientError;
use super::native::code;
use super::native::fetch::{Fetcher, Message};
use super::offsets::TopicPartition;
use super::ranges::OffsetRange;
use super::readings::{Reading, Readings};
use super::rows::Rows;

/// How many messages are taken from the queue at once.
const MESSAGES_MAX: usize = 1024;

/// How long the reader waits before it looks whether anyone still wants its batches, and whether only
/// transaction markers came: shortly at first, as markers end ranges without a message.
const WAIT_FIRST: Duration = Duration::from_millis(10);
/// See [`WAIT_FIRST`].
const WAIT: Duration = Duration::from_millis(100);

/// How long a look-up of a partition's first offset may take.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Where the batches of a task go.
pub(super) trait BatchSink {
    /// Takes a batch, made of so many bytes of keys and values; `false` when no more are wanted.
    /// May block.
    fn send(&mut self, batch: RecordBatch, bytes: usize) -> bool;

    /// Whether nobody is there to take batches any longer.
    fn is_closed(&self) -> bool;
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Yes,
    No,
}

/// Reads `ranges` into `sink`, to the end or until it wants no more. Blocks.
pub(super) fn read_ranges(
    settings: &ReadSettings,
    ranges: &[OffsetRange],
    rows: Rows,
    sink: impl BatchSink,
) -> Result<()> {
    let failed = |error: ClientError| settings.client.explain("start reading", &error);
    let client = settings.client.fetch_client()?;
    let mut fetcher = Fetcher::new(client).map_err(failed)?;
    let readings = Readings::new(&mut fetcher, ranges).map_err(failed)?;
    let mut task = Task {
        settings,
        readings,
        rows,
        bytes: 0,
        sink,
    };
    task.run(&fetcher)
}

struct Task<'a, S> {
    settings: &'a ReadSettings,
    readings: Readings,
    rows: Rows,
    bytes: usize,
    sink: S,
}

impl<S: BatchSink> Task<'_, S> {
    fn run(&mut self, fetcher: &Fetcher) -> Result<()> {
        for index in 0..self.readings.all.len() {
            self.start(fetcher, index)?;
        }
        let mut idle = Duration::ZERO;
        while self.readings.open > 0 {
            if self.sink.is_closed() {
                return Ok(());
            }
            let messages = fetcher.poll(Duration::ZERO, MESSAGES_MAX);
            let (messages, waited) = if messages.is_empty() {
                drop(messages);
                let before = Instant::now();
                let wait = if idle < WAIT { WAIT_FIRST } else { WAIT };
                (fetcher.poll(wait, 1), before.elapsed())
            } else {
                (messages, Duration::ZERO)
            };
            let mut progress = false;
            for message in messages.iter() {
                match self.handle(fetcher, message, &mut progress)? {
                    Wanted::Yes => {}
                    Wanted::No => return Ok(()),
                }
            }
            if messages.is_empty() {
                progress |= self.skip_markers(fetcher)? || self.drop_deleted(fetcher)?;
            }
            // Only time spent waiting for the broker counts, not for the sink.
            idle = if progress {
                Duration::ZERO
            } else {
                idle + waited
            };
            if idle > Duration::ZERO {
                self.check_stalled(fetcher, idle)?;
            }
        }
        if !self.rows.is_empty() {
            // Nothing follows: whether it is wanted does not matter.
            self.flush()?;
        }
        Ok(())
    }

    fn start(&self, fetcher: &Fetcher, index: usize) -> Result<()> {
        let Reading {
            topic, at, next, ..
        } = &self.readings.all[index];
        fetcher
            .start(*topic, at.partition, *next)
            .map_err(|error| self.settings.client.explain(&format!("read {at}"), &error))
    }

    fn handle(
        &mut self,
        fetcher: &Fetcher,
        message: Message<'_>,
        progress: &mut bool,
    ) -> Result<Wanted> {
        let Some(index) = self.readings.index_of(message) else {
            return match message.error() {
                Some(error) => self.client_error(&error).map(|()| Wanted::Yes),
                None => Ok(Wanted::Yes),
            };
        };
        if let Some(error) = message.error() {
            *progress |= self.partition_event(fetcher, index, message.offset(), &error)?;
            return Ok(Wanted::Yes);
        }
        let reading = &self.readings.all[index];
        let offset = message.offset();
        // Fetched ahead of need, of a range that is finished or a part before its start.
        if reading.done || offset < reading.next {
            return Ok(Wanted::Yes);
        }
        *progress = true;
        if offset >= reading.end {
            self.finish(fetcher, index)?;
            return Ok(Wanted::Yes);
        }
        let bytes = message.key().map_or(0, <[u8]>::len) + message.payload().map_or(0, <[u8]>::len);
        if self.rows.is_full_for(bytes) && self.flush()? == Wanted::No {
            return Ok(Wanted::No);
        }
        let reading = &mut self.readings.all[index];
        self.rows.append(&reading.at.topic, message, bytes)?;
        self.bytes += bytes;
        reading.next = offset + 1;
        if reading.next >= reading.end {
            self.finish(fetcher, index)?;
        }
        Ok(Wanted::Yes)
    }

    fn flush(&mut self) -> Result<Wanted> {
        let batch = self.rows.take()?;
        let wanted = self.sink.send(batch, std::mem::take(&mut self.bytes));
        Ok(if wanted { Wanted::Yes } else { Wanted::No })
    }

    /// Ends the partition's current range; begins its next one, or stops fetching it.
    fn finish(&mut self, fetcher: &Fetcher, index: usize) -> Result<()> {
        let reading = &mut self.readings.all[index];
        fetcher
            .stop(reading.topic, reading.at.partition)
            .map_err(|error| {
                let what = format!("stop reading {}", reading.at);
                self.settings.client.explain(&what, &error)
            })?;
        reading.ended_at = None;
        if let Some((start, end)) = reading.later.pop_front() {
            (reading.next, reading.end) = (start, end);
            return self.start(fetcher, index);
        }
        reading.done = true;
        self.readings.open -= 1;
        Ok(())
    }

    /// An event or error of one partition; `true` if it went on by it.
    fn partition_event(
        &mut self,
        fetcher: &Fetcher,
        index: usize,
        offset: i64,
        error: &ClientError,
    ) -> Result<bool> {
        let reading = &mut self.readings.all[index];
        if reading.done {
            return Ok(false);
        }
        let at = reading.at.clone();
        match error.code {
            code::PARTITION_EOF if offset >= reading.end => {
                self.finish(fetcher, index)?;
                Ok(true)
            }
            code::PARTITION_EOF => {
                // A new leader may know the end only a moment later: wait as for a record.
                reading.ended_at = Some(offset);
                Ok(false)
            }
            code::AUTO_OFFSET_RESET => {
                self.skip_gone(fetcher, index, &error.text)?;
                Ok(true)
            }
            code::BAD_MSG | code::BAD_COMPRESSION => Err(Error::new(
                ErrorKind::DataLoss,
                format!(
                    "{at}: the records at offset {offset} are damaged: {}",
                    error.text
                ),
            )),
            _ if code::is_unknown_partition(error.code) => {
                self.deleted(fetcher, index)?;
                Ok(true)
            }
            _ => self.client_error(error).map(|()| false),
        }
    }

    /// An error of the client at large, or one that it goes on trying after.
    fn client_error(&self, error: &ClientError) -> Result<()> {
        if code::is_retried(error.code) || error.code == code::NONE {
            tracing::debug!(target: "weir::kafka", code = error.code, "{}", error.text);
            return Ok(());
        }
        Err(self.settings.client.explain("read records", error))
    }

    /// Records that were to be read are gone: an error, or a warning.
    fn lost(&self, what: String) -> Result<()> {
        if self.settings.fail_on_data_loss {
            return Err(Error::new(
                ErrorKind::DataLoss,
                format!("{what}; set failOnDataLoss to false to go on without those records"),
            ));
        }
        tracing::warn!(target: "weir::kafka", "{what}");
        Ok(())
    }

    /// The broker does not hold the offset asked for any longer: goes on at its first one.
    fn skip_gone(&mut self, fetcher: &Fetcher, index: usize, text: &str) -> Result<()> {
        let Reading { at, next, end, .. } = &self.readings.all[index];
        let (at, next, end) = (at.clone(), *next, *end);
        let earliest = first_offset(fetcher, &at)
            .map_err(|error| self.settings.client.explain(&format!("read {at}"), &error))?;
        if earliest <= next {
            // Not aged out, so it lies beyond the partition's end: the partition was cut short.
            return Err(Error::new(
                ErrorKind::DataLoss,
                format!("{at}: offset {next} is beyond its end: {text}"),
            ));
        }
        self.lost(format!(
            "{at}: offsets {next} to {} aged out while they were read, its first record is now at offset {earliest}",
            earliest.min(end) - 1
        ))?;
        if earliest >= end {
            return self.finish(fetcher, index);
        }
        let reading = &mut self.readings.all[index];
        reading.next = earliest;
        // The failed fetch was stopped by librdkafka, but the partition is still its.
        let topic = reading.topic;
        fetcher
            .stop(topic, at.partition)
            .and_then(|()| fetcher.start(topic, at.partition, earliest))
            .map_err(|error| self.settings.client.explain(&format!("read {at}"), &error))
    }

    /// Passes transaction markers, which are no messages; `true` if a range ended by it.
    fn skip_markers(&mut self, fetcher: &Fetcher) -> Result<bool> {
        let mut ended = false;
        for index in 0..self.readings.all.len() {
            let reading = &self.readings.all[index];
            if reading.done {
                continue;
            }
            let position = fetcher.position(reading.topic, reading.at.partition);
            if position.is_some_and(|position| position >= reading.end) {
                self.finish(fetcher, index)?;
                ended = true;
            }
        }
        Ok(ended)
    }

    /// Ends partitions that were deleted, if the client reported any; `true` if there were.
    fn drop_deleted(&mut self, fetcher: &Fetcher) -> Result<bool> {
        if fetcher.client().take_unknown_partition().is_none() {
            return Ok(false);
        }
        // The report does not say which one in a form to rely on.
        let mut ended = false;
        for index in 0..self.readings.all.len() {
            let reading = &self.readings.all[index];
            if reading.done {
                continue;
            }
            if let Err(error) = first_offset(fetcher, &reading.at)
                && code::is_unknown_partition(error.code)
            {
                self.deleted(fetcher, index)?;
                ended = true;
            }
        }
        Ok(ended)
    }

    /// The partition does not exist any longer.
    fn deleted(&mut self, fetcher: &Fetcher, index: usize) -> Result<()> {
        let Reading { at, next, end, .. } = &self.readings.all[index];
        self.lost(format!(
            "{at} does not exist any longer: offsets {next} to {} are gone",
            end - 1
        ))?;
        self.readings.all[index].later.clear();
        self.finish(fetcher, index)
    }

    fn check_stalled(&self, fetcher: &Fetcher, idle: Duration) -> Result<()> {
        let trouble = fetcher.client().trouble();
        if let Some(fatal) = &trouble.fatal {
            return Err(self.settings.client.explain("read records", fatal));
        }
        if idle < self.settings.poll_timeout {
            return Ok(());
        }
        let Some(reading) = self.readings.all.iter().find(|reading| !reading.done) else {
            return Ok(());
        };
        let Reading { at, next, end, .. } = reading;
        if let Some(ended_at) = reading.ended_at {
            return Err(Error::new(
                ErrorKind::DataLoss,
                format!("{at} ends at {ended_at}, before the end of the planned range, {end}"),
            ));
        }
        let cause = trouble
            .last
            .map_or_else(|| "nothing came".to_owned(), |error| error.text);
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "{at}: waited {:.0?} for offset {next} from {}: {cause}; if the brokers are merely slow, raise kafkaConsumer.pollTimeoutMs",
                self.settings.poll_timeout,
                self.settings.client.servers(),
            ),
        ))
    }
}

fn first_offset(fetcher: &Fetcher, at: &TopicPartition) -> Result<i64, ClientError> {
    let failed = |text: String| ClientError {
        code: code::NONE,
        text,
    };
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&at.topic, at.partition, Offset::Beginning)
        .map_err(|error| failed(error.to_string()))?;
    fetcher.client().list_offsets(&mut list, LOOK_UP)?;
    match list.elements().first().map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => Ok(offset),
        _ => Err(failed("its first offset is not known".to_owned())),
    }
}
