//! Brokers out of reach, from the start or in the middle.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use weir::ErrorKind;
use weir::prelude::*;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip, private_broker_or_skip};
use weir_tests::python::python_or_skip;

use super::expect_drained;
use crate::bronze::{Bronze, RUN_WITHIN, expect_error, expect_parts, unpause};
use crate::stream::session;

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_is_down_is_worth_retrying_within_seconds() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("down", 2).await;
    let produced = broker.producer().produce_n(&topic, 2, 20, record).await;
    // Held until its number is known, then closed again.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = closed.local_addr().unwrap().to_string();
    let job = Bronze::bare(&closed, &lake).arg("--topics", &topic);
    let finished = job.run().await;
    assert_eq!(finished.status.code(), Some(75), "{finished}");
    let parts = [closed.as_str(), "kafka.bootstrap.servers"];
    expect_error(&finished.last_json(), "unavailable", &parts);
    assert!(finished.elapsed < Duration::from_secs(30), "{finished}");
    assert!(!job.table_path().exists());

    let job = Bronze::new(broker, &lake, &[&topic]);
    expect_drained(&job, &python, &produced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_dies_in_a_drain_is_worth_retrying_and_the_rest_follows() {
    let Some(broker) = private_broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("dies", 2).await;
    let produced = broker.producer().produce_n(&topic, 2, 400, record).await;
    let job = Bronze::new(&broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 100);
    let mut paused = job.clone().fault("pause", "offsets_logged:2").start();
    paused.stderr_line("PAUSED", RUN_WITHIN).await;
    broker.kill().await;
    unpause(&mut paused);
    let finished = paused.wait(Duration::from_secs(60)).await;
    assert_eq!(finished.status.code(), Some(75), "{finished}");
    let outcome = finished.last_json();
    expect_error(&outcome, "unavailable", &[broker.bootstrap()]);
    assert_eq!(outcome["rows"], 200, "{outcome}");

    broker.restart().await;
    expect_drained(&job, &python, &produced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_whose_broker_died_gives_up_after_the_poll_timeout() {
    let Some(broker) = private_broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("silent", 1).await;
    broker.producer().produce_n(&topic, 1, 50, record).await;
    let records = session()
        .await
        .read()
        .format("kafka")
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("subscribe", &topic)
        .option("kafkaConsumer.pollTimeoutMs", 2_000)
        .load()
        .await
        .unwrap();
    // Planned, and not read yet.
    broker.kill().await;
    let begun = Instant::now();
    let error = records.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let parts = [&topic, broker.bootstrap(), "kafkaConsumer.pollTimeoutMs"];
    expect_parts(&error.to_string(), &parts);
    assert!(begun.elapsed() < Duration::from_secs(10), "{error}");

    broker.restart().await;
    assert_eq!(
        records.filter(lit(true)).unwrap().count().await.unwrap(),
        50
    );
}
