//! Two processes on one checkpoint: one goes on, the other stops and names it, and the table holds
//! each record once.

use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::process::Finished;
use weir_tests::python::python_or_skip;

use crate::bronze::{Bronze, RUN_WITHIN, expect_error, unpause};

const ROUNDS: usize = 5;

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

/// Whether the run succeeded; else it must have been fenced by process `winner`.
fn succeeded(finished: &Finished, winner: u32) -> bool {
    if finished.status.success() {
        return true;
    }
    assert_eq!(finished.status.code(), Some(1), "{finished}");
    let winner = format!("process {winner} on");
    let parts = [winner.as_str(), "one process per checkpoint"];
    expect_error(&finished.last_json(), "fenced", &parts);
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_leave_one_winner_and_each_record_once() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let mut fenced = 0;
    for _ in 0..ROUNDS {
        let lake = TempLake::new();
        let topic = broker.new_topic("racers", 2).await;
        let produced = broker.producer().produce_n(&topic, 2, 600, record).await;
        let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 50);
        let (one, other) = (job.start(), job.start());
        let (one_id, other_id) = (one.id(), other.id());
        let (one, other) = tokio::join!(one.wait(RUN_WITHIN), other.wait(RUN_WITHIN));
        let won = [succeeded(&one, other_id), succeeded(&other, one_id)];
        assert_ne!(won, [false, false], "{one}{other}");
        fenced += won.iter().filter(|won| !**won).count();
        python
            .read_delta(&job.table)
            .await
            .expect_exactly(&produced);
    }
    println!("{fenced} of {ROUNDS} rounds ended with one fenced");
}

#[tokio::test(flavor = "multi_thread")]
async fn process_that_wakes_up_after_another_took_over_is_fenced() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    for step in ["offsets_logged:1", "prepared:1", "sink_committed:1"] {
        let lake = TempLake::new();
        let topic = broker.new_topic("zombie", 2).await;
        let produced = broker.producer().produce_n(&topic, 2, 300, record).await;
        let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 100);
        let mut zombie = job.clone().fault("pause", step).start();
        zombie.stderr_line("PAUSED", RUN_WITHIN).await;
        // All of it stops, not only the query: as in a suspended virtual machine.
        zombie.pause();
        let winner = job.start();
        let winner_id = winner.id();
        winner.wait(RUN_WITHIN).await.expect_success();

        zombie.resume();
        unpause(&mut zombie);
        let finished = zombie.wait(RUN_WITHIN).await;
        assert!(!succeeded(&finished, winner_id), "{step}: {finished}");
        let summary = python.read_delta(&job.table).await;
        summary.expect_exactly(&produced);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn process_that_wakes_up_between_batches_is_fenced_or_finds_nothing_to_do() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    for (step, fenced) in [("started", true), ("closed:1", true), ("closed:2", false)] {
        let lake = TempLake::new();
        let topic = broker.new_topic("between", 2).await;
        let produced = broker.producer().produce_n(&topic, 2, 300, record).await;
        let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 100);
        let mut zombie = job.clone().fault("pause", step).start();
        zombie.stderr_line("PAUSED", RUN_WITHIN).await;
        let winner = job.start();
        let winner_id = winner.id();
        winner.wait(RUN_WITHIN).await.expect_success();
        unpause(&mut zombie);
        let finished = zombie.wait(RUN_WITHIN).await;
        assert_eq!(
            !succeeded(&finished, winner_id),
            fenced,
            "{step}: {finished}"
        );
        let summary = python.read_delta(&job.table).await;
        summary.expect_exactly(&produced);
    }
}
