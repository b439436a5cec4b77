//! kill -9 with dead letters on: each record is in the table or among the letters, once.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::{Offsets, python_or_skip};

use super::{Accounts, RUN_WITHIN, STEPS, broken, good, letters_of, places, renamed};

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

/// With letters in a table and a topic, and with `topic_only` in the topic alone.
async fn kills_leave_each_record_in_one_place(
    master: Option<&str>,
    topic_only: bool,
    kills: usize,
) {
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
    let dlq = broker.new_topic("dlq_kill_letters", 2).await;
    let mut job = match topic_only {
        true => Accounts::bare(broker, &lake, &topic),
        false => Accounts::new(broker, &lake, &topic),
    }
    .with_topic(broker, &dlq);
    if let Some(master) = master {
        job = job.env("WEIR_MASTER", master);
    }
    let small = job.clone().option("source.maxOffsetsPerTrigger", PER_BATCH);
    let rows = python.watch_versions(&job.table, Offsets::Distinct).await;
    let letters = python.watch_versions(&job.letters, Offsets::Distinct).await;

    // Each step once: what it leaves is where the next start begins.
    for step in STEPS {
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

    let found = letters_of(broker, &dlq).await.into_iter();
    let mut found: Vec<(i64, i64)> = found
        .map(|letter| (i64::from(letter.partition), letter.offset))
        .collect();
    found.sort_unstable();
    let rows = places(&python, &job.table).await;
    if !topic_only {
        let letters = places(&python, &job.letters).await;
        assert_eq!(
            found, letters,
            "the topic and the table hold the same letters"
        );
    }
    assert_eq!(found.len(), RECORDS / 10);
    assert_eq!(rows.len(), RECORDS - found.len());
    let mut all = [rows, found].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), RECORDS, "a record is in both places");
    // Nor is anything left of what attempts that were killed had staged.
    let staged = lake.checkpoint("accounts").join("dead_letters");
    assert_eq!(files_under(&staged, ""), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_every_step_and_at_random_leave_each_record_in_the_table_or_the_dead_letters() {
    kills_leave_each_record_in_one_place(None, false, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_on_executors_leave_each_record_in_the_table_or_the_dead_letters() {
    kills_leave_each_record_in_one_place(Some("local-cluster[2,1]"), false, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_leave_each_record_in_the_table_or_the_topic_alone() {
    kills_leave_each_record_in_one_place(None, true, 6).await;
}
