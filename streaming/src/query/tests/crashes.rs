//! A query that dies after every protocol step, and what the next start makes of it.

use weir_plan::functions::pinned;
use weir_plan::{BatchId, ErrorKind};

use datafusion::functions::expr_fn::now;

use super::*;
use crate::progress::BatchStep;
use crate::testing::{Action, DiesAt};

const STEPS: [BatchStep; 4] = [
    BatchStep::OffsetsLogged,
    BatchStep::Prepared,
    BatchStep::SinkCommitted,
    BatchStep::Closed,
];

pub(super) async fn dies(mut spec: QuerySpec, batch: u64, step: BatchStep) {
    spec.listeners.push(Arc::new(DiesAt::new(batch, step)));
    let error = finish(spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
}

#[tokio::test]
async fn death_after_each_step_leaves_every_record_exactly_once() {
    for step in STEPS {
        for batch in 0..3 {
            let world = World::with_limit(&[6], 2);
            dies(world.spec(), batch, step).await;
            world.source.append(0, 2);
            let summary = world.drain().await;
            let recovered = u64::from(step != BatchStep::Closed);
            assert_eq!(
                summary.batches,
                3 - batch + recovered,
                "{step:?} of {batch}"
            );
            assert_eq!(world.sink.batches(), [0, 1, 2, 3]);
            world.assert_exactly_once();
            // What was prepared is committed, what was planned runs: nothing is computed twice.
            assert_eq!(world.runner.runs(), 4, "{step:?} of {batch}");
            assert_eq!(world.sink.orphans(), 0, "{step:?} of {batch}");
        }
    }
}

#[tokio::test]
async fn death_in_each_step_of_a_recovery_leaves_every_record_exactly_once() {
    for first in &STEPS[..3] {
        for second in STEPS.iter().skip_while(|step| *step != first) {
            let world = World::with_limit(&[4], 2);
            dies(world.spec(), 0, *first).await;
            // A step that was taken before the first death is not taken again.
            let again = match second {
                step if step == first => BatchStep::Closed,
                step => *step,
            };
            dies(world.spec(), 0, again).await;
            world.drain().await;
            assert_eq!(world.sink.batches(), [0, 1], "{first:?}, {again:?}");
            world.assert_exactly_once();
            assert_eq!(world.runner.runs(), 2, "{first:?}, {again:?}");
        }
    }
}

#[tokio::test]
async fn failure_after_tasks_wrote_leaves_orphans_and_no_duplicate() {
    let world = World::new(&[3, 3]);
    world.runner.script.add("runner run", Action::FailAfter);
    finish(world.spec()).await.unwrap_err();
    let orphans = world.sink.orphans();
    assert!(orphans > 0);
    assert!(world.sink.values("value").is_empty());
    // Records that came meanwhile are not in the range that was logged.
    world.source.append(0, 5);
    assert_eq!(world.drain().await.batches, 2);
    assert_eq!(world.source.reads()[0], world.source.reads()[1]);
    assert_eq!(world.sink.orphans(), orphans);
    world.assert_exactly_once();
}

#[tokio::test]
async fn fault_at_each_call_leaves_every_record_exactly_once() {
    let places = [
        "store put metadata",
        "store put start",
        "store list offsets",
        "store put offsets/1",
        "store put prepared/1",
        "store put commits/1",
        "store list prepared",
        "store delete offsets/0",
        "sink commit 1",
        "runner run",
        "source initial_offset",
        "source latest_offset",
        "source next_range",
        "source read",
    ];
    for place in places {
        for action in [Action::FailBefore, Action::FailAfter] {
            let world = World::with_limit(&[6], 2);
            let (spec, script) = world.scripted();
            script_of(&world, &script, place).add(place, action.clone());
            let failed = finish(spec).await;
            world.drain().await;
            assert_eq!(
                world.sink.batches(),
                [0, 1, 2],
                "{action:?} {place}: {failed:?}"
            );
            world.assert_exactly_once();
        }
    }
}

/// Runs that fail at random places, one after the other, while the stream grows.
#[tokio::test]
async fn runs_that_fail_at_random_leave_every_record_exactly_once() {
    for seed in 1..=40 {
        let mut random = Random(seed);
        let world = World::with_limit(&[3], 2);
        for _ in 0..8 {
            world.source.append(random.below(2), random.below(4) as u64);
            let batch = random.below(8);
            let places = [
                format!("store put offsets/{batch}"),
                format!("store put prepared/{batch}"),
                format!("store put commits/{batch}"),
                format!("store get offsets/{batch}"),
                format!("sink commit {batch}"),
                "runner run".to_owned(),
            ];
            let place = &places[random.below(places.len())];
            let action = [Action::FailBefore, Action::FailAfter][random.below(2)].clone();
            let (mut spec, script) = world.scripted();
            spec.retain_batches = 2;
            script_of(&world, &script, place).add(place, action);
            if random.below(3) == 0 {
                let dying = DiesAt::new(batch as u64, STEPS[random.below(4)]);
                spec.listeners.push(Arc::new(dying));
            }
            // It may come to its end all the same.
            let _ = finish(spec).await;
        }
        world.sink.script.clear();
        world.runner.script.clear();
        world.drain().await;
        assert_eq!(
            world.sink.values("value"),
            world.source.values(),
            "seed {seed}"
        );
        let batches = world.sink.batches();
        assert!(
            batches.is_sorted_by(|one, next| one + 1 == *next),
            "seed {seed}: {batches:?}"
        );
    }
}

#[tokio::test]
async fn pinned_parameter_keeps_its_logged_value_on_rerun() {
    let world = World::with_limit(&[4], 2);
    let spec = |date: &str| {
        let frame = world
            .frame()
            .with_column("load_date", pinned("load_date", date));
        world.spec_of(frame.unwrap().into_unoptimized_plan())
    };
    dies(spec("2026-01-31"), 0, BatchStep::OffsetsLogged).await;
    finish(spec("2026-02-01")).await.unwrap();
    let days = ["2026-01-31", "2026-01-31", "2026-02-01", "2026-02-01"];
    assert_eq!(world.sink.values("load_date"), days);
}

#[tokio::test]
async fn parameter_that_the_logged_batch_lacks_is_refused() {
    let world = World::new(&[4]);
    dies(world.spec(), 0, BatchStep::OffsetsLogged).await;
    let frame = world
        .frame()
        .with_column("day", pinned("load_date", "2026-02-01"));
    let changed = world.spec_of(frame.unwrap().into_unoptimized_plan());
    let error = finish(changed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
    assert!(error.to_string().contains("load_date"), "{error}");
    world.drain().await;
    world.assert_exactly_once();
}

#[tokio::test]
async fn current_timestamp_is_the_logged_time_on_rerun() {
    let world = World::with_limit(&[4], 2);
    let spec = || {
        let frame = world.frame().with_column("at", now()).unwrap();
        world.spec_of(frame.into_unoptimized_plan())
    };
    dies(spec(), 0, BatchStep::OffsetsLogged).await;
    world.clock.set("2026-02-01T00:00:05Z");
    let query = StreamingQuery::start(spec()).await.unwrap();
    query.await_termination().await.unwrap();
    let (before, after) = ("2026-01-31T23:59:58", "2026-02-01T00:00:05");
    assert_eq!(world.sink.values("at"), [before, before, after, after]);
    let progress = query.recent_progress();
    assert_eq!(progress[0].batch_id, BatchId(0));
    assert_eq!(
        progress[0].timestamp.to_rfc3339(),
        "2026-01-31T23:59:58+00:00"
    );
}

fn script_of<'a>(world: &'a World, store: &'a Script, place: &str) -> &'a Script {
    match place.split(' ').next() {
        Some("sink") => &world.sink.script,
        Some("runner") => &world.runner.script,
        Some("source") => &world.source.script,
        _ => store,
    }
}

/// Xorshift: the same numbers for the same seed, on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

#[tokio::test]
async fn sink_that_lost_a_closed_batch_is_refused_and_no_batch_is_planned() {
    let world = World::with_limit(&[4], 2);
    world.drain().await;
    world.source.append(0, 2);
    let mut spec = world.spec();
    // Another table in the place of the one that was filled.
    spec.sink = Arc::new(MemorySink::at("memory:///table"));
    let error = finish(spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CheckpointMismatch, "{error}");
    assert!(error.to_string().contains("batch 1"), "{error}");
    assert_eq!(world.entries("offsets").await, [0, 1]);
    world.drain().await;
    world.assert_exactly_once();
}
