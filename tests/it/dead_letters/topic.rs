//! Dead letters in a Kafka topic: each once for who reads committed messages, and none lost where the topic takes none.

use serde_json::{Value, json};
use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::python_or_skip;

use super::{Accounts, RUN_WITHIN, broken, good, hex, letters_of, renamed};

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_topic_are_the_records_with_headers_that_say_why() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("letters", 1).await;
    let dlq = format!("{topic}.dlq");
    broker.create_topic(&dlq, 3, &[]).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 100, good).await;
    producer.produce(&topic, 0, renamed(7)).await;
    producer.produce(&topic, 0, broken(8)).await;
    producer.produce(&topic, 0, Record::tombstone("gone")).await;
    // Latin-1.
    let no_text = Record::of(b"{\"id\":\"caf\xe9\",\"balance\":\"1.50\"}".to_vec());
    producer.produce(&topic, 0, no_text).await;
    let job = Accounts::bare(broker, &lake, &topic).with_topic(broker, "{topic}.dlq");
    let (batches, counts) = job.drain().await;
    assert_eq!(counts["rows"], 100, "{counts}");
    assert_eq!(counts["dead_letters"], 4, "{counts}");
    let place = batches[0]["expectations"]["deadLetters"].as_str().unwrap();
    assert!(place.contains("kafka topic {topic}.dlq"), "{place}");

    let mut letters = letters_of(broker, &dlq).await;
    letters.sort_by_key(|letter| letter.offset);
    let shown: Vec<Value> = letters.iter().map(weir::dlq::DeadLetter::to_json).collect();
    let first = &shown[0];
    assert_eq!(first["topic"], topic, "{first}");
    assert_eq!(
        (&first["partition"], &first["offset"]),
        (&json!(0), &json!(100))
    );
    assert_eq!(first["key"], "k7", "{first}");
    assert_eq!(first["value"], "{\"id\":\"a7\",\"balance_eur\":\"8.50\"}");
    assert_eq!(
        first["headers"],
        json!([{"key": "producer", "value": "v2"}])
    );
    assert_eq!(first["error_type"], "SEMANTIC_ERROR", "{first}");
    assert_eq!(first["error_message"], "field balance is missing");
    assert_eq!(first["rule"], "balance_given", "{first}");
    assert_eq!(first["query_id"], counts["query_id"], "{first}");
    assert_eq!(
        (&first["batch_id"], &first["retry_count"]),
        (&json!(0), &json!(0))
    );
    assert!(first["timestamp"].is_string() && first["failed_at"].is_string());
    assert_eq!(shown[1]["error_type"], "SCHEMA_VIOLATION", "{}", shown[1]);
    assert_eq!(
        (&shown[2]["key"], &shown[2]["value"]),
        (&json!("gone"), &Value::Null)
    );
    assert_eq!(shown[3]["error_type"], "SCHEMA_VIOLATION", "{}", shown[3]);
    assert!(
        shown[3]["value"]["base64"].is_string(),
        "its bytes as they came: {}",
        shown[3]
    );

    // What was staged went when the batch was closed; on an object store its directory, too.
    let checkpoint = lake.checkpoint("accounts");
    assert!(checkpoint.join("commits").exists());
    assert_eq!(
        files_under(&checkpoint, ".parquet"),
        Vec::<std::path::PathBuf>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_whose_letters_no_topic_takes_is_not_committed_and_finished_when_one_does() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("missing", 2).await;
    let dlq = format!("{topic}.dlq");
    broker.producer().produce_n(&topic, 2, 50, good).await;
    broker.producer().produce_n(&topic, 2, 10, renamed).await;
    // One that is known by name is missed before anything is read.
    let named = Accounts::bare(broker, &lake, &topic).with_topic(broker, &dlq);
    named.refuse(&[&dlq, "does not exist", "create it"]).await;
    assert!(!lake.checkpoint("accounts").exists());

    let job = Accounts::bare(broker, &lake, &topic).with_topic(broker, "{topic}.dlq");
    for _ in 0..2 {
        job.refuse(&[&dlq, "does not exist", "batch 0"]).await;
        assert!(!lake.table("accounts").join("_delta_log").exists());
    }
    // Nor is it finished anywhere else.
    Accounts::new(broker, &lake, &topic)
        .refuse(&["batch 0", "10 dead letters", "{topic}.dlq"])
        .await;
    broker.create_topic(&dlq, 1, &[]).await;
    job.drain().await;
    assert_eq!(python.read_delta(&job.table).await.rows, 50);
    assert_eq!(letters_of(broker, &dlq).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_in_the_topic_once_when_the_broker_has_forgotten_the_batch() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("forgotten", 2).await;
    broker.producer().produce_n(&topic, 2, 20, good).await;
    broker.producer().produce_n(&topic, 2, 10, renamed).await;
    let dlq = broker.new_topic("forgotten_dlq", 3).await;
    let job = Accounts::bare(broker, &lake, &topic).with_topic(broker, &dlq);
    for step in ["prepared", "dead_letters_committed"] {
        let killed = job.clone().killed_at(step, lake.path()).start();
        let killed = killed.wait(RUN_WITHIN).await;
        assert!(!killed.status.success(), "{step}: {killed}");
        let count = if step == "prepared" { 0 } else { 10 };
        assert_eq!(letters_of(broker, &dlq).await.len(), count, "{step}");
    }
    // After offsets.retention.minutes.
    let query = letters_of(broker, &dlq).await[0].query_id.clone();
    broker.delete_group(&format!("weir-dlq-{query}")).await;
    job.drain().await;
    assert_eq!(letters_of(broker, &dlq).await.len(), 10);
    assert_eq!(python.read_delta(&job.table).await.rows, 20);

    // Letters of the next batch are others.
    broker.producer().produce_n(&topic, 2, 4, renamed).await;
    let killed = job.clone().killed_at("prepared", lake.path()).start();
    killed.wait(RUN_WITHIN).await;
    job.drain().await;
    assert_eq!(letters_of(broker, &dlq).await.len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_of_the_letters_out_of_reach_ends_the_query_before_its_rows_are_committed() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("away", 1).await;
    broker.producer().produce_n(&topic, 1, 5, good).await;
    broker.producer().produce_n(&topic, 1, 10, renamed).await;
    let dlq = format!("{topic}.dlq");
    broker.create_topic(&dlq, 1, &[]).await;
    let bare = Accounts::bare(broker, &lake, &topic).option("dlqTopic", "{topic}.dlq");
    // Nobody listens at port 1.
    let away = bare
        .clone()
        .option("kafka.bootstrap.servers", "127.0.0.1:1");
    away.refuse(&["batch 0", "127.0.0.1:1", "try again"]).await;
    assert!(!lake.table("accounts").join("_delta_log").exists());
    // The same topic, found at another address.
    let job = bare.option("kafka.bootstrap.servers", broker.bootstrap());
    job.drain().await;
    assert_eq!(python.read_delta(&job.table).await.rows, 5);
    assert_eq!(letters_of(broker, &dlq).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn letter_too_large_for_its_topic_says_which_and_what_to_do() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("large", 1).await;
    let large = format!("{{\"id\":\"{}\"}}", "x".repeat(10_000));
    broker
        .producer()
        .produce(&topic, 0, Record::of(large.clone()))
        .await;
    let small = [
        ("max.message.bytes", "9000"),
        ("compression.type", "producer"),
    ];
    let dlq = broker.new_topic_with("large_dlq", 1, &small).await;
    let job = Accounts::bare(broker, &lake, &topic).with_topic(broker, &dlq);
    job.refuse(&[&dlq, "max.message.bytes"]).await;
    assert!(!lake.table("accounts").join("_delta_log").exists());

    // A table has no such limit.
    let other = TempLake::new();
    let job = Accounts::new(broker, &other, &topic);
    let (_, counts) = job.drain().await;
    assert_eq!(counts["dead_letters"], 1, "{counts}");
    let Some(python) = python_or_skip().await else {
        return;
    };
    let rows = python.read_rows(&job.letters, &["value"]).await;
    assert_eq!(rows[0]["value"], hex(&large));
}
