//! Offset ranges: cutting long ones, and packing them into tasks. Pure arithmetic.

use std::fmt;

use super::config::SplitRule;
use super::offsets::TopicPartition;

/// Below this many offsets a further task costs more (a client, its connections) than it brings.
const TASK_OFFSETS_MIN: u128 = 1_000;

/// Offsets `[start, end)` of one partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OffsetRange {
    pub(super) at: TopicPartition,
    pub(super) start: i64,
    pub(super) end: i64,
}

impl OffsetRange {
    /// How many offsets it spans; gaps count.
    pub(super) fn len(&self) -> u128 {
        u128::try_from(i128::from(self.end) - i128::from(self.start)).unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// The same offsets in `parts` ranges of nearly equal length.
    fn cut(self, parts: u128) -> Vec<Self> {
        let size = self.len();
        let parts = parts.clamp(1, size.max(1));
        // `part` <= `parts`, so the offset lies within the range.
        let bound = |part: u128| {
            i64::try_from(i128::from(self.start) + i128::try_from(size * part / parts).unwrap_or(0))
                .unwrap_or(self.end)
        };
        (0..parts)
            .map(|part| Self {
                at: self.at.clone(),
                start: bound(part),
                end: bound(part + 1),
            })
            .collect()
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicPartition { topic, partition } = &self.at;
        write!(f, "{topic}-{partition}[{}..{})", self.start, self.end)
    }
}

fn total(ranges: &[OffsetRange]) -> u128 {
    ranges.iter().map(OffsetRange::len).sum()
}

/// Drops empty ranges and cuts long ones as Spark does: none longer than `maxRecordsPerPartition`,
/// and about `minPartitions` of them, in proportion to their length.
pub(super) fn split(ranges: Vec<OffsetRange>, rule: SplitRule) -> Vec<OffsetRange> {
    let mut ranges: Vec<OffsetRange> = ranges
        .into_iter()
        .filter(|range| !range.is_empty())
        .collect();
    ranges.sort();
    if let Some(max) = rule.max_records {
        ranges = ranges
            .into_iter()
            .flat_map(|range| {
                let parts = range.len().div_ceil(u128::from(max.max(1)));
                range.cut(parts)
            })
            .collect();
    }
    let Some(min) = rule
        .min_partitions
        .map(u128::from)
        .filter(|min| *min > ranges.len() as u128)
    else {
        return ranges;
    };
    // Round half up of size / of * into, at least 1.
    let parts_of = |size: u128, of: u128, into: u128| {
        (size.saturating_mul(into).saturating_mul(2) + of) / (of * 2).max(1)
    };
    let all = total(&ranges);
    let stays_whole = |range: &OffsetRange| parts_of(range.len(), all, min) <= 1;
    let whole = ranges.iter().filter(|range| stays_whole(range)).count() as u128;
    let rest: u128 = ranges
        .iter()
        .filter(|range| !stays_whole(range))
        .map(OffsetRange::len)
        .sum();
    let min_rest = min.saturating_sub(whole).max(1);
    let parts: Vec<u128> = ranges
        .iter()
        .map(|range| {
            if stays_whole(range) {
                1
            } else {
                parts_of(range.len(), rest, min_rest)
            }
        })
        .collect();
    ranges
        .into_iter()
        .zip(parts)
        .flat_map(|(range, parts)| range.cut(parts))
        .collect()
}

/// Packs ranges into at most `tasks_max` tasks so that the longest task is as short as it can be
/// with ranges in their order: a topic's and a partition's ranges stay together. Small inputs get
/// fewer tasks, but not fewer than `tasks_wanted`. Every offset is in exactly one task.
pub(super) fn pack(
    mut ranges: Vec<OffsetRange>,
    tasks_max: usize,
    tasks_wanted: Option<u64>,
) -> Vec<Vec<OffsetRange>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort();
    if ranges.is_empty() {
        return Vec::new();
    }
    let all = total(&ranges);
    let tasks = all
        .div_ceil(TASK_OFFSETS_MIN)
        .max(u128::from(tasks_wanted.unwrap_or(1)))
        .min(tasks_max.max(1) as u128);
    let tasks = usize::try_from(tasks).unwrap_or(tasks_max).max(1);
    // The least capacity with which filling tasks in order needs no more than `tasks` of them.
    let (mut low, mut high) = (ranges.iter().map(OffsetRange::len).max().unwrap_or(0), all);
    while low < high {
        let middle = low + (high - low) / 2;
        if tasks_needed(&ranges, middle) <= tasks {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let mut packed: Vec<Vec<OffsetRange>> = Vec::with_capacity(tasks);
    let mut filled = 0;
    for range in ranges {
        match packed.last_mut() {
            Some(task) if filled + range.len() <= low => {
                filled += range.len();
                append(task, range);
            }
            _ => {
                filled = range.len();
                packed.push(vec![range]);
            }
        }
    }
    packed
}

/// Appends, as one range if it continues the last one: the reader need not stop between.
fn append(task: &mut Vec<OffsetRange>, range: OffsetRange) {
    match task.last_mut() {
        Some(last) if last.at == range.at && last.end == range.start => last.end = range.end,
        _ => task.push(range),
    }
}

fn tasks_needed(ranges: &[OffsetRange], capacity: u128) -> usize {
    let (mut tasks, mut filled) = (1, 0);
    for range in ranges {
        if filled + range.len() > capacity {
            tasks += 1;
            filled = 0;
        }
        filled += range.len();
    }
    tasks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(partition: i32, start: i64, end: i64) -> OffsetRange {
        OffsetRange {
            at: TopicPartition::new("t", partition),
            start,
            end,
        }
    }

    fn shown(ranges: &[OffsetRange]) -> String {
        let all: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        all.join(" ")
    }

    fn min_partitions(min: u64) -> SplitRule {
        SplitRule {
            min_partitions: Some(min),
            max_records: None,
        }
    }

    #[test]
    fn empty_ranges_are_dropped() {
        let ranges = split(vec![range(0, 5, 5), range(1, 0, 1)], SplitRule::default());
        assert_eq!(shown(&ranges), "t-1[0..1)");
        assert!(pack(vec![range(0, 5, 5)], 4, None).is_empty());
    }

    #[test]
    fn ranges_longer_than_max_records_are_cut_evenly() {
        let rule = SplitRule {
            min_partitions: None,
            max_records: Some(4),
        };
        assert_eq!(
            shown(&split(vec![range(0, 10, 20)], rule)),
            "t-0[10..13) t-0[13..16) t-0[16..20)"
        );
    }

    #[test]
    fn one_hot_partition_is_cut_into_min_partitions() {
        assert_eq!(
            shown(&split(vec![range(0, 0, 10)], min_partitions(3))),
            "t-0[0..3) t-0[3..6) t-0[6..10)"
        );
    }

    #[test]
    fn min_partitions_cut_the_long_and_leave_the_short_ranges() {
        let ranges = split(vec![range(0, 0, 1), range(1, 0, 100)], min_partitions(4));
        assert_eq!(
            shown(&ranges),
            "t-0[0..1) t-1[0..33) t-1[33..66) t-1[66..100)"
        );
    }

    #[test]
    fn tasks_are_balanced_and_keep_topics_together() {
        let ranges = (0..6).map(|n| range(n, 0, 5_000)).collect();
        let sizes: Vec<usize> = pack(ranges, 3, None).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 2]);
    }

    #[test]
    fn small_input_is_one_task_unless_more_are_wanted() {
        let ranges: Vec<_> = (0..6).map(|n| range(n, 0, 10)).collect();
        assert_eq!(pack(ranges.clone(), 64, None).len(), 1);
        assert_eq!(pack(ranges, 64, Some(6)).len(), 6);
    }

    #[test]
    fn neighbours_in_one_task_become_one_range() {
        let cut = split(vec![range(0, 0, 10)], min_partitions(4));
        assert_eq!(pack(cut, 1, Some(4)), [vec![range(0, 0, 10)]]);
    }

    proptest! {
        #[test]
        fn splitting_and_packing_lose_and_repeat_no_offset(
            parts in prop::collection::vec((0..1_000_000_i64, 0..100_000_i64), 1..12),
            min in prop::option::of(1_u64..40),
            max in prop::option::of(500_u64..100_000),
            tasks in 1_usize..20,
        ) {
            let ranges: Vec<_> = parts.iter().zip(0..).map(|((start, size), n)| range(n, *start, start + size)).collect();
            let rule = SplitRule { min_partitions: min, max_records: max };
            let cut = split(ranges.clone(), rule);
            if let Some(max) = max {
                prop_assert!(cut.iter().all(|range| range.len() <= u128::from(max)));
            }
            let packed = pack(cut, tasks, min);
            prop_assert!(packed.len() <= tasks);
            prop_assert!(packed.iter().all(|task| !task.is_empty()));
            let mut back: Vec<OffsetRange> = Vec::new();
            let mut flat: Vec<OffsetRange> = packed.into_iter().flatten().collect();
            flat.sort();
            for range in flat {
                append(&mut back, range);
            }
            let expected: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
            prop_assert_eq!(back, expected);
        }

        #[test]
        fn ranges_up_to_the_largest_offset_do_not_overflow(start in 0..i64::MAX, min in 1_u64..50) {
            let cut = split(vec![range(0, start, i64::MAX)], min_partitions(min));
            prop_assert_eq!(total(&cut), range(0, start, i64::MAX).len());
            prop_assert_eq!(cut.last().map(|last| last.end), Some(i64::MAX));
        }
    }
}
