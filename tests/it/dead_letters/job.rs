//! `kafka_to_bronze` with rules: its suite, its outcome, its exit code.

use serde_json::json;
use weir_tests::files::TempLake;
use weir_tests::kafka::broker_or_skip;
use weir_tests::python::python_or_skip;

use super::{good, letters_of, places, renamed};
use crate::bronze::{Bronze, expect_error, total};

const SUITE: &str = "checks:
  - {name: has_balance, type: matches, column: message_value, pattern: '\"balance\"'}
  - {name: no_header, type: not_null, column: message_key, severity: warn}
  - {name: not_huge, type: sql, predicate: length(message_value) < 1000, action: drop}
";

#[tokio::test(flavor = "multi_thread")]
async fn incident_in_bronze_ends_with_exit_code_3_and_an_account_that_closes() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("bronze_dlq", 2).await;
    let dlq = format!("{topic}.dlq");
    broker.create_topic(&dlq, 1, &[]).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 2, 1_000, good).await;
    let suite = lake.file("suite.yaml");
    std::fs::write(&suite, SUITE).unwrap();
    let letters = lake.table_url("bronze_dlq");
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--expect", suite.display())
        .arg("--dlq-table", &letters)
        .arg("--dlq-topic", "{topic}.dlq");
    let outcome = job.drain().await;
    assert_eq!(outcome["dead_letters"], 0, "{outcome}");

    producer.produce_n(&topic, 2, 300, renamed).await;
    let huge = weir_tests::kafka::Record::of(format!("{{\"balance\":\"{}\"}}", "9".repeat(2_000)));
    producer.produce(&topic, 0, huge).await;
    let finished = job.run().await;
    assert_eq!(finished.status.code(), Some(3), "{finished}");
    let outcome = finished.last_json();
    assert_eq!(outcome["status"], "too_many_dead_letters", "{outcome}");
    assert_eq!(outcome["records"], 301, "{outcome}");
    assert_eq!(outcome["rows"], 0, "{outcome}");
    assert_eq!(outcome["dead_letters"], 300, "{outcome}");
    assert_eq!(outcome["dropped"], 1, "{outcome}");
    let rule = &outcome["rules"][0];
    assert_eq!(
        (&rule["name"], &rule["failed"]),
        (&json!("has_balance"), &json!(300))
    );
    assert_eq!(outcome["rules"][1]["failed"], 1, "the huge one has no key");
    assert!(finished.stderr.contains("300 of 301 rows"), "{finished}");

    let rows = places(&python, &job.table).await;
    assert_eq!(rows.len(), 1_000);
    assert_eq!(places(&python, &letters).await.len(), 300);
    assert_eq!(letters_of(broker, &dlq).await.len(), 300);
    assert_eq!(total(&outcome["end_offsets"]), 1_000 + 300 + 1);
    // Columns of bronze are its own: headers were read for the letters only.
    let schema = python.read_delta(&job.table).await;
    assert_eq!(schema.column_type("headers"), None);
    // Nothing new is nothing wrong.
    assert_eq!(job.drain().await["dead_letters"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn suites_and_arguments_that_cannot_be_meant_are_refused_by_name() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("bronze_bad", 1).await;
    broker.producer().produce_n(&topic, 1, 3, good).await;
    let suite = lake.file("suite.yaml");
    let letters = lake.table_url("dlq");
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--expect", suite.display());
    let with_table = job.clone().arg("--dlq-table", &letters);
    for (check, parts) in [
        (
            "type: unique, column: offset",
            vec!["unique", "check_table"],
        ),
        (
            "type: row_count, min: 1",
            vec!["row_count", "more than one row"],
        ),
        (
            "type: freshness, column: kafka_timestamp, max_age: 1h",
            vec!["freshness"],
        ),
        (
            "type: references, column: topic, table: /t",
            vec!["references"],
        ),
        ("type: not_null, column: topic, mostly: 0.9", vec!["mostly"]),
        ("type: not_null, column: topik", vec!["topik", "topic"]),
        (
            "type: range, column: topic, min: 1",
            vec!["\"topic\"", "Utf8"],
        ),
        ("type: sql, predicate: topik > 1", vec!["topik"]),
        (
            "type: not_null, column: topic, action: quarantin",
            vec!["quarantin", "quarantine"],
        ),
        (
            "type: not_null, column: topic, error_type: BAD",
            vec!["BAD"],
        ),
    ] {
        std::fs::write(&suite, format!("checks:\n  - {{name: c, {check}}}\n")).unwrap();
        let parts = [&["\"c\""][..], &parts[..]].concat();
        with_table.refuse(2, "invalid_argument", &parts).await;
        job.expect_untouched();
    }
    std::fs::write(&suite, SUITE).unwrap();
    job.refuse(2, "invalid_argument", &["has_balance", "dlqTable"])
        .await;
    let rate = with_table.clone().arg("--max-dlq-rate", "many");
    rate.refuse(2, "invalid_argument", &["maxDlqRate", "many"])
        .await;
    let no_rules = Bronze::new(broker, &lake, &[&topic]).arg("--dlq-table", &letters);
    let outcome = no_rules.fail(2).await;
    expect_error(&outcome, "invalid_argument", &["--expect"]);
    job.expect_untouched();

    let strict = with_table.arg("--max-dlq-rate-action", "fail");
    broker.producer().produce_n(&topic, 1, 9, renamed).await;
    let parts = ["9 of 12", "has_balance 9", "nothing of it was committed"];
    strict.refuse(1, "compute", &parts).await;
    assert!(!job.table_path().join("_delta_log").exists());
}
