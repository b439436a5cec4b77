//! What a query tells about itself, and how much it keeps.

use serde_json::json;
use weir_plan::ErrorKind;

use super::*;
use crate::query::DryRun;
use crate::testing::Action;

#[tokio::test]
async fn summary_and_progress_agree_with_what_was_done() {
    let world = World::with_limit(&[5], 2);
    let query = StreamingQuery::start(world.spec()).await.unwrap();
    query.await_termination().await.unwrap();

    let summary = query.summary();
    assert_eq!(
        (summary.batches, summary.input_rows, summary.output_rows),
        (3, 5, 5)
    );
    assert_eq!(summary.start_offsets, [json!([])]);
    assert_eq!(summary.end_offsets, [json!([5])]);
    assert_eq!(summary.sink_version, query.sink_version().await.unwrap());
    assert_eq!(query.remaining_lag().await.unwrap(), 0);

    let progress = query.recent_progress();
    let rows: Vec<_> = progress.iter().map(|batch| batch.num_input_rows).collect();
    assert_eq!(rows, [2, 2, 1]);
    let last = query.last_progress().unwrap();
    assert_eq!(last.sources[0].start_offset, json!([4]));
    assert_eq!(last.sources[0].end_offset, json!([5]));
    assert_eq!(last.sources[0].latest_offset, json!([5]));
    assert_eq!((last.sink.num_output_rows, last.sink.version), (1, Some(2)));
    assert!(!last.recovered);
}

#[tokio::test]
async fn recovered_batch_is_counted_and_marked() {
    let world = World::with_limit(&[4], 2);
    world.sink.script.add("sink commit 0", Action::FailAfter);
    finish(world.spec()).await.unwrap_err();

    let query = StreamingQuery::start(world.spec()).await.unwrap();
    query.await_termination().await.unwrap();
    let summary = query.summary();
    assert_eq!((summary.batches, summary.input_rows), (2, 4));
    assert_eq!(summary.start_offsets, [json!([])]);
    let marks: Vec<_> = query
        .recent_progress()
        .iter()
        .map(|batch| batch.recovered)
        .collect();
    assert_eq!(marks, [true, false]);
}

#[tokio::test]
async fn failed_recovery_still_knows_its_place() {
    let world = World::new(&[4]);
    world.runner.script.add("runner run", Action::FailBefore);
    finish(world.spec()).await.unwrap_err();

    world.runner.script.add("runner run", Action::FailBefore);
    let query = StreamingQuery::start(world.spec()).await.unwrap();
    query.await_termination().await.unwrap_err();
    assert_eq!(query.summary().end_offsets, [json!([])]);
    assert_eq!(query.remaining_lag().await.unwrap(), 4);
}

#[tokio::test]
async fn history_is_bounded_and_a_restart_goes_on_from_it() {
    let world = World::with_limit(&[10], 1);
    let mut spec = world.spec();
    spec.retain_batches = 3;
    finish(spec).await.unwrap();
    for dir in ["offsets", "prepared", "commits"] {
        assert_eq!(world.entries(dir).await, [7, 8, 9], "{dir}");
    }
    world.source.append(0, 2);
    assert_eq!(world.drain().await.batches, 2);
    world.assert_exactly_once();
}

#[tokio::test]
async fn history_that_cannot_be_deleted_does_not_stop_the_query() {
    let world = World::with_limit(&[4], 1);
    let (mut spec, script) = world.scripted();
    spec.retain_batches = 2;
    script.add("store delete prepared/0", Action::FailBefore);
    finish(spec).await.unwrap();
    assert!(script.is_played());
    assert_eq!(world.entries("prepared").await, [2, 3], "made up for later");
}

#[tokio::test]
async fn progress_records_are_bounded() {
    let world = World::with_limit(&[103], 1);
    let query = StreamingQuery::start(world.spec()).await.unwrap();
    query.await_termination().await.unwrap();
    let kept = query.recent_progress();
    assert_eq!(kept.len(), 100);
    assert_eq!(kept[0].batch_id.0, 3);
    assert_eq!(query.summary().batches, 103);
}

#[tokio::test]
async fn refused_sink_leaves_the_checkpoint_unclaimed() {
    let world = World::new(&[1]);
    *world.sink.refuses.lock().unwrap() = true;
    let error = finish(world.spec()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);

    let mut spec = world.spec();
    spec.sink = Arc::new(MemorySink::at("memory:///corrected"));
    assert_eq!(finish(spec).await.unwrap().batches, 1);
}

#[tokio::test]
async fn query_with_another_sink_or_source_is_refused() {
    let world = World::new(&[1]);
    world.drain().await;
    let mut elsewhere = world.spec();
    elsewhere.sink = Arc::new(MemorySink::at("memory:///other"));
    let twice = world
        .sql("SELECT value FROM events UNION ALL SELECT value FROM others")
        .await;
    for spec in [elsewhere, world.spec_of(twice)] {
        let error = finish(spec).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckpointMismatch, "{error}");
    }
}

#[tokio::test]
async fn dry_run_tells_what_a_run_would_do_and_writes_nothing() {
    let world = World::with_limit(&[5], 2);
    let plan = DryRun::plan(world.spec()).await.unwrap();
    assert_eq!((plan.query_id, plan.batches, plan.records), (None, 3, 5));
    assert_eq!(world.store.get("metadata").await.unwrap(), None);

    world.runner.script.add("runner run", Action::FailBefore);
    let query = StreamingQuery::start(world.spec()).await.unwrap();
    query.await_termination().await.unwrap_err();
    let plan = DryRun::plan(world.spec()).await.unwrap();
    assert_eq!(plan.query_id, Some(query.id()));
    assert!(plan.unfinished.unwrap().contains("batch 0"));
    assert_eq!((plan.batches, plan.records), (2, 3));
    assert_eq!(
        (plan.start_offsets, plan.end_offsets),
        (vec![json!([2])], vec![json!([5])])
    );
    assert_eq!(world.entries("offsets").await, [0]);
}
