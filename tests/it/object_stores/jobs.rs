//! Jobs and sessions whose tables and checkpoints are on S3.

use weir::SaveMode;
use weir::dataframe::ExplainMode;
use weir::datafusion::arrow::array::AsArray as _;
use weir::datafusion::arrow::datatypes::Int64Type;
use weir::prelude::*;
use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::process::eventually;
use weir_tests::python::{Offsets, python_or_skip};
use weir_tests::s3::{S3Server, SECRET_KEY};

use crate::bronze::{Bronze, RUN_WITHIN};

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_that_is_killed_at_every_step_leaves_each_record_once() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let python = python.with_environment(server.environment());
    let lake = TempLake::on(&server);
    let topic = broker.new_topic("s3.killed", 3).await;
    let produced = broker.producer().produce_n(&topic, 3, 2_000, record).await;
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--max-offsets-per-trigger", 300)
        .envs(server.environment());
    for at in [
        "started",
        "offsets_logged:0",
        "prepared:0",
        "sink_committed:1",
        "closed:2",
        "mid_write:3",
    ] {
        let killed = job.clone().fault("kill", at).start();
        let finished = killed.wait(RUN_WITHIN).await;
        // Who waits for the first data file of a batch may see it when the run has ended.
        if at != "mid_write:3" {
            assert_eq!(finished.status.code(), None, "{at}: {finished}");
        }
    }
    job.drain().await;
    let summary = python.read_delta(&job.table).await;
    summary.expect_exactly(&produced);
    let report = python
        .check_versions(&job.table, Offsets::DensePrefix)
        .await;
    report.expect_no_violation();
    // It is all in the bucket.
    assert!(!files_under(&lake.checkpoint("bronze"), "").is_empty());
    let outcome = job.drain().await;
    assert_eq!(outcome["rows"], 0, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_reach_executors_and_no_output() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let python = python.with_environment(server.environment());
    let lake = TempLake::on(&server);
    let topic = broker.new_topic("s3.settings", 4).await;
    let produced = broker.producer().produce_n(&topic, 4, 1_000, record).await;
    let mut job = Bronze::new(broker, &lake, &[&topic])
        .env("WEIR_MASTER", "local-cluster[2,1]")
        .env("WEIR_LOG", "trace")
        .env("WEIR_TEST_SECRET", SECRET_KEY);
    for (key, value) in server.settings() {
        let value = match value.as_str() {
            SECRET_KEY => "@env:WEIR_TEST_SECRET".to_owned(),
            _ => value,
        };
        job = job.arg("--conf", format!("{key}={value}"));
    }
    let finished = job.run().await.expect_success();
    assert_eq!(finished.last_json()["rows"], 1_000, "{finished}");
    assert!(finished.stderr.contains("TRACE"), "the log is on");
    assert!(!finished.stdout.contains(SECRET_KEY));
    let shown = finished
        .stderr
        .lines()
        .find(|line| line.contains(SECRET_KEY));
    assert_eq!(shown, None);
    for file in files_under(lake.path(), "") {
        let bytes = std::fs::read(&file).unwrap();
        let hidden = !String::from_utf8_lossy(&bytes).contains(SECRET_KEY);
        assert!(hidden, "{}", file.display());
    }
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}

/// A session on two executors, which know the server by what the session sends them only.
async fn cluster(server: &S3Server) -> Session {
    cluster_with(server, &[]).await
}

async fn cluster_with(server: &S3Server, more: &[(&str, &str)]) -> Session {
    let node = env!("CARGO_BIN_EXE_weir-test-node");
    let builder = Session::builder()
        .master("local-cluster[2,1]")
        .config("weir.executor.program", node)
        .config("weir.sql.files.maxPartitionBytes", 1);
    let builder = more
        .iter()
        .fold(builder, |builder, (key, value)| builder.config(*key, value));
    let settings = server.settings().into_iter();
    let builder = settings.fold(builder, |builder, (key, value)| builder.config(key, value));
    assert!(!format!("{builder:?}").contains(SECRET_KEY));
    builder.create().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpointed_rows_in_a_store_are_read_on_executors_and_removed() {
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let lake = TempLake::on(&server);
    let session = cluster_with(&server, &[("weir.checkpoint.dir", &lake.url_of("kept"))]).await;
    let rows = session.range(0, 100_000, 1).unwrap();
    let rows = rows.group_by([col("id") % lit(1_000)]).count().unwrap();
    let rows = rows.checkpoint().await.unwrap();
    let kept = || files_under(&lake.path().join("kept"), ".arrow");
    assert!(!kept().is_empty());
    assert_eq!(rows.count().await.unwrap(), 1_000);
    let total = rows.agg([sum(col("count"))]).unwrap();
    let batches = total.collect().await.unwrap();
    let sum = batches[0].column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(sum, 100_000);
    drop(total);
    eventually(RUN_WITHIN, || kept().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_on_s3_are_written_replaced_and_read_on_executors() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let python = python.with_environment(server.environment());
    let lake = TempLake::on(&server);
    let table = lake.table_url("numbers");
    let session = cluster(&server).await;
    let numbers = |from: i64, to: i64| {
        let ids = session.range(from, to, 1).unwrap();
        ids.with_column("part", col("id") % lit(4)).unwrap()
    };
    let writer = numbers(0, 1_000).write().format("delta");
    writer.partition_by(["part"]).save(&table).await.unwrap();
    let writer = numbers(1_000, 2_000).write().format("delta");
    // Hadoop's name of the same place.
    let hadoop = table.replace("s3://", "s3a://");
    writer.mode(SaveMode::Append).save(&hadoop).await.unwrap();
    let rows = session.read().delta(&table).await.unwrap();
    assert_eq!(rows.clone().count().await.unwrap(), 2_000);
    let one = rows.filter(col("part").eq(lit(1))).unwrap();
    let plan = one.explain_string(ExplainMode::Extended).await.unwrap();
    assert!(
        plan.contains(&table) && !plan.contains(SECRET_KEY),
        "{plan}"
    );
    assert_eq!(one.count().await.unwrap(), 500);
    let fewer = numbers(0, 100).filter(col("part").eq(lit(1))).unwrap();
    fewer
        .write()
        .format("delta")
        .mode(SaveMode::Overwrite)
        .option("replaceWhere", "part = 1")
        .save(&table)
        .await
        .unwrap();
    assert_eq!(python.read_delta(&table).await.rows, 1_525);
    let old = session.read().format("delta").option("versionAsOf", 0);
    assert_eq!(
        old.load_path(&table).await.unwrap().count().await.unwrap(),
        1_000
    );
    assert!(!format!("{session:?} {:?}", session.settings()).contains(SECRET_KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_that_have_a_bucket_of_one_name_are_told_apart_by_session() {
    let (Some(one), Some(other)) = (
        S3Server::start_or_skip().await,
        S3Server::start_or_skip().await,
    ) else {
        return;
    };
    for (server, rows) in [(&one, 10), (&other, 20)] {
        server.make_bucket("lake");
        let builder = Session::builder().master("local[2]");
        let settings = server.settings().into_iter().map(|(key, value)| {
            // For this bucket only.
            (
                key.replace("weir.storage.", "weir.storage.bucket.lake."),
                value,
            )
        });
        let builder = settings.fold(builder, |builder, (key, value)| builder.config(key, value));
        let session = builder.create().await.unwrap();
        let writer = session.range(0, rows, 1).unwrap().write().format("delta");
        writer.save("s3://lake/numbers").await.unwrap();
        let read = session.read().delta("s3://lake/numbers").await.unwrap();
        assert_eq!(read.count().await.unwrap(), rows as u64);
    }
}
