//! Two processes on one checkpoint, and processes that slept.

use std::collections::BTreeMap;

use tokio::sync::Barrier;
use weir_plan::{Error, ErrorKind, RunId};

use super::*;
use crate::store::LocalCheckpointStore;

/// One process: its run, once it was started, and how it ended.
type Outcome = (Option<RunId>, Result<QuerySummary>);

/// Runs `processes` at once.
async fn race(processes: Vec<QuerySpec>) -> Vec<Outcome> {
    let start = Arc::new(Barrier::new(processes.len()));
    let racing = processes.into_iter().map(|spec| {
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            match StreamingQuery::start(spec).await {
                Ok(query) => {
                    let ended = query.await_termination().await;
                    (Some(query.run_id()), ended.map(|()| query.summary()))
                }
                Err(error) => (None, Err(error)),
            }
        })
    });
    let ended = futures::future::join_all(racing).await;
    ended.into_iter().map(Result::unwrap).collect()
}

/// Every loser names a run, and not its own.
fn assert_losers_are_fenced(outcomes: &[Outcome]) {
    assert!(
        outcomes.iter().any(|(_, ended)| ended.is_ok()),
        "{outcomes:?}"
    );
    for (own, ended) in outcomes {
        let Err(error) = ended else { continue };
        assert_fenced(error);
        let others = outcomes.iter().filter_map(|(run, _)| *run);
        let named = others
            .filter(|run| Some(*run) != *own)
            .any(|run| error.to_string().contains(&format!("run {run}")));
        assert!(named, "{error}");
    }
}

fn assert_fenced(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_racing_on_a_new_checkpoint_commit_everything_once() {
    let mut fenced = 0;
    for round in 0..40 {
        let world = World::with_limit(&[5, 4], 3);
        let processes = (0..2 + round % 2).map(|_| world.spec()).collect();
        let outcomes = race(processes).await;
        assert_losers_are_fenced(&outcomes);
        world.assert_exactly_once();
        assert_eq!(world.sink.batches(), [0, 1, 2]);
        fenced += outcomes.iter().filter(|(_, ended)| ended.is_err()).count();
    }
    assert!(fenced > 0, "no two processes ever met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_racing_to_recover_a_batch_commit_everything_once() {
    use crate::testing::Action::FailBefore;
    for round in 0..24 {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::with_limit(&[9], 2);
        world.store = Arc::new(LocalCheckpointStore::new(dir.path()).unwrap());
        // A batch that was planned, or prepared, or committed and not closed.
        let (spec, script) = world.scripted();
        match round % 3 {
            0 => world.runner.script.add("runner run", FailBefore),
            1 => world.sink.script.add("sink commit 0", FailBefore),
            _ => script.add("store put commits/0", FailBefore),
        }
        finish(spec).await.unwrap_err();
        let processes = (0..2).map(|_| {
            let mut spec = world.spec();
            spec.retain_batches = 2;
            spec
        });
        assert_losers_are_fenced(&race(processes.collect()).await);
        world.assert_exactly_once();
        assert_eq!(world.sink.batches(), [0, 1, 2, 3, 4]);
    }
}

/// A process sleeps before `place`; another one drains the stream; the sleeper wakes up.
async fn sleeper(world: &World, place: &str, retain_batches: u64) -> Error {
    let (mut spec, script) = world.scripted();
    spec.retain_batches = retain_batches;
    let gate = match place.split_once(' ') {
        Some(("sink", _)) => world.sink.script.hold(place),
        Some(("runner", _)) => world.runner.script.hold(place),
        _ => script.hold(place),
    };
    let sleeping = StreamingQuery::start(spec).await.unwrap();
    gate.arrived().await;

    let mut spec = world.spec();
    spec.retain_batches = retain_batches;
    let winner = StreamingQuery::start(spec).await.unwrap();
    winner.await_termination().await.unwrap();
    world.assert_exactly_once();

    gate.open();
    let error = sleeping.await_termination().await.unwrap_err();
    assert_fenced(&error);
    let named = format!("run {}", winner.run_id());
    assert!(error.to_string().contains(&named), "{error}");
    error
}

#[tokio::test]
async fn sleeper_that_wakes_up_in_each_phase_is_fenced() {
    let places = [
        "store put offsets/0",
        "runner run",
        "store put prepared/0",
        "sink commit 0",
        "store put commits/0",
        "store put offsets/1",
        "store put prepared/1",
    ];
    for place in places {
        let world = World::with_limit(&[6], 2);
        sleeper(&world, place, 100).await;
        world.assert_exactly_once();
        assert_eq!(world.sink.batches(), [0, 1, 2], "{place}");
        assert_eq!(world.drain().await.batches, 0, "{place}");
    }
}

#[tokio::test]
async fn sleeper_whose_batch_was_purged_meanwhile_is_fenced() {
    let places = [
        "store put offsets/0",
        "runner run",
        "store put prepared/0",
        "sink commit 0",
        "store put commits/0",
        "store put offsets/1",
        "store put prepared/1",
    ];
    for place in places {
        let world = World::with_limit(&[12], 2);
        sleeper(&world, place, 2).await;
        world.assert_exactly_once();
        assert_eq!(world.sink.batches(), [0, 1, 2, 3, 4, 5], "{place}");
        // It runs one batch for nothing at most, and does not follow the winner from name to name.
        assert!(world.runner.runs() <= 7, "{place}");
        // What it left behind is in nobody's way.
        world.source.append(0, 3);
        let mut spec = world.spec();
        spec.retain_batches = 2;
        assert_eq!(finish(spec).await.unwrap().batches, 2, "{place}");
        world.assert_exactly_once();
        assert_eq!(world.entries("offsets").await, [6, 7], "{place}");
    }
}

#[tokio::test]
async fn second_process_with_another_parameter_does_not_change_a_batch() {
    let world = World::new(&[2]);
    let spec = |date: &str| {
        let pinned = weir_plan::functions::pinned("load_date", date);
        let frame = world.frame().with_column("load_date", pinned).unwrap();
        world.spec_of(frame.into_unoptimized_plan())
    };
    let gate = world.runner.script.hold("runner run");
    let slow = StreamingQuery::start(spec("2026-01-31")).await.unwrap();
    gate.arrived().await;
    finish(spec("2026-02-01")).await.unwrap();
    gate.open();
    assert_fenced(&slow.await_termination().await.unwrap_err());
    let counts = world.sink.values("load_date").into_iter().fold(
        BTreeMap::new(),
        |mut counts: BTreeMap<String, u32>, day| {
            *counts.entry(day).or_default() += 1;
            counts
        },
    );
    assert_eq!(counts, BTreeMap::from([("2026-01-31".to_owned(), 2)]));
}
