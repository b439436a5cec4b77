//! Where a stream begins, and what it takes in each batch.

use serde_json::json;
use weir::ErrorKind;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::ledger::Ledger;
use weir_tests::python::python_or_skip;

use crate::bronze::{Bronze, expect_parts};
use crate::drain::weir_counts;
use crate::stream::Stream;

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

/// Records with the timestamps 1000, 2000, ... milliseconds.
fn timed(n: usize) -> Record {
    record(n).timestamp_ms(1_000 * (n as i64 + 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_takes_what_comes_after_the_first_run() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("latest", 2).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 2, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--starting-offsets", "latest");
    let outcome = job.drain().await;
    assert_eq!(outcome["rows"], 0, "{outcome}");
    assert_eq!(outcome["end_offsets"][&topic], json!({"0": 5, "1": 5}));
    // The first run decided where the query begins, though it read nothing.
    let produced = producer.produce_n(&topic, 2, 20, record).await;
    let outcome = job.drain().await;
    assert_eq!(outcome["rows"], 20, "{outcome}");
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn explicit_offsets_begin_where_they_say() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("explicit", 3).await;
    broker.producer().produce_n(&topic, 3, 30, record).await;
    let offsets = json!({&topic: {"0": 4, "1": -2, "2": -1}});
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--starting-offsets", offsets);
    let outcome = job.drain().await;
    let start = json!({&topic: {"0": 4, "1": 0, "2": 10}});
    assert_eq!(outcome["start_offsets"], start, "{outcome}");
    assert_eq!(outcome["rows"], 6 + 10, "{outcome}");
    assert_eq!(weir_counts(&job.table).await, (16, 16));
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamp_begins_at_the_first_record_of_that_time_or_later() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker
        .new_topic_with("timestamps", 1, &[("retention.ms", "-1")])
        .await;
    broker.producer().produce_n(&topic, 1, 10, timed).await;
    // 1970-01-01T00:00:03.500Z: the records of 4 s and later. Given both, the timestamp wins.
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--starting-timestamp", "1970-01-01T00:00:03.500Z")
        .arg("--starting-offsets", "latest");
    let outcome = job.drain().await;
    assert_eq!(
        outcome["start_offsets"],
        json!({&topic: {"0": 3}}),
        "{outcome}"
    );
    assert_eq!(outcome["rows"], 7, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamp_without_a_record_is_an_error_or_the_end_by_strategy() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker
        .new_topic_with("young", 2, &[("retention.ms", "-1")])
        .await;
    broker.producer().produce_n(&topic, 1, 10, timed).await;
    let strategy = "startingOffsetsByTimestampStrategy";
    let each = json!({&topic: {"0": 5_000, "1": 5_000}});
    // Partition 1 is empty.
    let stream = Stream::new(broker, &lake, &[&topic]).option("startingOffsetsByTimestamp", each);
    let error = stream.fail().await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let parts = ["partition 1", &topic, "5000", strategy];
    expect_parts(&error.to_string(), &parts);

    let job = Bronze::new(broker, &lake, &[&topic]).arg("--starting-timestamp", 5_000);
    let outcome = job
        .arg("--starting-timestamp-strategy", "latest")
        .drain()
        .await;
    assert_eq!(outcome["rows"], 6, "{outcome}");

    let summary = stream.option(strategy, "latest").drain().await;
    assert_eq!(summary.output_rows, 6);
    assert_eq!(summary.start_offsets, [json!({&topic: {"0": 4, "1": 0}})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn start_options_are_ignored_on_restart() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("restart", 2).await;
    let producer = broker.producer();
    let mut produced = producer.produce_n(&topic, 2, 20, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    job.drain().await;
    produced.merge(&producer.produce_n(&topic, 2, 10, record).await);
    // A position that could not even be resolved.
    let restarted = job
        .clone()
        .arg("--starting-offsets", json!({&topic: {"0": 999, "1": -1}}));
    assert_eq!(restarted.drain().await["rows"], 10);
    produced.merge(&producer.produce_n(&topic, 2, 10, record).await);
    let restarted = job.clone().arg("--starting-timestamp", i64::MAX / 2);
    assert_eq!(restarted.drain().await["rows"], 10);
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_added_between_runs_are_read_from_their_beginning() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("grown", 1).await;
    let mut produced = broker.producer().produce_n(&topic, 1, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    job.drain().await;
    broker.add_partitions(&topic, 3).await;
    let producer = broker.producer();
    produced.merge(&producer.produce_n(&topic, 3, 30, record).await);
    // Also if the query was to begin at the end: these records came after it began.
    let latest = job.arg("--starting-offsets", "latest");
    assert_eq!(latest.drain().await["rows"], 30);
    python
        .read_delta(&latest.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn pattern_finds_topics_made_between_runs() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let first = broker.new_topic("pattern", 2).await;
    let producer = broker.producer();
    let mut produced = producer.produce_n(&first, 2, 20, record).await;
    let job = Bronze::bare(broker.bootstrap(), &lake);
    let job = job.arg("--topic-pattern", format!("{first}(\\.more)?"));
    assert_eq!(job.drain().await["rows"], 20);

    let second = format!("{first}.more");
    broker.create_topic(&second, 1, &[]).await;
    // Its name only begins like a match: a pattern means whole names.
    let third = format!("{first}.more.or.less");
    broker.create_topic(&third, 1, &[]).await;
    let producer = broker.producer();
    produced.merge(&producer.produce_n(&second, 1, 10, record).await);
    producer.produce_n(&third, 1, 10, record).await;
    assert_eq!(job.drain().await["rows"], 10);
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn assign_reads_the_partitions_named_and_no_other() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("assign", 3).await;
    broker.producer().produce_n(&topic, 3, 30, record).await;
    let job = Bronze::bare(broker.bootstrap(), &lake).arg("--assign", json!({&topic: [0, 2]}));
    let outcome = job.drain().await;
    let ends = json!({&topic: {"0": 10, "2": 10}});
    assert_eq!(
        (&outcome["rows"], &outcome["end_offsets"]),
        (&json!(20), &ends)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_is_shared_in_proportion_to_each_backlog() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("shares", 3).await;
    let mut produced = Ledger::default();
    let producer = broker.producer();
    for (partition, records) in [(0, 600), (1, 300), (2, 2)] {
        let records = (0..records).map(|n| (partition, record(n)));
        produced.merge(&producer.produce_all(&topic, records).await);
    }
    let stream = Stream::new(broker, &lake, &[&topic]).option("maxOffsetsPerTrigger", 100);
    let query = stream.run().await.unwrap();
    let progress = query.recent_progress();
    let ends = |batch: usize| progress[batch].sources[0].end_offset[&topic].clone();
    // 100 of 902: 66.5 and 33.2 rounded down, and one for the partition whose share is 0.2.
    assert_eq!(ends(0), json!({"0": 66, "1": 33, "2": 1}));
    assert_eq!(progress[0].num_input_rows, 100);
    let latest = &progress[0].sources[0].latest_offset[&topic];
    assert_eq!(*latest, json!({"0": 600, "1": 300, "2": 2}));
    assert_eq!(ends(progress.len() - 1), *latest);
    let read: u64 = progress.iter().map(|batch| batch.num_input_rows).sum();
    assert_eq!(read, produced.rows);
    assert_eq!(
        weir_counts(&stream.table).await,
        (produced.rows, produced.rows)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn splitting_ranges_over_more_tasks_loses_no_offset() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("split", 2).await;
    // One partition with nearly everything.
    let producer = broker.producer();
    let records = (0..5_000).map(|n| (i32::from(n % 100 == 0), record(n)));
    let produced = producer.produce_all(&topic, records).await;
    let lake = TempLake::new();
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--min-partitions", 7);
    job.drain().await;
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);

    let lake = TempLake::new();
    let stream = Stream::new(broker, &lake, &[&topic]).option("maxRecordsPerPartition", 333);
    stream.drain().await;
    python
        .read_delta(&stream.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_topic_is_a_success_without_a_batch() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("empty", 2).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    for _ in 0..2 {
        let outcome = job.drain().await;
        assert_eq!(
            (&outcome["rows"], &outcome["batches"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(outcome["remaining_lag"], 0, "{outcome}");
        assert_eq!(outcome["delta_version"], json!(null), "{outcome}");
        assert!(!job.table_path().exists());
    }
    broker.producer().produce_n(&topic, 2, 4, record).await;
    let outcome = job.drain().await;
    assert_eq!(
        (&outcome["rows"], &outcome["delta_version"]),
        (&json!(4), &json!(0))
    );
}
