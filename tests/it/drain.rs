//! availableNow against a real broker: what is there at the start, all of it, once.

use std::time::Duration;

use weir::prelude::*;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::ledger::Ledger;
use weir_tests::python::{DeltaSummary, Offsets, python_or_skip};
use weir_tests::spark::spark_or_skip;

use crate::bronze::{Bronze, RUN_WITHIN, total, unpause};

/// Distinct places of the table's rows, counted by Weir itself.
pub async fn weir_counts(table: &str) -> (u64, u64) {
    let session = Session::builder()
        .master("local[2]")
        .create()
        .await
        .unwrap();
    let rows = session.read().delta(table).await.unwrap();
    let distinct = rows
        .clone()
        .select([col("topic"), col("partition"), col("offset")])
        .unwrap()
        .distinct()
        .unwrap();
    (rows.count().await.unwrap(), distinct.count().await.unwrap())
}

fn record(n: usize) -> Record {
    match n % 10 {
        0 => Record::tombstone(format!("k{n}")),
        1 => Record::of(format!("{{\"n\":{n}}}")),
        2 => Record::of(vec![0xff, 0xfe, (n % 251) as u8]).key(format!("k{n}")),
        3 => Record::of("").key(vec![0xc3, 0x28, (n % 251) as u8]),
        _ => Record::of(format!("{{\"n\":{n},\"name\":\"ëß{n}\"}}")).key(format!("k{n}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_produced_after_planning_wait_for_the_next_run() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let mut topics = Vec::new();
    for name in ["orders", "clicks", "users"] {
        topics.push(broker.new_topic(name, 6).await);
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let producer = broker.producer();
    let mut first = Ledger::default();
    for topic in &topics {
        first.merge(&producer.produce_n(topic, 6, 5_000, record).await);
    }
    // An open transaction: read_committed must stop before it.
    let transactional = broker.transactional_producer(&topics[0]).await;
    transactional.begin();
    transactional
        .produce(&topics[0], 0, Record::of("open").key("t"))
        .await;

    let job = Bronze::new(broker, &lake, &names).arg("--max-offsets-per-trigger", 4_000);
    let mut paused = job.clone().fault("pause", "started").start();
    paused.stderr_line("PAUSED", RUN_WITHIN).await;
    let mut second = Ledger::default();
    for topic in &topics {
        second.merge(&producer.produce_n(topic, 6, 700, record).await);
    }
    unpause(&mut paused);
    let finished = paused.wait(RUN_WITHIN).await;
    let finished = finished.expect_success();
    let outcome = finished.last_json();
    assert_eq!(outcome["rows"], first.rows, "{outcome}");
    assert_eq!(outcome["batches"], 4, "{outcome}");
    let summary = python.read_delta(&job.table).await;
    summary.expect_exactly(&first);
    assert_eq!(weir_counts(&job.table).await, (first.rows, first.rows));

    // What follows the open transaction in its partition stays out of reach, the rest arrives.
    let outcome = job.drain().await;
    let held_back = 1 + 700_i64.div_euclid(6) + 1;
    let reached = i64::try_from(first.rows + second.rows).unwrap();
    assert!(
        (total(&outcome["end_offsets"]) - reached).abs() <= held_back,
        "{outcome}"
    );
    assert!(total(&outcome["end_offsets"]) < reached, "{outcome}");

    transactional.abort().await;
    let outcome = job.drain().await;
    assert_eq!(outcome["remaining_lag"], 0, "{outcome}");
    let mut all = first;
    all.merge(&second);
    let summary = python.read_delta(&job.table).await;
    summary.expect_exactly(&all);
    assert_eq!(summary.partition_columns, ["topic", "load_date"]);
    assert_eq!(weir_counts(&job.table).await, (all.rows, all.rows));

    let outcome = job.drain().await;
    assert_eq!(
        (&outcome["rows"], &outcome["batches"]),
        (&0.into(), &0.into())
    );

    if let Some(spark) = spark_or_skip() {
        let by_spark = spark.read_delta(&job.table).await;
        let by_spark: DeltaSummary = serde_json::from_value(by_spark).unwrap();
        by_spark.expect_exactly(&all);
        assert_eq!(by_spark.timestamp_checksum, summary.timestamp_checksum);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_while_a_producer_runs_takes_a_prefix_of_every_partition() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("busy", 6).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    let producer = broker.producer();
    let mut produced = producer.produce_n(&topic, 6, 1_000, record).await;
    let running = tokio::spawn({
        let topic = topic.clone();
        async move { broker.producer().produce_n(&topic, 6, 30_000, record).await }
    });
    job.drain().await;
    let during = python
        .check_versions(&job.table, Offsets::DensePrefix)
        .await;
    during.expect_no_violation();
    produced.merge(&running.await.unwrap());
    job.drain().await;
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_the_job_and_the_next_run_completes_it() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("stopped", 2).await;
    let produced = broker.producer().produce_n(&topic, 2, 20_000, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 500);
    let mut running = job.start();
    running
        .stderr_line("batch closed", Duration::from_secs(60))
        .await;
    running.terminate();
    let finished = running.wait(Duration::from_secs(40)).await;
    assert_eq!(finished.status.code(), Some(143), "{finished}");
    let outcome = finished.last_json();
    assert_eq!(outcome["status"], "stopped", "{outcome}");
    assert!(
        outcome["rows"].as_u64().unwrap() < produced.rows,
        "{outcome}"
    );

    let timed_out = job.clone().arg("--max-runtime", "1ms").run().await;
    assert_eq!(timed_out.status.code(), Some(124), "{timed_out}");
    assert_eq!(timed_out.last_json()["status"], "timed_out");

    job.drain().await;
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}
