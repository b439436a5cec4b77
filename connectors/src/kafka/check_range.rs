//! Whether a logged range can still be read: the check before each read, replays included.

use weir_plan::Result;

use super::offsets::{KafkaOffset, PerPartition};
use super::plan_batch::{LossPolicy, Snapshot, recreated_topics};
use super::ranges::OffsetRange;

/// The ranges from `start` to `end` that `now` still holds. What it does not is a `DataLoss` error
/// or a warning, as the policy says.
pub(super) fn check_range(
    start: &KafkaOffset,
    end: &KafkaOffset,
    now: &Snapshot,
    policy: &mut LossPolicy,
) -> Result<Vec<OffsetRange>> {
    let offsets = nonempty(start, end);
    let with_records = KafkaOffset {
        topic_ids: end
            .topic_ids
            .iter()
            .filter(|(topic, _)| offsets.keys().any(|at| at.topic == **topic))
            .map(|(topic, id)| (topic.clone(), id.clone()))
            .collect(),
        offsets,
    };
    let recreated = recreated_topics(&with_records, &now.topic_ids, policy)?;
    let mut ranges = Vec::new();
    for (at, &until) in &with_records.offsets {
        if recreated.contains(&at.topic) {
            continue;
        }
        let mut range = OffsetRange {
            at: at.clone(),
            start: start.offsets.get(at).copied().unwrap_or(until),
            end: until,
        };
        let (Some(&earliest), Some(&latest)) = (now.earliest.get(at), now.latest.get(at)) else {
            policy.lost(format!(
                "{at} does not exist any longer: offsets {} to {} are gone",
                range.start,
                until - 1
            ))?;
            continue;
        };
        if latest < range.end {
            policy.lost(format!(
                "{at} ends at {latest}, before the end of the planned range, {}",
                range.end
            ))?;
            range.end = latest;
        }
        if range.start < earliest && range.start < range.end {
            policy.lost(format!(
                "{at}: offsets {} to {} are gone, its first record is now at offset {earliest}",
                range.start,
                earliest.min(range.end) - 1
            ))?;
            range.start = earliest;
        }
        if range.start < range.end {
            ranges.push(range);
        }
    }
    Ok(ranges)
}

/// The ends of the partitions that have something to read.
pub(super) fn nonempty(start: &KafkaOffset, end: &KafkaOffset) -> PerPartition {
    end.offsets
        .iter()
        .filter(|(at, until)| start.offsets.get(*at).is_some_and(|from| from < *until))
        .map(|(at, until)| (at.clone(), *until))
        .collect()
}

#[cfg(test)]
mod tests {
    use weir_plan::ErrorKind;

    use super::*;
    use crate::kafka::offsets::TopicPartition;

    fn offset(pairs: &[(i32, i64)], id: Option<&str>) -> KafkaOffset {
        KafkaOffset {
            offsets: per(pairs),
            topic_ids: id
                .map(|id| ("t".to_owned(), id.to_owned()))
                .into_iter()
                .collect(),
        }
    }

    fn per(pairs: &[(i32, i64)]) -> PerPartition {
        pairs
            .iter()
            .map(|(number, value)| (TopicPartition::new("t", *number), *value))
            .collect()
    }

    fn now(earliest: &[(i32, i64)], latest: &[(i32, i64)], id: Option<&str>) -> Snapshot {
        Snapshot {
            topic_ids: offset(&[], id).topic_ids,
            earliest: per(earliest),
            latest: per(latest),
        }
    }

    /// The error with failOnDataLoss, and the ranges without.
    fn both(start: &KafkaOffset, end: &KafkaOffset, now: &Snapshot) -> (String, Vec<String>) {
        let error = check_range(start, end, now, &mut LossPolicy::new(true)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataLoss);
        let mut policy = LossPolicy::new(false);
        let ranges = check_range(start, end, now, &mut policy).unwrap();
        assert!(!policy.warnings.is_empty());
        (
            error.to_string(),
            ranges.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn whole_range_is_read_and_empty_parts_are_dropped() {
        let (start, end) = (
            offset(&[(0, 1), (1, 4)], None),
            offset(&[(0, 3), (1, 4)], None),
        );
        let now = now(&[(0, 0)], &[(0, 9)], Some("x"));
        let ranges = check_range(&start, &end, &now, &mut LossPolicy::new(true)).unwrap();
        assert_eq!(ranges.len(), 1);
        assert_eq!(ranges[0].to_string(), "t-0[1..3)");
    }

    #[test]
    fn start_aged_out_is_loss_with_exact_offsets_or_moved_up() {
        let (start, end) = (offset(&[(0, 1)], None), offset(&[(0, 9)], None));
        let (error, ranges) = both(&start, &end, &now(&[(0, 4)], &[(0, 9)], None));
        assert!(error.contains("offsets 1 to 3 are gone"), "{error}");
        assert_eq!(ranges, ["t-0[4..9)"]);
        let (error, ranges) = both(&start, &end, &now(&[(0, 20)], &[(0, 20)], None));
        assert!(error.contains("offsets 1 to 8 are gone"), "{error}");
        assert!(ranges.is_empty());
    }

    #[test]
    fn shrunk_or_deleted_partition_is_loss_or_skipped() {
        let (start, end) = (offset(&[(0, 1)], None), offset(&[(0, 9)], None));
        let (error, ranges) = both(&start, &end, &now(&[(0, 0)], &[(0, 5)], None));
        assert!(
            error.contains("ends at 5") && error.contains('9'),
            "{error}"
        );
        assert_eq!(ranges, ["t-0[1..5)"]);
        let (error, ranges) = both(&start, &end, &now(&[], &[], None));
        assert!(error.contains("does not exist any longer"), "{error}");
        assert!(ranges.is_empty());
    }

    #[test]
    fn recreated_topic_is_loss_naming_both_ids_or_skipped() {
        let (start, end) = (
            offset(&[(0, 1)], Some("old")),
            offset(&[(0, 9)], Some("old")),
        );
        let (error, ranges) = both(&start, &end, &now(&[(0, 0)], &[(0, 50)], Some("new")));
        assert!(error.contains("old") && error.contains("new"), "{error}");
        assert!(ranges.is_empty());
    }

    #[test]
    fn recreated_topic_without_records_in_the_range_is_no_loss() {
        let at = offset(&[(0, 9)], Some("old"));
        let now = now(&[(0, 0)], &[(0, 50)], Some("new"));
        let ranges = check_range(&at, &at, &now, &mut LossPolicy::new(true)).unwrap();
        assert!(ranges.is_empty());
    }
}
