//! From the options' starting and ending positions to an offset in every partition.

use std::collections::{BTreeMap, BTreeSet};

use weir_plan::{Error, ErrorKind, Result};

use super::cluster::{Cluster, EARLIEST, LATEST};
use super::config::{NoMatch, Position};
use super::offsets::{PerPartition, TopicPartition, list_partitions};
use super::plan_batch::LossPolicy;

/// Which end of a read is resolved, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Starting,
    Ending,
}

impl End {
    fn offsets_option(self) -> &'static str {
        match self {
            Self::Starting => "startingOffsets",
            Self::Ending => "endingOffsets",
        }
    }

    fn timestamps_option(self) -> &'static str {
        match self {
            Self::Starting => "startingOffsetsByTimestamp",
            Self::Ending => "endingOffsetsByTimestamp",
        }
    }
}

/// The offset of `position` in every one of `partitions`.
pub(super) async fn resolve(
    cluster: &Cluster,
    partitions: &BTreeSet<TopicPartition>,
    position: &Position,
    end: End,
    no_match: NoMatch,
    policy: &mut LossPolicy,
) -> Result<PerPartition> {
    match position {
        Position::Earliest => cluster.ends(partitions, EARLIEST).await,
        Position::Latest => cluster.ends(partitions, LATEST).await,
        Position::Offsets(given) => {
            check_complete(partitions, given, end.offsets_option())?;
            let (earliest, latest) = tokio::try_join!(
                cluster.ends(partitions, EARLIEST),
                cluster.ends(partitions, LATEST)
            )?;
            given
                .iter()
                .map(|(at, &offset)| {
                    let bounds = (
                        earliest.get(at).copied().unwrap_or(0),
                        latest.get(at).copied().unwrap_or(0),
                    );
                    let offset = within(at, offset, bounds, end.offsets_option(), policy)?;
                    Ok((at.clone(), offset))
                })
                .collect()
        }
        Position::Timestamp(timestamp) => {
            let wanted = partitions
                .iter()
                .map(|at| (at.clone(), *timestamp))
                .collect();
            by_timestamps(cluster, partitions, wanted, end, no_match).await
        }
        Position::Timestamps(wanted) => {
            check_complete(partitions, wanted, end.timestamps_option())?;
            by_timestamps(cluster, partitions, wanted.clone(), end, no_match).await
        }
    }
}

/// Every partition must be named, and no other.
fn check_complete(
    partitions: &BTreeSet<TopicPartition>,
    given: &PerPartition,
    option: &str,
) -> Result<()> {
    let missing: Vec<_> = partitions
        .iter()
        .filter(|at| !given.contains_key(*at))
        .collect();
    if !missing.is_empty() {
        return Err(Error::invalid_argument(format!(
            "option {option:?} must name every partition that is read; it lacks {}",
            list_partitions(missing)
        )));
    }
    let extra: Vec<_> = given
        .keys()
        .filter(|at| !partitions.contains(*at))
        .collect();
    if !extra.is_empty() {
        return Err(Error::invalid_argument(format!(
            "option {option:?} names partitions that are not read: {}",
            list_partitions(extra)
        )));
    }
    Ok(())
}

/// A given offset as an offset that the partition holds, or its end.
fn within(
    at: &TopicPartition,
    offset: i64,
    (earliest, latest): (i64, i64),
    option: &str,
    policy: &mut LossPolicy,
) -> Result<i64> {
    match offset {
        EARLIEST => Ok(earliest),
        LATEST => Ok(latest),
        offset if (earliest..=latest).contains(&offset) => Ok(offset),
        offset => {
            policy.lost(format!(
                "option {option:?} has offset {offset} for {at}, which holds {earliest} to {latest}"
            ))?;
            Ok(offset.clamp(earliest, latest))
        }
    }
}

async fn by_timestamps(
    cluster: &Cluster,
    partitions: &BTreeSet<TopicPartition>,
    wanted: PerPartition,
    end: End,
    no_match: NoMatch,
) -> Result<PerPartition> {
    let (found, latest) = tokio::try_join!(
        cluster.offsets(wanted.clone()),
        cluster.ends(partitions, LATEST)
    )?;
    choose(&found, &wanted, &latest, end, no_match)
}

/// The first record that is young enough; where there is none, what the strategy says. An ending
/// timestamp that no record reaches means the partition's end.
fn choose(
    found: &BTreeMap<TopicPartition, Option<i64>>,
    wanted: &PerPartition,
    latest: &PerPartition,
    end: End,
    no_match: NoMatch,
) -> Result<PerPartition> {
    found
        .iter()
        .map(|(at, offset)| {
            // Under read_committed a match may lie beyond the last stable offset.
            let ceiling = latest.get(at).copied().unwrap_or(i64::MAX);
            match offset {
                Some(offset) => Ok((at.clone(), (*offset).min(ceiling))),
                None if end == End::Ending || no_match == NoMatch::Latest => {
                    Ok((at.clone(), ceiling))
                }
                None => Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "{at} has no record with a timestamp of {} or later; choose an earlier one, or set startingOffsetsByTimestampStrategy to latest",
                        wanted.get(at).copied().unwrap_or_default()
                    ),
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn per(pairs: &[(i32, i64)]) -> PerPartition {
        pairs
            .iter()
            .map(|(number, value)| (at(*number), *value))
            .collect()
    }

    #[test]
    fn explicit_offsets_must_name_every_partition_and_no_other() {
        let partitions = [at(0), at(1)].into();
        check_complete(&partitions, &per(&[(0, 1), (1, 1)]), "startingOffsets").unwrap();
        for (given, part) in [
            (per(&[(0, 1)]), "lacks t-1"),
            (per(&[(0, 1), (1, 1), (7, 1)]), "not read: t-7"),
        ] {
            let error = check_complete(&partitions, &given, "startingOffsets").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn minus_two_and_minus_one_are_the_partitions_ends() {
        let mut policy = LossPolicy::new(true);
        let mut of =
            |offset| within(&at(0), offset, (3, 9), "startingOffsets", &mut policy).unwrap();
        assert_eq!((of(-2), of(-1), of(3), of(5), of(9)), (3, 9, 3, 5, 9));
    }

    #[test]
    fn offset_out_of_range_is_loss_with_the_range_or_clamped() {
        for (offset, clamped) in [(2, 3), (10, 9)] {
            let error = within(
                &at(0),
                offset,
                (3, 9),
                "startingOffsets",
                &mut LossPolicy::new(true),
            )
            .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DataLoss);
            assert!(error.to_string().contains("holds 3 to 9"), "{error}");
            let mut policy = LossPolicy::new(false);
            assert_eq!(
                within(&at(0), offset, (3, 9), "", &mut policy).unwrap(),
                clamped
            );
            assert_eq!(policy.warnings.len(), 1);
        }
    }

    #[test]
    fn timestamp_without_a_record_follows_the_strategy() {
        let found = [(at(0), Some(4)), (at(1), None)].into();
        let (wanted, latest) = (per(&[(0, 77), (1, 77)]), per(&[(0, 9), (1, 8)]));
        let error = choose(&found, &wanted, &latest, End::Starting, NoMatch::Error).unwrap_err();
        assert!(error.to_string().contains("partition 1") && error.to_string().contains("77"));
        for (end, no_match) in [
            (End::Starting, NoMatch::Latest),
            (End::Ending, NoMatch::Error),
        ] {
            let offsets = choose(&found, &wanted, &latest, end, no_match).unwrap();
            assert_eq!(offsets, per(&[(0, 4), (1, 8)]));
        }
    }
}
