//! Checkpoints of other queries, and damaged ones. Each message's advice is followed, and the drain
//! is then exact.

use std::fs;
use std::path::{Path, PathBuf};

use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{Record, broker_or_skip};

use crate::bronze::{Bronze, RUN_WITHIN};
use crate::drain::weir_counts;

const RECORDS: usize = 30;

/// Three batches' worth of records, and a job over them.
struct Scene {
    lake: TempLake,
    topic: String,
}

impl Scene {
    async fn new() -> Option<Self> {
        let broker = broker_or_skip().await?;
        let topic = broker.new_topic("checkpoint", 1).await;
        let record = |n: usize| Record::of(format!("{n}"));
        broker
            .producer()
            .produce_n(&topic, 1, RECORDS, record)
            .await;
        Some(Self {
            lake: TempLake::new(),
            topic,
        })
    }

    async fn job(&self) -> Bronze {
        let broker = broker_or_skip().await.unwrap();
        Bronze::new(broker, &self.lake, &[&self.topic]).arg("--max-offsets-per-trigger", 10)
    }
}

/// Kills a run of `job` at a step.
async fn killed(job: &Bronze, step: &str) {
    let killed = job.clone().fault("kill", step).start();
    let killed = killed.wait(RUN_WITHIN).await;
    assert!(!killed.status.success(), "{killed}");
}

async fn expect_each_once(job: &Bronze) {
    job.drain().await;
    let records = RECORDS as u64;
    assert_eq!(weir_counts(&job.table).await, (records, records));
}

fn truncate(entry: &Path) {
    let bytes = fs::read(entry).unwrap();
    fs::write(entry, &bytes[..bytes.len() / 2]).unwrap();
}

fn empty(entry: &Path) {
    fs::write(entry, "").unwrap();
}

/// Another offset, as an editor would leave it.
fn edit(entry: &Path) {
    let text = fs::read_to_string(entry).unwrap();
    fs::write(entry, text.replacen("10", "12", 1)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_of_another_table_is_refused_naming_both() {
    let Some(scene) = Scene::new().await else {
        return;
    };
    let job = scene.job().await;
    killed(&job, "offsets_logged:1").await;
    let other = scene.lake.table_url("other");
    let parts = [
        &job.checkpoint_shown(),
        &job.table,
        &other,
        "a checkpoint of its own",
    ];
    let elsewhere = job.clone().replacing("--out", &other);
    elsewhere.refuse(1, "checkpoint_mismatch", &parts).await;
    assert!(!scene.lake.table("other").exists());
    expect_each_once(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_without_metadata_is_refused_until_it_is_restored() {
    let Some(scene) = Scene::new().await else {
        return;
    };
    let job = scene.job().await;
    killed(&job, "offsets_logged:1").await;
    let metadata = job.checkpoint_path().join("metadata");
    let aside = scene.lake.file("metadata");
    fs::rename(&metadata, &aside).unwrap();
    let parts = [
        &*format!("{}/metadata", job.checkpoint_shown()),
        "is missing",
        "restore it",
    ];
    job.refuse(1, "checkpoint_mismatch", &parts).await;
    // A dry run says the same.
    let dry = job.clone().flag("--dry-run");
    dry.refuse(1, "checkpoint_mismatch", &parts).await;
    fs::rename(&aside, &metadata).unwrap();
    expect_each_once(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_entry_of_an_unfinished_batch_is_named_and_may_be_deleted() {
    for (step, entry, damage) in [
        ("offsets_logged:1", "offsets/1", edit as fn(&Path)),
        ("offsets_logged:1", "offsets/1", truncate),
        ("offsets_logged:1", "offsets/1", empty),
        ("prepared:1", "prepared/1", edit),
        ("sink_committed:1", "prepared/1", truncate),
        ("closed:1", "commits/1", empty),
    ] {
        let Some(scene) = Scene::new().await else {
            return;
        };
        let job = scene.job().await;
        killed(&job, step).await;
        let path: PathBuf = job.checkpoint_path().join(entry);
        damage(&path);
        let parts = [
            &*format!("{}/{entry}", job.checkpoint_shown()),
            "damaged",
            "delete the entry",
        ];
        job.refuse(1, "corrupt_checkpoint", &parts).await;
        fs::remove_file(&path).unwrap();
        expect_each_once(&job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_offsets_of_a_closed_batch_must_be_restored() {
    let Some(scene) = Scene::new().await else {
        return;
    };
    let job = scene.job().await;
    killed(&job, "closed:1").await;
    let entry = job.checkpoint_path().join("offsets/1");
    let whole = fs::read(&entry).unwrap();
    truncate(&entry);
    let parts = [
        &*format!("{}/offsets/1", job.checkpoint_shown()),
        "damaged",
        "restore it",
    ];
    let message = job.refuse(1, "corrupt_checkpoint", &parts).await;
    // Planned anew, its records would be in the table twice or skipped.
    assert!(!message.contains("delete"), "{message}");
    fs::write(&entry, whole).unwrap();
    expect_each_once(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn table_deleted_beside_its_checkpoint_is_refused_until_it_is_restored() {
    let Some(scene) = Scene::new().await else {
        return;
    };
    let job = scene.job().await;
    killed(&job, "closed:1").await;
    let (table, aside) = (job.table_path(), scene.lake.file("aside"));
    fs::rename(&table, &aside).unwrap();
    let parts = [
        &*job.table,
        &*job.checkpoint_shown(),
        "does not hold batch 1",
        "restore it",
    ];
    job.refuse(1, "checkpoint_mismatch", &parts).await;
    assert!(!table.exists(), "a refused run made a table");
    // Another table in its place, with more versions, is not it.
    let other = scene
        .job()
        .await
        .replacing("--checkpoint", &scene.lake.checkpoint_url("other"));
    other.drain().await;
    job.refuse(1, "checkpoint_mismatch", &parts).await;
    fs::remove_dir_all(&table).unwrap();
    fs::rename(&aside, &table).unwrap();
    expect_each_once(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_batch_whose_file_is_gone_is_refused_until_it_runs_again() {
    let Some(scene) = Scene::new().await else {
        return;
    };
    let job = scene.job().await;
    killed(&job, "prepared:1").await;
    let entry = job.checkpoint_path().join("prepared/1");
    let prepared = fs::read_to_string(&entry).unwrap();
    let lost = files_under(&job.table_path(), ".parquet");
    let lost = lost.into_iter().find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        prepared.contains(&*name)
    });
    let lost = lost.unwrap();
    fs::remove_file(&lost).unwrap();
    let name = lost.file_name().unwrap().to_string_lossy();
    let parts = [&*name, &*job.table, "is gone", "delete", "prepared/1"];
    job.refuse(1, "corrupt_checkpoint", &parts).await;
    fs::remove_file(&entry).unwrap();
    expect_each_once(&job).await;
}
