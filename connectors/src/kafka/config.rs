//! A Kafka read as its options describe it, checked without connecting anywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use weir_plan::{Error, Options, Result};

use super::offsets::{PerPartition, parse_per_partition};
use super::options::{
    BATCH_OPTIONS, DELAYING_OPTIONS, ENDING_OPTIONS, KAFKA_PREFIX, STREAM_ONLY_OPTIONS,
    STREAM_OPTIONS,
};
use super::properties::ClientProperties;
use super::subscription::Subscription;

/// A stream that drains what is there, or a bounded read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadKind {
    Stream,
    Batch,
}

/// Where a read begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    Earliest,
    Latest,
    /// -2 earliest, -1 latest, else an offset.
    Offsets(PerPartition),
    /// The first record with this timestamp in milliseconds, or a later one.
    Timestamp(i64),
    Timestamps(PerPartition),
}

/// What to do for a partition without a record as young as the timestamp asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMatch {
    Error,
    Latest,
}

/// How ranges are cut into tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SplitRule {
    pub(super) min_partitions: Option<u64>,
    pub(super) max_records: Option<u64>,
}

/// How long and how often to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) times: u32,
    pub(super) pause: Duration,
}

impl Retry {
    /// `fetchOffset.*`, or their defaults.
    pub(super) fn from_options(options: &Options) -> Result<Self> {
        Ok(Self {
            times: options
                .parse("fetchOffset.numRetries", "a number of retries, 0 or more")?
                .unwrap_or(3),
            pause: Duration::from_millis(
                options
                    .parse("fetchOffset.retryIntervalMs", "milliseconds, 0 or more")?
                    .unwrap_or(10),
            ),
        })
    }
}

/// The consumer group that a stream's offsets are committed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupName {
    /// `kafka.group.id`.
    Given(String),
    /// `groupIdPrefix`; the query's id follows.
    Prefix(String),
}

/// A Kafka read.
#[derive(Debug, Clone)]
pub(super) struct ReadConfig {
    pub(super) client: ClientProperties,
    pub(super) subscription: Subscription,
    pub(super) starting: Position,
    pub(super) no_match: NoMatch,
    /// Batch reads only.
    pub(super) ending: Position,
    pub(super) max_offsets_per_trigger: Option<u64>,
    pub(super) split: SplitRule,
    pub(super) fail_on_data_loss: bool,
    pub(super) include_headers: bool,
    pub(super) poll_timeout: Duration,
    pub(super) retry: Retry,
    /// Streams only.
    pub(super) group: Option<GroupName>,
}

impl ReadConfig {
    pub(super) fn try_new(kind: ReadKind, options: &Options) -> Result<Self> {
        check_keys(kind, options)?;
        let mut client = ClientProperties::from_options(options)?;
        let group = match kind {
            ReadKind::Stream => group(options, client.take_group_id())?,
            ReadKind::Batch => None,
        };
        let subscription = Subscription::from_options(options)?;
        let default_start = match kind {
            ReadKind::Stream => Position::Latest,
            ReadKind::Batch => Position::Earliest,
        };
        let starting = position(
            options,
            [
                "startingTimestamp",
                "startingOffsetsByTimestamp",
                "startingOffsets",
            ],
            default_start,
        )?;
        let ending = position(
            options,
            [
                "endingTimestamp",
                "endingOffsetsByTimestamp",
                "endingOffsets",
            ],
            Position::Latest,
        )?;
        if kind == ReadKind::Batch {
            check_batch_bounds(&starting, &ending)?;
        }
        Ok(Self {
            client,
            subscription,
            starting,
            no_match: no_match(options)?,
            ending,
            max_offsets_per_trigger: positive(options, "maxOffsetsPerTrigger")?,
            split: SplitRule {
                min_partitions: positive(options, "minPartitions")?,
                max_records: positive(options, "maxRecordsPerPartition")?,
            },
            fail_on_data_loss: options.parse_bool("failOnDataLoss")?.unwrap_or(true),
            include_headers: options.parse_bool("includeHeaders")?.unwrap_or(false),
            group,
            poll_timeout: Duration::from_millis(
                positive(options, "kafkaConsumer.pollTimeoutMs")?.unwrap_or(120_000),
            ),
            retry: Retry::from_options(options)?,
        })
    }

    /// E.g. `kafka[subscribe: orders,events]`.
    pub(super) fn description(&self) -> String {
        format!("kafka[{}]", self.subscription)
    }
}

fn check_keys(kind: ReadKind, options: &Options) -> Result<()> {
    for key in DELAYING_OPTIONS {
        if options.get(key).is_some() {
            check_min_against_max(options)?;
            return Err(Error::unsupported(format!(
                "option {key:?} of the kafka source is not supported: a drain takes everything there is; remove it"
            )));
        }
    }
    let foreign = |key: &str, what: &str| match options.get(key) {
        Some(_) => Err(Error::invalid_argument(format!(
            "option {key:?} is for {what}"
        ))),
        None => Ok(()),
    };
    let (place, known) = match kind {
        ReadKind::Stream => {
            for key in ENDING_OPTIONS {
                foreign(
                    key,
                    "batch reads only: a stream ends where its trigger says",
                )?;
            }
            ("the kafka source", STREAM_OPTIONS)
        }
        ReadKind::Batch => {
            for (key, remedy) in STREAM_ONLY_OPTIONS {
                foreign(key, &format!("streams only: {remedy}"))?;
            }
            ("the kafka reader", BATCH_OPTIONS)
        }
    };
    options.validate(place, known, &[KAFKA_PREFIX])
}

/// Where offsets are committed; `None`: nowhere.
fn group(options: &Options, given: Option<String>) -> Result<Option<GroupName>> {
    let empty = |key: &str| {
        Error::invalid_argument(format!(
            "option {key:?} is empty; give the name of a consumer group, or leave it out"
        ))
    };
    let prefix = options.get("groupIdPrefix").map(str::trim);
    if prefix == Some("") {
        return Err(empty("groupIdPrefix"));
    }
    if given
        .as_deref()
        .is_some_and(|group| group.trim().is_empty())
    {
        return Err(empty("kafka.group.id"));
    }
    let name = match given {
        Some(given) => GroupName::Given(given),
        None => GroupName::Prefix(prefix.unwrap_or("weir").to_owned()),
    };
    let wanted = options.parse_bool("commitOffsetsOnCheckpoints")?;
    Ok(wanted.unwrap_or(true).then_some(name))
}

fn check_min_against_max(options: &Options) -> Result<()> {
    let min = positive(options, "minOffsetsPerTrigger")?;
    let max = positive(options, "maxOffsetsPerTrigger")?;
    match (min, max) {
        (Some(min), Some(max)) if min > max => Err(Error::invalid_argument(format!(
            "option \"minOffsetsPerTrigger\" is {min}, more than maxOffsetsPerTrigger, {max}"
        ))),
        _ => Ok(()),
    }
}

fn positive(options: &Options, key: &str) -> Result<Option<u64>> {
    let expected = "a positive integer";
    match options.parse::<u64>(key, expected)? {
        Some(0) => Err(Error::invalid_argument(format!(
            "option {key:?} is \"0\"; it takes {expected}"
        ))),
        other => Ok(other),
    }
}

/// An option's value as JSON.
pub(super) fn json(key: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid_argument(format!("option {key:?} is {text:?}, which is no JSON"))
            .with_source(error)
    })
}

fn per_partition(key: &str, text: &str) -> Result<PerPartition> {
    let bad = |what: String| Error::invalid_argument(format!("option {key:?} {what}: {text}"));
    let all = parse_per_partition(&json(key, text)?).map_err(bad)?;
    if all.is_empty() {
        return Err(bad("names no partition".to_owned()));
    }
    Ok(all)
}

/// Of the three ways to say a position, the first one given: Spark's precedence.
fn position(
    options: &Options,
    [timestamp, by_timestamp, offsets]: [&str; 3],
    default: Position,
) -> Result<Position> {
    let negative = |key: &str, value: i64| {
        Error::invalid_argument(format!(
            "option {key:?} has the timestamp {value}; it takes milliseconds since 1970, 0 or more"
        ))
    };
    // All three are checked, even if only one is used.
    let at = options.parse::<i64>(timestamp, "milliseconds since 1970")?;
    if let Some(value) = at.filter(|value| *value < 0) {
        return Err(negative(timestamp, value));
    }
    let each = options
        .get(by_timestamp)
        .map(|text| per_partition(by_timestamp, text))
        .transpose()?;
    if let Some(value) = each
        .iter()
        .flat_map(BTreeMap::values)
        .find(|value| **value < 0)
    {
        return Err(negative(by_timestamp, *value));
    }
    let plain = options
        .get(offsets)
        .map(|text| match text.trim().to_lowercase().as_str() {
            "earliest" => Ok(Position::Earliest),
            "latest" => Ok(Position::Latest),
            _ if text.trim_start().starts_with('{') => {
                let all = per_partition(offsets, text)?;
                match all.iter().find(|(_, offset)| **offset < -2) {
                    None => Ok(Position::Offsets(all)),
                    Some((at, offset)) => Err(Error::invalid_argument(format!(
                        "option {offsets:?} has {offset} for {at}; it takes an offset, -2 (earliest) or -1 (latest)"
                    ))),
                }
            }
            _ => Err(Error::invalid_argument(format!(
                "option {offsets:?} is {text:?}; it takes earliest, latest or JSON such as {{\"orders\":{{\"0\":23}}}}"
            ))),
        })
        .transpose()?;
    Ok(at
        .map(Position::Timestamp)
        .or(each.map(Position::Timestamps))
        .or(plain)
        .unwrap_or(default))
}

fn no_match(options: &Options) -> Result<NoMatch> {
    let key = "startingOffsetsByTimestampStrategy";
    match options.get(key).map(|text| text.trim().to_lowercase()) {
        None => Ok(NoMatch::Error),
        Some(text) if text == "error" => Ok(NoMatch::Error),
        Some(text) if text == "latest" => Ok(NoMatch::Latest),
        Some(text) => Err(Error::invalid_argument(format!(
            "option {key:?} is {text:?}; it takes error or latest"
        ))),
    }
}

fn check_batch_bounds(starting: &Position, ending: &Position) -> Result<()> {
    let find = |position: &Position, value: i64| match position {
        Position::Offsets(all) => all
            .iter()
            .find(|(_, offset)| **offset == value)
            .map(|(at, _)| at.clone()),
        _ => None,
    };
    if *starting == Position::Latest {
        return Err(Error::invalid_argument(
            "option \"startingOffsets\" is latest: a batch read would be empty; use earliest or offsets",
        ));
    }
    if let Some(at) = find(starting, -1) {
        return Err(Error::invalid_argument(format!(
            "option \"startingOffsets\" has -1 (latest) for {at}: a batch read would be empty"
        )));
    }
    if *ending == Position::Earliest {
        return Err(Error::invalid_argument(
            "option \"endingOffsets\" is earliest: a batch read would be empty; use latest or offsets",
        ));
    }
    if let Some(at) = find(ending, -2) {
        return Err(Error::invalid_argument(format!(
            "option \"endingOffsets\" has -2 (earliest) for {at}: a batch read would be empty"
        )));
    }
    if let (Position::Offsets(starts), Position::Offsets(ends)) = (starting, ending) {
        for (at, start) in starts.iter().filter(|(_, start)| **start >= 0) {
            if let Some(end) = ends.get(at).filter(|end| **end >= 0 && *end < start) {
                return Err(Error::invalid_argument(format!(
                    "{at}: startingOffsets has {start}, beyond endingOffsets, {end}"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
