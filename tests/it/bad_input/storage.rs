//! Writes that are denied and disks that are full, while a batch is under way. The tests run as
//! root, whom no permission stops: what denies is a file where a directory must be.

use std::fs;
use std::path::{Path, PathBuf};

use weir_tests::files::{SmallDisk, TempLake};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::python_or_skip;

use super::expect_drained;
use crate::bronze::{Bronze, RUN_WITHIN, expect_error, unpause};

const BATCH: usize = 100;

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

/// A regular file in place of the directory `path`, until it is lifted.
struct Obstacle {
    path: PathBuf,
    aside: PathBuf,
}

impl Obstacle {
    fn put(path: &Path) -> Self {
        let aside = path.with_extension("aside");
        if path.exists() {
            fs::rename(path, &aside).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::write(path, "in the way").unwrap();
        Self {
            path: path.to_path_buf(),
            aside,
        }
    }

    fn lift(self) {
        fs::remove_file(&self.path).unwrap();
        if self.aside.exists() {
            fs::rename(&self.aside, &self.path).unwrap();
        }
    }
}

/// Pauses a run at `step`, puts an obstacle at `place(job)`, and lets it run into it.
async fn denied(step: &str, place: impl Fn(&Bronze, &str) -> PathBuf, kind: &str, why: &str) {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("denied", 2).await;
    let produced = broker
        .producer()
        .produce_n(&topic, 2, 3 * BATCH, record)
        .await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", BATCH);
    let mut paused = job.clone().fault("pause", step).start();
    paused.stderr_line("PAUSED", RUN_WITHIN).await;
    let place = place(&job, &topic);
    let obstacle = Obstacle::put(&place);
    unpause(&mut paused);
    let finished = paused.wait(RUN_WITHIN).await;
    assert_eq!(finished.status.code(), Some(1), "{finished}");
    // A table is named as a whole, a checkpoint by the entry.
    let place = place.strip_prefix(lake.path()).unwrap();
    let place = place.to_str().unwrap().trim_end_matches("/_delta_log");
    let outcome = finished.last_json();
    expect_error(&outcome, kind, &[place, why]);
    assert_eq!(outcome["rows"], BATCH, "{outcome}");

    obstacle.lift();
    expect_drained(&job, &python, &produced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_data_file_fails_the_run_and_the_next_one_completes_it() {
    let place = |job: &Bronze, topic: &str| job.table_path().join(format!("topic={topic}"));
    denied("offsets_logged:1", place, "storage", "ot a directory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_prepared_entry_fails_the_run_and_the_next_one_completes_it() {
    let place = |job: &Bronze, _: &str| job.checkpoint_path().join("prepared");
    denied("offsets_logged:1", place, "storage", "ot a directory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_commit_fails_the_run_and_the_next_one_completes_it() {
    // Without its log, the table is no table any longer.
    let place = |job: &Bronze, _: &str| job.table_path().join("_delta_log");
    denied("prepared:1", place, "not_found", "restore it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_close_fails_the_run_and_the_next_one_completes_it() {
    let place = |job: &Bronze, _: &str| job.checkpoint_path().join("commits");
    denied("sink_committed:1", place, "storage", "ot a directory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_first_write_names_the_place() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("denied.first", 1).await;
    let produced = broker.producer().produce_n(&topic, 1, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    for place in [job.checkpoint_path(), job.table_path()] {
        let obstacle = Obstacle::put(&place);
        let name = place.display().to_string();
        job.refuse(1, "storage", &[&name]).await;
        obstacle.lift();
    }
    expect_drained(&job, &python, &produced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_fails_the_run_and_with_room_the_next_one_completes_it() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("full", 2).await;
    // Random bytes: no codec makes them fit.
    let noise = |_| Record::of((0..5_000).map(|_| rand::random()).collect::<Vec<u8>>());
    let produced = broker.producer().produce_n(&topic, 2, 400, noise).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 100);
    // Room for one batch of half a megabyte, not for four.
    let Some(disk) = SmallDisk::mount_or_skip(&job.table_path(), 1_200_000) else {
        return;
    };
    let outcome = job.fail(1).await;
    let parts = [job.table_path().display().to_string(), "os error 28".into()];
    expect_error(&outcome, "storage", &parts.each_ref().map(String::as_str));
    assert!(outcome["batches"].as_u64() >= Some(1), "{outcome}");
    // It stays so as long as there is no room.
    job.fail(1).await;

    disk.resize(64 << 20);
    expect_drained(&job, &python, &produced).await;
}
