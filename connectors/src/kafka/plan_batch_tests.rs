//! Tests of batch planning, from positions to positions.

use super::*;

const ORDERS: &str = "orders";

fn per(pairs: &[(i32, i64)]) -> PerPartition {
    pairs
        .iter()
        .map(|(number, value)| (TopicPartition::new(ORDERS, *number), *value))
        .collect()
}

fn offset(pairs: &[(i32, i64)], id: &str) -> KafkaOffset {
    KafkaOffset {
        offsets: per(pairs),
        topic_ids: if id.is_empty() {
            BTreeMap::new()
        } else {
            [(ORDERS.to_owned(), id.to_owned())].into()
        },
    }
}

/// A case: `reached`, the frozen end, and the first offsets; by default nothing was lost.
struct Case {
    subscription: Subscription,
    reached: KafkaOffset,
    frozen: KafkaOffset,
    now: Snapshot,
    limit: Option<u64>,
}

impl Case {
    fn new(reached: &[(i32, i64)], frozen: &[(i32, i64)]) -> Self {
        let frozen = offset(frozen, "id");
        Self {
            subscription: Subscription::Topics([ORDERS.to_owned()].into()),
            reached: offset(reached, "id"),
            now: Snapshot {
                topic_ids: frozen.topic_ids.clone(),
                earliest: frozen.offsets.keys().map(|at| (at.clone(), 0)).collect(),
                latest: frozen.offsets.clone(),
            },
            frozen,
            limit: None,
        }
    }

    fn earliest(mut self, pairs: &[(i32, i64)]) -> Self {
        self.now.earliest = per(pairs);
        self
    }

    fn latest_now(mut self, pairs: &[(i32, i64)]) -> Self {
        self.now.latest = per(pairs);
        self
    }

    fn plan(&self, policy: &mut LossPolicy) -> Result<Option<BatchPlan>> {
        let input = PlanInput {
            subscription: &self.subscription,
            reached: &self.reached,
            frozen: &self.frozen,
            now: &self.now,
            limit: self.limit,
        };
        plan_batch(input, policy)
    }

    fn lossless(&self) -> Option<(PerPartition, PerPartition)> {
        let mut policy = LossPolicy::new(true);
        let plan = self.plan(&mut policy).unwrap();
        plan.map(|plan| (plan.start.offsets, plan.end.offsets))
    }

    /// With failOnDataLoss the error says `part`; without, there is a warning and this plan.
    fn lossy(&self, part: &str) -> Option<BatchPlan> {
        let error = self.plan(&mut LossPolicy::new(true)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataLoss);
        assert!(error.to_string().contains(part), "{error}");
        let mut policy = LossPolicy::new(false);
        let plan = self.plan(&mut policy).unwrap();
        assert!(policy.warnings.iter().any(|text| text.contains(part)));
        plan
    }

    fn fails_anyway(&self, part: &str) {
        for fail in [true, false] {
            let error = self.plan(&mut LossPolicy::new(fail)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DataLoss);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[test]
fn nothing_new_is_no_batch() {
    assert_eq!(
        Case::new(&[(0, 5), (1, 7)], &[(0, 5), (1, 7)]).lossless(),
        None
    );
}

#[test]
fn batch_goes_from_what_was_reached_to_the_frozen_end() {
    let case = Case::new(&[(0, 5), (1, 7)], &[(0, 9), (1, 7)]).latest_now(&[(0, 100), (1, 100)]);
    assert_eq!(
        case.lossless(),
        Some((per(&[(0, 5), (1, 7)]), per(&[(0, 9), (1, 7)])))
    );
}

#[test]
fn limit_splits_the_drain_into_batches_that_cover_it_once() {
    let mut case = Case::new(&[(0, 0), (1, 0)], &[(0, 1000), (1, 10)]);
    case.limit = Some(300);
    let mut batches = 0;
    while let Some(plan) = case.plan(&mut LossPolicy::new(true)).unwrap() {
        assert_eq!(plan.start.offsets, case.reached.offsets);
        case.reached = plan.end;
        batches += 1;
    }
    assert_eq!(case.reached.offsets, case.frozen.offsets);
    assert_eq!(batches, 4);
}

#[test]
fn new_partition_starts_at_its_beginning() {
    let case = Case::new(&[(0, 5)], &[(0, 5), (1, 3)]);
    assert_eq!(
        case.lossless(),
        Some((per(&[(0, 5), (1, 0)]), per(&[(0, 5), (1, 3)])))
    );
}

#[test]
fn new_partition_that_lost_records_already_is_loss_or_starts_at_its_first() {
    let case = Case::new(&[(0, 5)], &[(0, 5), (1, 9)]).earliest(&[(0, 0), (1, 4)]);
    let plan = case.lossy("first record is at offset 4, not 0").unwrap();
    assert_eq!(plan.start.offsets, per(&[(0, 5), (1, 4)]));
}

#[test]
fn end_before_start_is_loss_or_reads_nothing_and_goes_on_from_there() {
    let case = Case::new(&[(0, 50)], &[(0, 20)]);
    let plan = case
        .lossy("partition 0 of topic \"orders\": offset was changed from 50 to 20")
        .unwrap();
    assert_eq!(plan.start.offsets, per(&[(0, 20)]));
    assert_eq!(plan.end.offsets, per(&[(0, 20)]));
}

#[test]
fn start_aged_out_is_loss_with_exact_offsets_or_moved_up() {
    let case = Case::new(&[(0, 5)], &[(0, 20)]).earliest(&[(0, 12)]);
    let plan = case.lossy("offsets 5 to 11 are gone").unwrap();
    assert_eq!(plan.start.offsets, per(&[(0, 12)]));
    assert_eq!(plan.end.offsets, per(&[(0, 20)]));
}

#[test]
fn everything_aged_out_since_the_run_began_reads_nothing() {
    let case = Case::new(&[(0, 5)], &[(0, 20)])
        .earliest(&[(0, 30)])
        .latest_now(&[(0, 40)]);
    let plan = case.lossy("offsets 5 to 19 are gone").unwrap();
    assert_eq!(plan.start.offsets, plan.end.offsets);
}

#[test]
fn vanished_partition_is_loss_or_dropped() {
    let case = Case::new(&[(0, 5), (1, 5)], &[(0, 6)]);
    let plan = case
        .lossy("partition 1 of topic \"orders\", read up to 5, does not exist")
        .unwrap();
    assert_eq!(plan.end.offsets, per(&[(0, 6)]));
}

#[test]
fn empty_offset_set_is_never_planned() {
    assert_eq!(Case::new(&[(0, 5)], &[]).lossy("does not exist"), None);
}

#[test]
fn unsubscribed_topic_is_loss_or_keeps_its_place() {
    let mut case = Case::new(&[(0, 5)], &[(0, 6)]);
    let gone = TopicPartition::new("gone", 3);
    case.reached.offsets.insert(gone.clone(), 8);
    case.reached
        .topic_ids
        .insert("gone".to_owned(), "g".to_owned());
    let plan = case.lossy("is not in the subscription any longer").unwrap();
    assert_eq!(plan.start.offsets.get(&gone), Some(&8));
    assert_eq!(plan.end.offsets.get(&gone), Some(&8));
    assert_eq!(
        plan.end.topic_ids.get("gone").map(String::as_str),
        Some("g")
    );
}

#[test]
fn recreated_topic_is_loss_naming_both_ids_or_starts_at_its_beginning() {
    let mut case = Case::new(&[(0, 50)], &[(0, 60)]).earliest(&[(0, 2)]);
    case.reached.topic_ids = [(ORDERS.to_owned(), "before".to_owned())].into();
    let plan = case.lossy("its id was before, is id").unwrap();
    assert_eq!(plan.start.offsets, per(&[(0, 2)]));
    assert_eq!(plan.end.offsets, per(&[(0, 60)]));
    assert_eq!(plan.end.topic_ids, case.frozen.topic_ids);
}

#[test]
fn recreated_topic_of_equal_length_is_noticed() {
    let mut case = Case::new(&[(0, 50)], &[(0, 50)]);
    case.reached.topic_ids = [(ORDERS.to_owned(), "before".to_owned())].into();
    let plan = case.lossy("deleted and created again").unwrap();
    assert_eq!(plan.start.offsets, per(&[(0, 0)]));
}

#[test]
fn ids_that_appear_or_disappear_are_no_recreation() {
    let mut case = Case::new(&[(0, 5)], &[(0, 5)]);
    case.reached.topic_ids.clear();
    assert_eq!(case.lossless(), None);
    let mut case = Case::new(&[(0, 5)], &[(0, 6)]);
    case.frozen.topic_ids.clear();
    let plan = case.plan(&mut LossPolicy::new(true)).unwrap().unwrap();
    assert_eq!(plan.end.topic_ids, case.reached.topic_ids);
}

#[test]
fn frozen_end_that_cannot_be_reached_fails_whatever_the_option_says() {
    Case::new(&[(0, 5)], &[(0, 20)])
        .latest_now(&[(0, 15)])
        .fails_anyway("was to be read up to 20 and ends at 15");
    Case::new(&[(0, 5)], &[(0, 20)])
        .latest_now(&[])
        .fails_anyway("was deleted");
    let mut case = Case::new(&[(0, 5)], &[(0, 20)]);
    case.now.topic_ids = [(ORDERS.to_owned(), "after".to_owned())].into();
    case.fails_anyway("was deleted and created again");
}
