//! Salting what is found to be skewed, without being asked.

use datafusion::common::{JoinSide, NullEquality};
use datafusion::execution::SessionState;
use datafusion::physical_plan::joins::HashJoinExec;
use tracing::warn;

use super::rewrite::{keys_of, refused};
use super::sample::{Sample, sample};
use super::{Hot, Salt};
use crate::estimate::estimated_bytes;
use crate::placement::StageTasks;

/// When joins are salted: an extension of a session's configuration. Without it, none is.
#[derive(Debug, Clone, Copy)]
pub struct SkewJoin {
    /// Of a side, as estimated: smaller ones are not looked at.
    pub bytes_min: u64,
    /// To spread a hot key over.
    pub buckets: u32,
}

/// A key is hot if its rows are at least this part of what a partition would have if all had as many.
const HOT_PART: f64 = 0.5;

/// Few partitions share rows well enough by chance alone to expect so many at least.
const PARTITIONS_MIN: usize = 4;

/// A side whose rows are to be spread.
#[derive(Debug)]
pub(in crate::joins) struct Skew {
    pub(in crate::joins) side: JoinSide,
    pub(in crate::joins) salt: Salt,
    /// What was seen of its keys.
    pub(in crate::joins) seen: String,
}

/// What is skewed of `join`, which shuffles both sides. None if it has no hot keys, or cannot be salted.
pub(in crate::joins) async fn find_skew(join: &HashJoinExec, state: &SessionState) -> Option<Skew> {
    let skew = state.config().get_extension::<SkewJoin>()?;
    let tasks = state.config().get_extension::<StageTasks>();
    let tasks = tasks.map_or(1, |tasks| tasks.0);
    let partitions = state.config().target_partitions() * tasks;
    let share = HOT_PART / partitions.max(PARTITIONS_MIN) as f64;
    for (side, input) in [
        (JoinSide::Right, join.right()),
        (JoinSide::Left, join.left()),
    ] {
        let keys = match keys_of(join, side) {
            Some(keys) if refused(join, side).is_none() => keys,
            _ => continue,
        };
        if estimated_bytes(input) < skew.bytes_min {
            continue;
        }
        let seen = match sample(input, &keys, share, state).await {
            Ok(Some(seen)) => seen,
            Ok(None) => continue,
            // What cannot be read is the query's to report.
            Err(error) => {
                warn!(%error, "a side of a join could not be sampled: its keys are not salted");
                continue;
            }
        };
        let nulls_match = join.null_equality() == NullEquality::NullEqualsNull;
        let nulls_are_hot = !nulls_match && seen.is_hot(seen.nulls, share);
        if seen.hot.is_empty() && !nulls_are_hot {
            continue;
        }
        let mut hashes: Vec<u64> = seen.hot.iter().map(|key| key.hash).collect();
        hashes.sort_unstable();
        let buckets = match hashes.is_empty() {
            true => skew.buckets,
            false => {
                let copied = copied_share(join, side.negate(), &hashes, state).await;
                let other = match side {
                    JoinSide::Left => join.right(),
                    _ => join.left(),
                };
                let (own, other) = (estimated_bytes(input), estimated_bytes(other));
                affordable(skew.buckets, partitions, copied, own, other)
            }
        };
        if buckets < 2 {
            continue;
        }
        let stays = seen.is_everywhere(tasks);
        let salt = Salt {
            hot: Hot::Hashes(hashes.into()),
            buckets,
            nulls_match,
            stays,
        };
        let beside = stays && tasks > 1;
        let seen = describe(&seen, nulls_are_hot, buckets, beside);
        return Some(Skew { side, salt, seen });
    }
    None
}

/// The part of the rows of `side` that would be copied; all, if it cannot be sampled.
async fn copied_share(
    join: &HashJoinExec,
    side: JoinSide,
    hashes: &[u64],
    state: &SessionState,
) -> f64 {
    let input = match side {
        JoinSide::Left => join.left(),
        _ => join.right(),
    };
    let Some(keys) = keys_of(join, side) else {
        return 1.0;
    };
    // No key of its own is asked for.
    let seen = sample(input, &keys, f64::INFINITY, state).await;
    match seen {
        Ok(Some(seen)) => seen.share_of(hashes),
        _ => 1.0,
    }
}

/// So many of `buckets` that the copies are no more than the larger side, in bytes. There is one in each of `partitions` at most.
fn affordable(
    buckets: u32,
    partitions: usize,
    copied_share: f64,
    own_bytes: u64,
    other_bytes: u64,
) -> u32 {
    let copied = copied_share * other_bytes as f64;
    let most = own_bytes.max(other_bytes) as f64 / copied;
    // Of nothing, there may be any number of copies; a number too large for its type is the largest.
    match most.is_nan() || most >= partitions as f64 {
        true => buckets,
        false => buckets.min(most as u32),
    }
}

/// `hot keys spread over 64 buckets, beside the tasks that read them: 7 (90.0%), 9 (5.1%) of 524288 sampled rows`.
fn describe(seen: &Sample, nulls_are_hot: bool, buckets: u32, beside: bool) -> String {
    let percent = |rows: u64| 100.0 * rows as f64 / seen.rows as f64;
    let nulls = nulls_are_hot.then_some(("null", seen.nulls));
    let keys = seen.hot.iter().map(|key| (key.shown.as_str(), key.rows));
    let mut keys: Vec<String> = nulls
        .into_iter()
        .chain(keys)
        .map(|(key, rows)| format!("{key} ({:.1}%)", percent(rows)))
        .collect();
    if keys.len() > KEYS_SHOWN {
        let more = keys.len() - KEYS_SHOWN;
        keys.truncate(KEYS_SHOWN);
        keys.push(format!("and {more} more"));
    }
    let place = if beside {
        ", beside the tasks that read them"
    } else {
        ""
    };
    format!(
        "hot keys spread over {buckets} buckets{place}: {} of {} sampled rows",
        keys.join(", "),
        seen.rows
    )
}

const KEYS_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_take_no_more_than_the_larger_side() {
        assert_eq!(affordable(64, 100, 0.0001, 1 << 30, 1 << 20), 64);
        assert_eq!(affordable(64, 100, 0.0, 1 << 30, 1 << 20), 64);
        assert_eq!(affordable(64, 100, 1.0, 0, 0), 64);
        // Eight keys that all are hot, and as many rows of them on the other side.
        assert_eq!(affordable(64, 100, 1.0, 1 << 30, 1 << 30), 1);
        assert_eq!(affordable(64, 100, 0.25, 1 << 30, 1 << 30), 4);
        assert_eq!(affordable(64, 100, 1.0, 10 << 20, 1 << 20), 10);
        // Four partitions have four copies, whatever the number of buckets.
        assert_eq!(affordable(64, 4, 0.25, 1 << 30, 1 << 30), 64);
    }
}
