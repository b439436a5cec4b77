//! Records that are gone before they were read: a failure that names them, or, with
//! `--fail-on-data-loss false`, a warning and no duplicates.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use weir_tests::files::TempLake;
use weir_tests::kafka::{Broker, Record, broker_or_skip};
use weir_tests::ledger::Ledger;
use weir_tests::process::Finished;
use weir_tests::python::python_or_skip;

use crate::bronze::{Bronze, RUN_WITHIN, expect_parts};

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{}", n % 10))
}

/// Runs `job`, which goes on without what is lost, to success and a warning with `parts`.
async fn tolerate(job: &Bronze, parts: &[&str]) -> Finished {
    let tolerant = job.clone().arg("--fail-on-data-loss", "false");
    let finished = tolerant.run().await.expect_success();
    let warning = finished.stderr.lines().find(|line| line.contains("WARN"));
    let warning = warning.unwrap_or_else(|| panic!("no warning: {finished}"));
    expect_parts(warning, parts);
    finished
}

/// The offsets the table holds of the topic's partition 0, each once.
async fn offsets(job: &Bronze) -> BTreeSet<i64> {
    let python = python_or_skip().await.unwrap();
    let rows = python.read_rows(&job.table, &["offset"]).await;
    let offsets: BTreeSet<i64> = rows
        .iter()
        .map(|row| row["offset"].as_i64().unwrap())
        .collect();
    assert_eq!(offsets.len(), rows.len(), "a record is there twice");
    offsets
}

#[tokio::test(flavor = "multi_thread")]
async fn records_aged_out_between_runs_are_loss_or_skipped() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    if python_or_skip().await.is_none() {
        return;
    }
    let lake = TempLake::new();
    let topic = broker.new_topic("aged", 1).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    job.drain().await;
    producer.produce_n(&topic, 1, 10, record).await;
    broker.delete_records(&topic, 0, 15).await;
    let parts = ["partition 0", &*topic, "offsets 10 to 14 are gone"];
    let message = job.refuse(4, "data_loss", &parts).await;
    expect_parts(&message, &["failOnDataLoss"]);

    let finished = tolerate(&job, &parts).await;
    assert_eq!(finished.last_json()["rows"], 5, "{finished}");
    assert_eq!(offsets(&job).await, (0..10).chain(15..20).collect());
    // Told once: what is lost is behind it.
    assert_eq!(job.drain().await["rows"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_aged_out_of_a_planned_batch_are_loss_or_skipped() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    if python_or_skip().await.is_none() {
        return;
    }
    let lake = TempLake::new();
    let topic = broker.new_topic("planned", 1).await;
    broker.producer().produce_n(&topic, 1, 30, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 10);
    let killed = job.clone().fault("kill", "offsets_logged:1").start();
    killed.wait(RUN_WITHIN).await;
    // Of batch 1, which is planned, the first part; the rest of it and batch 2 are still there.
    broker.delete_records(&topic, 0, 16).await;
    let parts = ["partition 0", &*topic, "offsets 10 to 15 are gone"];
    job.refuse(4, "data_loss", &parts).await;
    let finished = tolerate(&job, &parts).await;
    assert_eq!(finished.last_json()["rows"], 14, "{finished}");
    assert_eq!(offsets(&job).await, (0..10).chain(16..30).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_batch_that_is_gone_whole_is_loss_or_closed_without_rows() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    if python_or_skip().await.is_none() {
        return;
    }
    let lake = TempLake::new();
    let topic = broker.new_topic("gone", 1).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 20, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 10);
    let killed = job.clone().fault("kill", "offsets_logged:1").start();
    killed.wait(RUN_WITHIN).await;
    broker.delete_records(&topic, 0, 20).await;
    let parts = ["partition 0", &*topic, "offsets 10 to 19 are gone"];
    job.refuse(4, "data_loss", &parts).await;
    let finished = tolerate(&job, &parts).await;
    assert_eq!(finished.last_json()["rows"], 0, "{finished}");
    producer.produce_n(&topic, 1, 5, record).await;
    assert_eq!(job.drain().await["rows"], 5);
    assert_eq!(offsets(&job).await, (0..10).chain(20..25).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_vanish_after_planning_fail_the_run_that_planned_them() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    if python_or_skip().await.is_none() {
        return;
    }
    let lake = TempLake::new();
    let topic = broker.new_topic("vanish", 1).await;
    broker.producer().produce_n(&topic, 1, 30, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 10);
    let mut paused = job.clone().fault("pause", "closed:0").start();
    paused.stderr_line("PAUSED", RUN_WITHIN).await;
    broker.delete_records(&topic, 0, 14).await;
    crate::bronze::unpause(&mut paused);
    let finished = paused.wait(RUN_WITHIN).await;
    assert_eq!(finished.status.code(), Some(4), "{finished}");
    let parts = ["partition 0", &*topic, "offsets 10 to 13 are gone"];
    crate::bronze::expect_error(&finished.last_json(), "data_loss", &parts);
    tolerate(&job, &parts).await;
    assert_eq!(offsets(&job).await, (0..10).chain(14..30).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partition_without_its_first_records_is_loss_or_read_from_what_is_left() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("young", 1).await;
    broker.producer().produce_n(&topic, 1, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    job.drain().await;
    broker.add_partitions(&topic, 2).await;
    let records = (0..8).map(|n| (1, record(n)));
    broker.producer().produce_all(&topic, records).await;
    broker.delete_records(&topic, 1, 3).await;
    let parts = ["partition 1", &*topic, "is new", "offset 3, not 0"];
    job.refuse(4, "data_loss", &parts).await;
    let finished = tolerate(&job, &parts).await;
    assert_eq!(finished.last_json()["rows"], 5, "{finished}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_deleted_between_runs_is_loss_or_left_out() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    // Named, or matched by a pattern.
    for by_name in [true, false] {
        let lake = TempLake::new();
        let prefix = broker.new_topic("shrunk", 2).await;
        let doomed = format!("{prefix}.doomed");
        broker.create_topic(&doomed, 2, &[]).await;
        let producer = broker.producer();
        let mut produced = producer.produce_n(&prefix, 2, 10, record).await;
        produced.merge(&producer.produce_n(&doomed, 2, 10, record).await);
        let job = match by_name {
            true => Bronze::new(broker, &lake, &[&prefix, &doomed]),
            false => Bronze::bare(broker.bootstrap(), &lake)
                .arg("--topic-pattern", format!("{prefix}.*")),
        };
        job.drain().await;
        broker.delete_topic(&doomed).await;
        produced.merge(&producer.produce_n(&prefix, 2, 10, record).await);
        let parts = [&*doomed, "does not exist any longer"];
        job.refuse(4, "data_loss", &parts).await;
        let finished = tolerate(&job, &parts).await;
        assert_eq!(finished.last_json()["rows"], 10, "{finished}");
        python
            .read_delta(&job.table)
            .await
            .expect_exactly(&produced);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_deleted_during_a_run_fails_whatever_the_option_says() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("during", 1).await;
    broker.producer().produce_n(&topic, 1, 30, record).await;
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--max-offsets-per-trigger", 10)
        .arg("--fail-on-data-loss", "false");
    let mut paused = job.clone().fault("pause", "closed:0").start();
    paused.stderr_line("PAUSED", RUN_WITHIN).await;
    broker.delete_topic(&topic).await;
    crate::bronze::unpause(&mut paused);
    let finished = paused.wait(RUN_WITHIN).await;
    assert_eq!(finished.status.code(), Some(4), "{finished}");
    let parts = [&*topic, "was deleted", "up to 30", "since this run began"];
    crate::bronze::expect_error(&finished.last_json(), "data_loss", &parts);
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_taken_out_of_the_subscription_is_loss_or_keeps_its_place() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let kept = broker.new_topic("kept", 1).await;
    let left = broker.new_topic("left", 1).await;
    let producer = broker.producer();
    let mut produced = producer.produce_n(&kept, 1, 10, record).await;
    produced.merge(&producer.produce_n(&left, 1, 10, record).await);
    let both = Bronze::new(broker, &lake, &[&kept, &left]);
    both.drain().await;
    produced.merge(&producer.produce_n(&kept, 1, 5, record).await);
    produced.merge(&producer.produce_n(&left, 1, 5, record).await);
    let one = both.clone().replacing("--topics", &kept);
    let parts = [&*left, "up to 10", "not in the subscription"];
    one.refuse(4, "data_loss", &parts).await;
    let finished = tolerate(&one, &parts).await;
    assert_eq!(finished.last_json()["rows"], 5, "{finished}");
    // Taken in again, it goes on where it was.
    both.drain().await;
    python
        .read_delta(&both.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn compacted_topic_gives_what_compaction_left_and_is_no_loss() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    let topic = broker.new_topic_with("compacted", 1, &settings).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 300, record).await;
    // Compaction leaves the newest segment alone: a further record closes it.
    let begun = Instant::now();
    let mut left = consumed(broker, &topic);
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "not compacted");
        if left.rows > 100 {
            producer.produce(&topic, 0, record(0)).await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let before = std::mem::replace(&mut left, consumed(broker, &topic));
        // The cleaner looks every second: it has nothing more to do.
        if left.rows <= 100 && before == left {
            break;
        }
    }
    for limit in [1_000, 7] {
        let lake = TempLake::new();
        let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", limit);
        let outcome = job.drain().await;
        assert_eq!(outcome["remaining_lag"], 0, "{outcome}");
        python.read_delta(&job.table).await.expect_exactly(&left);
    }
}

/// What Kafka's own client reads of partition 0, from the first record to the end.
fn consumed(broker: &Broker, topic: &str) -> Ledger {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "unused")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut partition = TopicPartitionList::new();
    partition
        .add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&partition).unwrap();
    let mut ledger = Ledger::default();
    let mut last: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    while let Some(Ok(message)) = consumer.poll(Duration::from_secs(10)) {
        let (key, value) = (message.key(), message.payload());
        ledger.enter(topic, 0, message.offset(), key, value);
        last.insert(key.unwrap().to_vec(), message.offset());
    }
    // Whatever compaction does, the last record of each key stays.
    assert_eq!(last.len(), 10);
    ledger
}
