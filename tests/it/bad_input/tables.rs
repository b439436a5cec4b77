//! Tables that the rows do not fit, or that ask for more than Weir does.

use std::time::Duration;

use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::{Python, python_or_skip};

use super::expect_drained;
use crate::bronze::Bronze;

async fn make_table(python: &Python, url: &str, what: &[&str]) {
    let mut arguments = vec![url];
    arguments.extend(what);
    let script = python.script("make_table.py", &arguments);
    script.wait(Duration::from_secs(60)).await.expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn table_with_another_type_is_a_schema_mismatch_and_nothing_is_begun() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("misfit", 1).await;
    let produced = broker
        .producer()
        .produce_n(&topic, 1, 10, |n| Record::of(format!("{n}")))
        .await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    make_table(&python, &job.table, &["string-partition"]).await;
    let parts = ["\"partition\"", "string", "integer", &job.table, "cast it"];
    job.refuse(1, "schema_mismatch", &parts).await;
    // A table that is of no use must not claim the checkpoint.
    assert!(!job.checkpoint_path().exists());
    assert_eq!(python.read_delta_version(&job.table, 0).await.rows, 0);

    std::fs::remove_dir_all(job.table_path()).unwrap();
    expect_drained(&job, &python, &produced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn table_with_a_check_constraint_is_refused_by_its_name() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("constraint", 1).await;
    let produced = broker
        .producer()
        .produce_n(&topic, 1, 10, |n| Record::of(format!("{n}")))
        .await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    let check = ["check", "offsets_are_positive", "offset >= 0"];
    make_table(&python, &job.table, &check).await;
    let parts = ["CHECK constraint", "offsets_are_positive", &job.table];
    job.refuse(1, "unsupported", &parts).await;

    make_table(&python, &job.table, &["drop-check", "offsets_are_positive"]).await;
    expect_drained(&job, &python, &produced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn location_of_another_store_is_refused_naming_its_scheme() {
    let lake = TempLake::new();
    let job = Bronze::bare("127.0.0.1:1", &lake).arg("--topics", "a");
    let elsewhere = job.clone().replacing("--out", "hdfs://host/bronze");
    elsewhere.refuse(1, "unsupported", &["hdfs"]).await;
    let elsewhere = job.replacing("--checkpoint", "hdfs://host/checkpoint");
    elsewhere.refuse(1, "unsupported", &["hdfs"]).await;
}
