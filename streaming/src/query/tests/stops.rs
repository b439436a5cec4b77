//! A stop request, in each phase of a query.

use std::time::Duration;

use super::*;
use crate::progress::QueryEvent;
use crate::testing::{Action, Events, Gate};

#[tokio::test]
async fn stop_while_the_batch_runs_abandons_it() {
    let world = World::new(&[4]);
    let gate = world.runner.script.hold("runner run");
    stopped_at(world.spec(), gate).await;
    assert_eq!(world.entries("offsets").await, [0]);
    assert!(world.entries("prepared").await.is_empty());
    assert!(world.sink.batches().is_empty());

    assert_eq!(world.drain().await.batches, 1);
    world.assert_exactly_once();
}

#[tokio::test]
async fn stop_while_a_source_is_asked_ends_the_query_without_a_trace() {
    let places = [
        "source initial_offset",
        "source latest_offset",
        "source next_range",
    ];
    for place in places {
        let world = World::new(&[4]);
        let gate = world.source.script.hold(place);
        let query = stopped_at(world.spec(), gate).await;
        assert!(world.entries("offsets").await.is_empty(), "{place}");
        // Nobody may read "nothing left" out of a query that did not get to know.
        let lag = query.remaining_lag().await;
        assert_eq!(
            lag.ok(),
            (place != "source initial_offset").then_some(4),
            "{place}"
        );
        world.drain().await;
        world.assert_exactly_once();
    }
}

#[tokio::test]
async fn stop_while_a_batch_is_planned_abandons_it() {
    let world = World::new(&[4]);
    let gate = world.source.script.hold("source read");
    stopped_at(world.spec(), gate).await;
    assert_eq!(world.runner.runs(), 0);
    world.drain().await;
    world.assert_exactly_once();
}

#[tokio::test]
async fn stop_from_the_commit_on_finishes_the_batch_and_plans_no_other() {
    for place in [
        "store put prepared/0",
        "sink commit 0",
        "store put commits/0",
    ] {
        let world = World::with_limit(&[4], 2);
        let (spec, script) = world.scripted();
        let gate = match place {
            "sink commit 0" => world.sink.script.hold(place),
            _ => script.hold(place),
        };
        let query = StreamingQuery::start(spec).await.unwrap();
        gate.arrived().await;
        query.stop();
        gate.open();
        query.await_termination().await.unwrap();
        assert_eq!(query.summary().batches, 1, "{place}");
        assert_eq!(world.entries("commits").await, [0], "{place}");
        assert_eq!(world.entries("offsets").await, [0], "{place}");
        assert_eq!(query.remaining_lag().await.unwrap(), 2, "{place}");
        world.drain().await;
        world.assert_exactly_once();
        assert_eq!(world.runner.runs(), 2, "{place}");
    }
}

#[tokio::test]
async fn stop_while_offsets_are_logged_leaves_a_batch_to_run_again() {
    let world = World::with_limit(&[4], 2);
    let (spec, script) = world.scripted();
    // The run after it would wait for ever, had it not been stopped.
    let _never = world.runner.script.hold("runner run");
    let gate = script.hold("store put offsets/0");
    let query = StreamingQuery::start(spec).await.unwrap();
    gate.arrived().await;
    query.stop();
    gate.open();
    query.await_termination().await.unwrap();
    assert_eq!(query.summary().batches, 0);
    assert_eq!(world.entries("offsets").await, [0]);
}

#[tokio::test]
async fn stop_during_the_rerun_of_a_batch_abandons_it_again() {
    let world = World::new(&[4]);
    world.runner.script.add("runner run", Action::FailAfter);
    finish(world.spec()).await.unwrap_err();
    let gate = world.runner.script.hold("runner run");
    let query = stopped_at(world.spec(), gate).await;
    assert_eq!(query.remaining_lag().await.unwrap(), 4);
    world.drain().await;
    world.assert_exactly_once();
}

#[tokio::test]
async fn stop_that_was_asked_for_is_no_error_to_listeners() {
    let world = World::new(&[4]);
    let (events, mut heard) = Events::channel();
    let mut spec = world.spec();
    spec.listeners.push(Arc::new(events));
    let gate = world.runner.script.hold("runner run");
    stopped_at(spec, gate).await;
    let mut last = None;
    while let Some(event) = heard.recv().await {
        last = Some(event);
    }
    assert!(
        matches!(last, Some(QueryEvent::Terminated { error: None, .. })),
        "{last:?}"
    );
}

#[tokio::test]
async fn waiting_for_the_end_can_be_given_up_and_taken_up_again() {
    let world = World::new(&[4]);
    let gate = world.runner.script.hold("runner run");
    world.sink.script.add("sink commit 0", Action::FailBefore);
    let query = StreamingQuery::start(world.spec()).await.unwrap();
    gate.arrived().await;
    let early = tokio::time::timeout(Duration::ZERO, query.await_termination()).await;
    assert!(early.is_err(), "the query is still running");
    gate.open();
    let error = query.await_termination().await.unwrap_err();
    assert!(
        error.to_string().contains("fault at sink commit 0"),
        "{error}"
    );
}

#[tokio::test]
async fn query_goes_on_without_its_handle() {
    let world = World::new(&[4]);
    let (events, mut heard) = Events::channel();
    let mut spec = world.spec();
    spec.listeners.push(Arc::new(events));
    drop(StreamingQuery::start(spec).await.unwrap());
    while heard.recv().await.is_some() {}
    world.assert_exactly_once();
}

/// Starts the query, stops it when it stands before `gate`, and waits for its end; the gate stays
/// shut.
async fn stopped_at(spec: QuerySpec, gate: Arc<Gate>) -> StreamingQuery {
    let query = StreamingQuery::start(spec).await.unwrap();
    gate.arrived().await;
    query.stop();
    query.await_termination().await.unwrap();
    assert_eq!(query.summary().batches, 0);
    query
}
