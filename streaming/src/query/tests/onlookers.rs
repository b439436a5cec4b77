//! What onlookers see of a query: how far it is behind, in its progress and in the source's own record.

use serde_json::json;

use super::*;
use crate::testing::Action;

const PLACE: &str = "source commit_offsets";

#[tokio::test]
async fn each_batch_says_how_far_it_is_behind_and_the_last_is_told() {
    let world = World::with_limit(&[5, 1], 2);
    world.source.tell("onlookers");
    let query = StreamingQuery::start(world.spec()).await.unwrap();
    query.await_termination().await.unwrap();

    let progress = query.recent_progress();
    let first = &progress[0].sources[0];
    assert_eq!(first.offsets_behind_latest, json!([3, 1]));
    assert_eq!(
        serde_json::to_value(&first.metrics).unwrap(),
        json!({
            "avgOffsetsBehindLatest": "2.0",
            "maxOffsetsBehindLatest": "3",
            "minOffsetsBehindLatest": "1",
            "totalOffsetsBehindLatest": "4",
        })
    );
    let last = &query.last_progress().unwrap().sources[0];
    assert_eq!(last.offsets_behind_latest, json!([0, 0]));
    assert_eq!(last.metrics["avgOffsetsBehindLatest"], "0.0");
    assert_eq!(last.group_id.as_deref(), Some("onlookers"));

    // Positions may be passed over, the last one never.
    assert_eq!(world.source.told().last().unwrap().0, json!([5, 1]));
    let summary = query.summary();
    assert_eq!(summary.group_ids, [Some("onlookers".to_owned())]);
    assert_eq!(summary.offset_commit_failures, 0);
}

#[tokio::test]
async fn failure_to_tell_is_counted_and_made_up_for_by_the_next_run() {
    let world = World::new(&[4]);
    world.source.tell("onlookers");
    world.source.script.add(PLACE, Action::FailBefore);
    let summary = world.drain().await;
    assert_eq!((summary.batches, summary.offset_commit_failures), (1, 1));
    assert!(world.source.told().is_empty());
    world.assert_exactly_once();

    // There is nothing new to read, but something to tell.
    let summary = world.drain().await;
    assert_eq!((summary.batches, summary.offset_commit_failures), (0, 0));
    assert_eq!(world.source.told().last().unwrap().0, json!([4]));
}

#[tokio::test]
async fn batches_do_not_wait_for_a_telling_that_hangs() {
    let world = World::with_limit(&[6], 2);
    world.source.tell("onlookers");
    let gate = world.source.script.hold(PLACE);
    let query = StreamingQuery::start(world.spec()).await.unwrap();
    gate.arrived().await;
    // The last batch is committed while the first telling stands.
    while query.summary().batches < 3 {
        tokio::task::yield_now().await;
    }
    assert!(world.source.told().is_empty());
    gate.open();
    query.await_termination().await.unwrap();
    assert_eq!(world.source.told().last().unwrap().0, json!([6]));
    world.assert_exactly_once();
}

#[tokio::test]
async fn query_ends_though_a_telling_never_does() {
    let world = World::new(&[4]);
    world.source.tell("onlookers");
    let _gate = world.source.script.hold(PLACE);
    let summary = world.drain().await;
    assert_eq!((summary.batches, summary.offset_commit_failures), (1, 1));
    world.assert_exactly_once();
}

#[tokio::test]
async fn nobody_is_told_without_a_place_to_tell() {
    let world = World::new(&[4]);
    let summary = world.drain().await;
    assert_eq!(summary.group_ids, [None]);
    assert!(world.source.told().is_empty());
}
