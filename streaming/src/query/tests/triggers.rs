//! What each trigger reads, and when it ends.

use std::time::Duration;

use serde_json::json;
use weir_plan::SourceOffset;

use super::*;
use crate::progress::{BatchStep, QueryEvent};
use crate::testing::Events;

#[tokio::test]
async fn drain_in_one_batch_holds_every_record_once() {
    let world = World::new(&[5, 0, 3]);
    let summary = world.drain().await;
    assert_eq!((summary.batches, summary.input_rows), (1, 8));
    world.assert_exactly_once();
    assert_eq!(world.entries("commits").await, [0]);
}

#[tokio::test]
async fn limit_splits_the_drain_into_batches() {
    let world = World::with_limit(&[5, 3], 3);
    let summary = world.drain().await;
    assert_eq!(summary.batches, 3);
    assert_eq!(world.sink.batches(), [0, 1, 2]);
    world.assert_exactly_once();
    let ends: Vec<_> = world
        .source
        .reads()
        .into_iter()
        .map(|range| range.end)
        .collect();
    let expected = [json!([3, 0]), json!([5, 1]), json!([5, 3])].map(SourceOffset);
    assert_eq!(ends, expected);
}

#[tokio::test]
async fn first_run_without_records_decides_where_the_query_begins() {
    let world = World::new(&[5]);
    world.source.start_at_end();
    assert_eq!(world.drain().await.batches, 0);
    world.source.append(0, 3);
    let summary = world.drain().await;
    assert_eq!(summary.start_offsets, [json!([5])]);
    assert_eq!(summary.input_rows, 3);
}

#[tokio::test]
async fn records_appended_after_the_start_wait_for_the_next_run() {
    let world = World::with_limit(&[4], 2);
    let (spec, script) = world.scripted();
    let gate = script.hold("store put offsets/0");
    let query = StreamingQuery::start(spec).await.unwrap();
    gate.arrived().await;
    world.source.append(0, 3);
    world.source.append(1, 2);
    gate.open();
    query.await_termination().await.unwrap();
    assert_eq!(query.summary().end_offsets, [json!([4])]);
    assert_eq!(query.remaining_lag().await.unwrap(), 5);
    assert_eq!(world.sink.values("value"), ["0/0", "0/1", "0/2", "0/3"]);

    assert_eq!(world.drain().await.start_offsets, [json!([4])]);
    world.assert_exactly_once();
}

#[tokio::test]
async fn no_records_is_success_without_batches() {
    let world = World::new(&[0, 0]);
    for _ in 0..2 {
        let summary = world.drain().await;
        assert_eq!((summary.batches, summary.output_rows), (0, 0));
    }
    assert!(world.entries("offsets").await.is_empty());
    assert_eq!(world.runner.runs(), 0);
}

#[tokio::test]
async fn drained_stream_makes_no_further_batch() {
    let world = World::new(&[2]);
    world.drain().await;
    assert_eq!(world.drain().await.batches, 0);
    assert_eq!(world.entries("offsets").await, [0]);
}

#[tokio::test]
async fn batch_whose_rows_are_all_filtered_out_is_closed() {
    let world = World::new(&[3]);
    let plan = world
        .sql("SELECT value FROM events WHERE value = 'none'")
        .await;
    let summary = finish(world.spec_of(plan)).await.unwrap();
    assert_eq!((summary.batches, summary.output_rows), (1, 0));
    assert_eq!(world.drain().await.batches, 0, "its records are read");
}

#[tokio::test]
async fn once_ignores_limits_and_makes_one_batch() {
    let world = World::with_limit(&[7], 2);
    let mut spec = world.spec();
    spec.trigger = Trigger::Once;
    assert_eq!(finish(spec).await.unwrap().batches, 1);
    world.assert_exactly_once();
}

#[tokio::test]
async fn processing_time_picks_up_new_records_until_it_is_stopped() {
    let world = World::new(&[2]);
    let (events, mut heard) = Events::channel();
    let mut spec = world.spec();
    spec.trigger = Trigger::ProcessingTime(Duration::ZERO);
    spec.listeners.push(Arc::new(events));
    let query = StreamingQuery::start(spec).await.unwrap();
    for batch in 0..3 {
        loop {
            if let QueryEvent::Progress(progress) = heard.recv().await.unwrap() {
                assert_eq!(progress.batch_id.0, batch);
                break;
            }
        }
        world.assert_exactly_once();
        if batch < 2 {
            world.source.append(batch as usize, 4);
        }
    }
    query.stop();
    query.await_termination().await.unwrap();
    assert_eq!(query.summary().batches, 3);
}

#[tokio::test]
async fn processing_time_waits_for_its_interval_and_stops_at_once() {
    let world = World::with_limit(&[4], 1);
    let (events, mut heard) = Events::channel();
    let mut spec = world.spec();
    spec.trigger = Trigger::ProcessingTime(Duration::from_secs(3600));
    spec.listeners.push(Arc::new(events));
    let query = StreamingQuery::start(spec).await.unwrap();
    while !matches!(heard.recv().await.unwrap(), QueryEvent::Progress(_)) {}
    query.stop_token().cancel();
    query.await_termination().await.unwrap();
    assert!(query.is_stopped());
    assert_eq!(query.summary().batches, 1, "the next tick was an hour away");
}

#[tokio::test]
async fn events_come_in_the_order_of_the_protocol() {
    let world = World::new(&[1]);
    let (events, mut heard) = Events::channel();
    let mut spec = world.spec();
    spec.listeners.push(Arc::new(events));
    finish(spec).await.unwrap();
    let mut steps = Vec::new();
    assert!(matches!(
        heard.recv().await,
        Some(QueryEvent::Started { .. })
    ));
    while let Some(QueryEvent::Step { step, .. }) = heard.recv().await {
        steps.push(step);
        if step == BatchStep::Closed {
            break;
        }
    }
    use BatchStep::{Closed, OffsetsLogged, Prepared, SinkCommitted};
    assert_eq!(steps, [OffsetsLogged, Prepared, SinkCommitted, Closed]);
    assert!(matches!(heard.recv().await, Some(QueryEvent::Progress(_))));
    let last = heard.recv().await;
    assert!(
        matches!(last, Some(QueryEvent::Terminated { error: None, .. })),
        "{last:?}"
    );
}
