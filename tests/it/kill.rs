//! kill -9, anywhere: never a duplicate, never a half batch, nothing lost.
//!
//! Every process here is killed by SIGKILL, by the test at a random moment or by itself at an exact
//! step. A reader of another implementation looks at every table version while this goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use weir_tests::files::{TempLake, delta_versions, files_under};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::{Offsets, python_or_skip};

use crate::bronze::{Bronze, RUN_WITHIN, total};

const PARTITIONS: i32 = 4;
const RECORDS: usize = 220_000;
const PER_BATCH: usize = 1_000;
const KILLS: usize = 30;
const KILLS_IN_A_BATCH: usize = 10;

/// The batches a checkpoint directory holds entries of.
fn batches(checkpoint: &Path, entry: &str) -> BTreeSet<u64> {
    let Ok(listing) = fs::read_dir(checkpoint.join(entry)) else {
        return BTreeSet::new();
    };
    listing
        .flatten()
        .filter_map(|file| file.file_name().to_str()?.parse().ok())
        .collect()
}

/// How far the newest batch has come.
#[derive(Debug, PartialEq, Eq)]
struct Reached {
    batch: Option<u64>,
    prepared: bool,
    closed: bool,
}

fn reached(job: &Bronze) -> Reached {
    let checkpoint = job.checkpoint_path();
    let batch = batches(&checkpoint, "offsets").last().copied();
    let has = |entry| batch.is_some_and(|batch| batches(&checkpoint, entry).contains(&batch));
    Reached {
        batch,
        prepared: has("prepared"),
        closed: has("commits"),
    }
}

/// Every commit of the table: the batch it says it is, the records in that batch's offsets, and the
/// rows in the files it adds.
fn commits(table: &Path) -> BTreeMap<u64, (i64, i64)> {
    let mut found = BTreeMap::new();
    for version in delta_versions(table) {
        let log = table.join("_delta_log").join(format!("{version:020}.json"));
        let text = fs::read_to_string(log).unwrap();
        let actions: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let info = actions.iter().find_map(|a| a.get("commitInfo")).unwrap();
        let info: Value = serde_json::from_str(info["userMetadata"].as_str().unwrap()).unwrap();
        let batch = info["weirBatchId"].as_u64().unwrap();
        let source = &info["weirSources"][0];
        let records = total(&source["endOffset"]) - total(&source["startOffset"]);
        let rows = actions
            .iter()
            .filter_map(|action| action.get("add"))
            .map(|add| {
                let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
                stats["numRecords"].as_i64().unwrap()
            })
            .sum();
        let twice = found.insert(batch, (records, rows));
        assert_eq!(twice, None, "batch {batch} is committed twice");
    }
    found
}

/// Data files no version refers to: what killed attempts left behind.
fn orphans(table: &Path) -> usize {
    let mut added = BTreeSet::new();
    for version in delta_versions(table) {
        let log = table.join("_delta_log").join(format!("{version:020}.json"));
        for line in fs::read_to_string(log).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                added.insert(path.rsplit('/').next().unwrap().to_owned());
            }
        }
    }
    files_under(table, ".parquet")
        .iter()
        .filter(|file| {
            !file
                .components()
                .any(|part| part.as_os_str() == "_delta_log")
        })
        .filter(|file| !added.contains(file.file_name().unwrap().to_str().unwrap()))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_moments_and_at_every_step_leave_each_record_once() {
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
    let topic = broker.new_topic("kill", PARTITIONS).await;
    let produced = broker
        .producer()
        .produce_n(&topic, PARTITIONS, RECORDS, |n| {
            Record::of(format!("{{\"n\":{n}}}")).key(format!("k{n}"))
        })
        .await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    let small = job.clone().arg("--max-offsets-per-trigger", PER_BATCH);
    let dated = |date: &str| small.clone().arg("--load-date", date);
    let watcher = python
        .watch_versions(&job.table, Offsets::DensePrefix)
        .await;

    // One kill at every step; each next run begins where the last one was killed.
    let first = dated("2026-01-31");
    for (step, prepared, closed) in [
        ("offsets_logged", false, false),
        ("mid_write", false, false),
        ("prepared", true, false),
        ("sink_committed", true, false),
        ("closed", true, true),
        // Left for a run under another date.
        ("offsets_logged", false, false),
    ] {
        // The watcher of `mid_write` may be late and kill a batch that is prepared by then.
        let tries = if step == "mid_write" { 10 } else { 1 };
        let mut seen = Vec::new();
        for _ in 0..tries {
            let next = reached(&job).batch.map_or(0, |batch| batch + 1);
            let killed = first
                .clone()
                .fault("kill", &format!("{step}:{next}"))
                .start();
            let killed = killed.wait(RUN_WITHIN).await;
            assert!(!killed.status.success(), "{step}: {killed}");
            let after = reached(&job);
            assert_eq!(after.batch, Some(next), "{step}: {killed}");
            seen.push((after.prepared, after.closed));
            if seen.ends_with(&[(prepared, closed)]) {
                break;
            }
        }
        assert_eq!(seen.last(), Some(&(prepared, closed)), "{step}: {seen:?}");
        if step == "mid_write" {
            assert!(
                orphans(&job.table_path()) > 0,
                "a half-written batch left files"
            );
        }
    }
    let planned_before = reached(&job).batch.unwrap() as usize;
    let second = dated("2026-02-01");

    let (mut kills, mut in_a_batch, mut restarts_ms) = (0, 0, Vec::new());
    while kills < KILLS || in_a_batch < KILLS_IN_A_BATCH {
        assert!(
            kills < 4 * KILLS,
            "only {in_a_batch} of {kills} kills fell into a batch"
        );
        let before = reached(&job).batch;
        let mut process = second.start();
        if kills % 3 == 0 {
            // Far enough to have planned something: the random moment is then within the work.
            let started = std::time::Instant::now();
            process.stderr_line("batch closed", RUN_WITHIN).await;
            restarts_ms.push(started.elapsed().as_millis());
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..700))).await;
        assert!(
            process.is_running(),
            "drained after {kills} kills: {}",
            process.stderr()
        );
        process.kill();
        kills += 1;
        let after = reached(&job);
        assert!(after.batch >= before);
        if !after.closed {
            in_a_batch += 1;
        }
    }
    println!(
        "{kills} random kills, {in_a_batch} between offsets/N and commits/N; restart to first closed batch: {restarts_ms:?} ms"
    );

    let outcome = job.clone().arg("--load-date", "2026-02-01").drain().await;
    assert_eq!(outcome["remaining_lag"], 0, "{outcome}");
    watcher.finish().await.expect_no_violation();
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);

    // Every version holds one whole batch.
    let commits = commits(&job.table_path());
    for (batch, (records, rows)) in &commits {
        assert_eq!(records, rows, "batch {batch}");
    }
    assert!(commits.len() > KILLS_IN_A_BATCH);
    let ids: Vec<u64> = commits.keys().copied().collect();
    let all: Vec<u64> = (0..ids.len() as u64).collect();
    assert_eq!(ids, all, "no batch is missing");

    // The batch that was planned under the old date kept it; the next one has the new one.
    let rows = python.read_rows(&job.table, &["load_date"]).await;
    let old = rows
        .iter()
        .filter(|row| row["load_date"] == "2026-01-31")
        .count();
    assert_eq!(old, (planned_before + 1) * PER_BATCH);
}
