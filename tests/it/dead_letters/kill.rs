//! kill -9 with dead letters on: each record is in the table or among the letters, once.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::{Offsets, python_or_skip};

use super::{Accounts, RUN_WITHIN, broken, good, places, renamed};

const PARTITIONS: i32 = 4;
const RECORDS: usize = 60_000;
const PER_BATCH: usize = 1_000;

/// One in ten is a letter.
fn mixed(n: usize) -> Record {
    match n % 20 {
        7 => renamed(n),
        12 => broken(n),
        _ => good(n),
    }
}

async fn kills_leave_each_record_in_one_place(master: Option<&str>, kills: usize) {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let seed =
        std::env::var("WEIR_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    println!("WEIR_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let lake = TempLake::new();
    let topic = broker.new_topic("dlq_kill", PARTITIONS).await;
    let producer = broker.producer();
    producer.produce_n(&topic, PARTITIONS, RECORDS, mixed).await;
    let mut job = Accounts::new(broker, &lake, &topic);
    if let Some(master) = master {
        job = job.env("WEIR_MASTER", master);
    }
    let small = job.clone().option("source.maxOffsetsPerTrigger", PER_BATCH);
    let rows = python.watch_versions(&job.table, Offsets::Distinct).await;
    let letters = python.watch_versions(&job.letters, Offsets::Distinct).await;

    // Each step once: what it leaves is where the next start begins.
    for step in [
        "offsets_logged",
        "mid_write",
        "prepared",
        "dead_letters_committed",
        "sink_committed",
        "closed",
    ] {
        // The first file of a batch may be one of letters.
        let killed = small.clone().killed_at(step, lake.path());
        let killed = killed.start().wait(RUN_WITHIN).await;
        assert!(!killed.status.success(), "{step}: {killed}");
    }
    for kill in 0..kills {
        let mut process = small.start();
        if kill % 3 == 0 {
            process.stderr_line("batch closed", RUN_WITHIN).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
        assert!(process.is_running(), "drained after {kill} kills");
        process.kill();
    }
    let (_, counts) = job.drain().await;
    assert_eq!(counts["over"], counts["batches"], "{counts}");
    rows.finish().await.expect_no_violation();
    letters.finish().await.expect_no_violation();

    let (rows, letters) = (
        places(&python, &job.table).await,
        places(&python, &job.letters).await,
    );
    assert_eq!(letters.len(), RECORDS / 10);
    assert_eq!(rows.len(), RECORDS - letters.len());
    let mut all = [rows, letters].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), RECORDS, "a record is in both places");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_every_step_and_at_random_leave_each_record_in_the_table_or_the_dead_letters() {
    kills_leave_each_record_in_one_place(None, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_on_executors_leave_each_record_in_the_table_or_the_dead_letters() {
    kills_leave_each_record_in_one_place(Some("local-cluster[2,1]"), 3).await;
}
