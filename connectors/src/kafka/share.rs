//! How `maxOffsetsPerTrigger` is shared among partitions: pure arithmetic.

use super::offsets::{PerPartition, TopicPartition};

/// Ends of a batch of about `limit` offsets, for partitions that begin at `starts` and reach to
/// `ends`: each gets a share in proportion to its backlog, rounded down, but at least one, so that a
/// small partition does not starve beside a large one (Spark's rule; with more partitions than
/// `limit` the batch exceeds it).
pub(super) fn share(starts: &PerPartition, ends: &PerPartition, limit: u64) -> PerPartition {
    let backlog = |at: &TopicPartition, end: i64| -> u128 {
        let start = starts.get(at).copied().unwrap_or(end);
        u128::try_from(i128::from(end) - i128::from(start)).unwrap_or(0)
    };
    let total: u128 = ends.iter().map(|(at, end)| backlog(at, *end)).sum();
    let limit = u128::from(limit);
    if total <= limit {
        return ends.clone();
    }
    ends.iter()
        .map(|(at, &end)| {
            let size = backlog(at, end);
            // Both factors are below 2^64.
            let part = (size * limit / total).max(u128::from(size > 0)).min(size);
            // `part` <= `size`, so this lies between start and end.
            let left = i64::try_from(size - part).unwrap_or(0);
            (at.clone(), end - left)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(offsets: &[i64]) -> PerPartition {
        offsets
            .iter()
            .zip(0..)
            .map(|(offset, number)| (TopicPartition::new("t", number), *offset))
            .collect()
    }

    #[test]
    fn shares_are_proportional_and_rounded_down() {
        // Backlogs 100, 200 and 33 of 333; the limit gives 30.03, 60.06 and 9.9.
        let ends = share(&of(&[0, 1000, 5]), &of(&[100, 1200, 38]), 100);
        assert_eq!(ends, of(&[30, 1060, 14]));
    }

    #[test]
    fn small_backlog_gets_one_offset_beside_a_huge_one() {
        let ends = share(&of(&[0, 0, 7]), &of(&[1_000_000, 1, 7]), 10);
        assert_eq!(ends, of(&[9, 1, 7]));
    }

    #[test]
    fn backlog_within_the_limit_is_taken_whole() {
        assert_eq!(share(&of(&[0, 3]), &of(&[5, 8]), 10), of(&[5, 8]));
    }

    #[test]
    fn offsets_near_the_largest_integer_do_not_overflow() {
        let starts = of(&[0, i64::MAX - 5]);
        let ends = of(&[i64::MAX, i64::MAX]);
        let shared = share(&starts, &ends, u64::MAX / 2 - 1);
        assert!(
            shared
                .iter()
                .all(|(at, end)| *end >= starts[at] && *end <= ends[at])
        );
        assert_eq!(share(&starts, &ends, 1), of(&[1, i64::MAX - 4]));
    }

    proptest! {
        #[test]
        fn a_batch_progresses_stays_in_bounds_and_near_the_limit(
            parts in prop::collection::vec((0..i64::MAX / 2, 0..i64::MAX / 2), 1..20),
            limit in 1_u64..,
        ) {
            let starts = of(&parts.iter().map(|(start, _)| *start).collect::<Vec<_>>());
            let ends = of(&parts.iter().map(|(start, size)| start + size).collect::<Vec<_>>());
            let shared = share(&starts, &ends, limit);
            let mut taken = 0_u128;
            for (at, end) in &shared {
                prop_assert!(*end >= starts[at] && *end <= ends[at]);
                // A partition with a backlog always progresses.
                prop_assert_eq!(*end > starts[at], ends[at] > starts[at]);
                taken += u128::try_from(end - starts[at]).unwrap();
            }
            prop_assert!(taken <= u128::from(limit) + parts.len() as u128);
        }
    }
}
