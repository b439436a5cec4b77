//! What the next batch reads, decided from positions alone, without any I/O.
//!
//! Every partition of the answer has a start and an end, so that a replay needs nothing else. What
//! is gone is either a `DataLoss` error or, with `failOnDataLoss=false`, a warning and a start moved
//! past the gap: never a record twice.

use std::collections::{BTreeMap, BTreeSet};

use weir_plan::{Error, ErrorKind, Result};

use super::offsets::{KafkaOffset, PerPartition, TopicPartition};
use super::share::share;
use super::subscription::Subscription;

/// What the cluster holds at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) topic_ids: BTreeMap<String, String>,
    /// The first offset of each partition that exists.
    pub(super) earliest: PerPartition,
    /// The end of each partition that exists, under the read's isolation level.
    pub(super) latest: PerPartition,
}

/// What to do about records that are gone: fail, or warn and go on.
#[derive(Debug)]
pub(super) struct LossPolicy {
    fail: bool,
    /// What was lost, to be logged by the caller.
    pub(super) warnings: Vec<String>,
}

impl LossPolicy {
    pub(super) fn new(fail_on_data_loss: bool) -> Self {
        Self {
            fail: fail_on_data_loss,
            warnings: Vec::new(),
        }
    }

    /// Reports a loss; `what` is a lowercase sentence with numbers.
    pub(super) fn lost(&mut self, what: String) -> Result<()> {
        if self.fail {
            return Err(Error::new(
                ErrorKind::DataLoss,
                format!(
                    "{what}; set failOnDataLoss to false to go on without those records, or use a new checkpoint"
                ),
            ));
        }
        self.warnings.push(what);
        Ok(())
    }
}

/// Both ends of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchPlan {
    pub(super) start: KafkaOffset,
    pub(super) end: KafkaOffset,
}

/// What a batch is planned from.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlanInput<'a> {
    pub(super) subscription: &'a Subscription,
    /// Everything before it has been read.
    pub(super) reached: &'a KafkaOffset,
    /// Where this run ends, as it was decided when the run began.
    pub(super) frozen: &'a KafkaOffset,
    pub(super) now: &'a Snapshot,
    pub(super) limit: Option<u64>,
}

/// Plans the next batch; `None` when nothing lies between `reached` and `frozen`.
pub(super) fn plan_batch(
    input: PlanInput<'_>,
    policy: &mut LossPolicy,
) -> Result<Option<BatchPlan>> {
    let PlanInput {
        reached,
        frozen,
        now,
        ..
    } = input;
    check_frozen(frozen, now)?;
    let recreated = recreated_topics(reached, &frozen.topic_ids, policy)?;
    let mut starts = known_starts(input, &recreated, policy)?;
    add_new_partitions(&mut starts, frozen, now, &recreated, policy)?;

    let mut ends = PerPartition::new();
    for (at, start) in &mut starts {
        // A partition that is read no longer keeps its place.
        let mut end = frozen.offsets.get(at).copied().unwrap_or(*start);
        if end < *start {
            policy.lost(format!("{at}: offset was changed from {start} to {end}"))?;
            *start = end;
        }
        if let Some(&earliest) = now.earliest.get(at)
            && *start < end
            && *start < earliest
        {
            policy.lost(format!(
                "{at}: offsets {start} to {} are gone, its first record is now at offset {earliest}",
                earliest.min(end) - 1
            ))?;
            *start = earliest.min(end);
        }
        end = end.max(*start);
        ends.insert(at.clone(), end);
    }
    if let Some(limit) = input.limit {
        ends = share(&starts, &ends, limit);
    }
    // Everything vanished: an offset that names nothing is never logged.
    let nothing_left = ends.is_empty();
    if nothing_left || (ends == reached.offsets && recreated.is_empty()) {
        return Ok(None);
    }
    let topic_ids = ids_of(&starts, frozen, reached);
    Ok(Some(BatchPlan {
        start: KafkaOffset {
            offsets: starts,
            topic_ids: topic_ids.clone(),
        },
        end: KafkaOffset {
            offsets: ends,
            topic_ids,
        },
    }))
}

/// The end of a run was promised when it began: if it cannot be reached any more, the run fails
/// whatever failOnDataLoss says (a restart decides anew).
fn check_frozen(frozen: &KafkaOffset, now: &Snapshot) -> Result<()> {
    let lost = |what: String| {
        Err(Error::new(
            ErrorKind::DataLoss,
            format!("{what}, since this run began; run again to go on from what is there"),
        ))
    };
    for (topic, id) in &frozen.topic_ids {
        match now.topic_ids.get(topic) {
            Some(other) if other != id => {
                return lost(format!(
                    "topic {topic:?} was deleted and created again (its id was {id}, is {other})"
                ));
            }
            _ => {}
        }
    }
    for (at, end) in &frozen.offsets {
        match now.latest.get(at) {
            None => {
                return lost(format!(
                    "{at} was deleted, which was to be read up to {end}"
                ));
            }
            Some(latest) if latest < end => {
                return lost(format!(
                    "{at} shrank: it was to be read up to {end} and ends at {latest}"
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Topics whose id is not the one they had when they were read.
pub(super) fn recreated_topics(
    read: &KafkaOffset,
    current: &BTreeMap<String, String>,
    policy: &mut LossPolicy,
) -> Result<BTreeSet<String>> {
    let mut recreated = BTreeSet::new();
    for (topic, old) in &read.topic_ids {
        if let Some(new) = current.get(topic).filter(|new| *new != old) {
            policy.lost(format!(
                "topic {topic:?} was deleted and created again (its id was {old}, is {new}): what was not read of the old one is gone, and the new one would be read from its beginning"
            ))?;
            recreated.insert(topic.clone());
        }
    }
    Ok(recreated)
}

/// Where the partitions read before go on.
fn known_starts(
    input: PlanInput<'_>,
    recreated: &BTreeSet<String>,
    policy: &mut LossPolicy,
) -> Result<PerPartition> {
    let mut starts = PerPartition::new();
    for (at, &offset) in &input.reached.offsets {
        if recreated.contains(&at.topic) {
            continue;
        }
        if !input.subscription.covers(at) {
            policy.lost(format!(
                "{at}, read up to {offset}, is not in the subscription any longer ({})",
                input.subscription
            ))?;
            // Kept in place: if it is subscribed to again, nothing is read twice.
            starts.insert(at.clone(), offset);
        } else if input.frozen.offsets.contains_key(at) {
            starts.insert(at.clone(), offset);
        } else {
            policy.lost(format!(
                "{at}, read up to {offset}, does not exist any longer"
            ))?;
        }
    }
    Ok(starts)
}

/// Partitions that were not read before begin at their first record.
fn add_new_partitions(
    starts: &mut PerPartition,
    frozen: &KafkaOffset,
    now: &Snapshot,
    recreated: &BTreeSet<String>,
    policy: &mut LossPolicy,
) -> Result<()> {
    for at in frozen.offsets.keys() {
        if starts.contains_key(at) {
            continue;
        }
        let earliest =
            now.earliest.get(at).copied().ok_or_else(|| {
                Error::internal(format!("no first offset was looked up for {at}"))
            })?;
        if earliest != 0 && !recreated.contains(&at.topic) {
            policy.lost(format!(
                "{at} is new and its first record is at offset {earliest}, not 0: the records before are gone unread"
            ))?;
        }
        starts.insert(at.clone(), earliest);
    }
    Ok(())
}

fn ids_of(
    starts: &PerPartition,
    frozen: &KafkaOffset,
    reached: &KafkaOffset,
) -> BTreeMap<String, String> {
    let topics: BTreeSet<&TopicPartition> = starts.keys().collect();
    topics
        .into_iter()
        .filter_map(|at| {
            let id = frozen
                .topic_ids
                .get(&at.topic)
                .or_else(|| reached.topic_ids.get(&at.topic))?;
            Some((at.topic.clone(), id.clone()))
        })
        .collect()
}

#[cfg(test)]
#[path = "plan_batch_tests.rs"]
mod tests;
