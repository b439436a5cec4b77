//! Topics and offsets that are not what the arguments or the checkpoint say.

use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip, unique_topic};
use weir_tests::python::python_or_skip;

use super::expect_drained;
use crate::bronze::{Bronze, expect_parts};

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_that_does_not_exist_is_named_and_drained_once_it_does() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let there = broker.new_topic("there", 1).await;
    let missing = unique_topic("missing");
    let job = Bronze::new(broker, &lake, &[&there, &missing]);
    let message = job
        .refuse(1, "not_found", &[&missing, broker.bootstrap(), "create"])
        .await;
    assert!(!message.contains(&there), "{message}");

    let other_lake = TempLake::new();
    let pattern = Bronze::bare(broker.bootstrap(), &other_lake);
    let pattern = pattern.arg("--topic-pattern", format!("{missing}.*"));
    pattern.refuse(1, "not_found", &[&missing]).await;

    broker.create_topic(&missing, 2, &[]).await;
    let producer = broker.producer();
    let mut produced = producer.produce_n(&missing, 2, 20, record).await;
    produced.merge(&producer.produce_n(&there, 1, 10, record).await);
    expect_drained(&job, &python, &produced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn assigned_partition_that_does_not_exist_is_named() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("assigned", 1).await;
    let job = Bronze::bare(broker.bootstrap(), &lake);
    let job = job.arg("--assign", format!("{{\"{topic}\":[0,7]}}"));
    job.refuse(1, "not_found", &[&topic, "7", "subscription"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_offsets_out_of_range_are_data_loss_naming_the_range() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("range", 1).await;
    let produced = broker.producer().produce_n(&topic, 1, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    let beyond = job.clone().arg(
        "--starting-offsets",
        format!("{{\"{topic}\":{{\"0\":500}}}}"),
    );
    let parts = ["startingOffsets", "500", &topic, "holds 0 to 10"];
    beyond.refuse(4, "data_loss", &parts).await;
    let incomplete = job.clone();
    let incomplete = incomplete.arg("--starting-offsets", "{\"another\":{\"0\":1}}");
    incomplete
        .refuse(2, "invalid_argument", &["startingOffsets", &topic])
        .await;
    expect_drained(&job, &python, &produced).await;

    // Asked to go on, it begins at the nearest offset there is, and says so.
    let lake = TempLake::new();
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg(
            "--starting-offsets",
            format!("{{\"{topic}\":{{\"0\":500}}}}"),
        )
        .arg("--fail-on-data-loss", "false");
    let finished = job.run().await.expect_success();
    assert_eq!(finished.last_json()["rows"], 0, "{finished}");
    expect_parts(&finished.stderr, &["WARN", "500", "holds 0 to 10"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn recreated_topic_is_data_loss_naming_both_ids_or_read_from_its_beginning() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("recreated", 1).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    job.drain().await;
    let old = topic_id(&job, 0, &topic);

    broker.delete_topic(&topic).await;
    broker.create_topic(&topic, 1, &[]).await;
    // As long as the old one was: by offsets alone it would look drained.
    let producer = broker.producer();
    let second = |n: usize| Record::of(format!("second-{n}"));
    producer.produce_n(&topic, 1, 10, second).await;
    let parts = ["deleted and created again", &topic, &old, "failOnDataLoss"];
    let message = job.refuse(4, "data_loss", &parts).await;

    let finished = job.clone().arg("--fail-on-data-loss", "false").run().await;
    let finished = finished.expect_success();
    expect_parts(&finished.stderr, &["WARN", "deleted and created again"]);
    assert_eq!(finished.last_json()["rows"], 10, "{finished}");
    let new = topic_id(&job, 1, &topic);
    assert_ne!(new, old);
    expect_parts(&message, &[&new]);

    // The new topic's records stand beside the old one's, each once.
    let rows = python.read_rows(&job.table, &["message_value"]).await;
    let mut values: Vec<&str> = rows
        .iter()
        .map(|row| row["message_value"].as_str().unwrap())
        .collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!((values.len(), rows.len()), (20, 20), "{values:?}");
    assert_eq!(job.drain().await["rows"], 0);
}

/// The topic's id in the checkpoint's `offsets/batch`.
fn topic_id(job: &Bronze, batch: u64, topic: &str) -> String {
    let entry = job
        .checkpoint_path()
        .join("offsets")
        .join(batch.to_string());
    let text = std::fs::read_to_string(entry).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    let entry: serde_json::Value = serde_json::from_str(body).unwrap();
    let id = entry["sources"][0]["end"]["topicIds"][topic].as_str();
    id.unwrap_or_else(|| panic!("no id: {text}")).to_owned()
}
