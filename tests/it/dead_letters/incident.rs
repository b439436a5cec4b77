//! The classic incident: a field is renamed where records are made, and the table is filled with nulls. Not here.

use weir_tests::files::TempLake;
use weir_tests::kafka::broker_or_skip;
use weir_tests::python::python_or_skip;

use super::{Accounts, broken, good, hex, places, renamed};

const GOOD: usize = 10_000;
const RENAMED: usize = 4_000;

#[tokio::test(flavor = "multi_thread")]
async fn renamed_balance_reaches_no_row_and_every_record_of_it_is_a_dead_letter() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("incident", 2).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 2, GOOD, good).await;
    producer.produce_n(&topic, 2, RENAMED, renamed).await;
    producer.produce(&topic, 0, broken(0)).await;

    let job = Accounts::new(broker, &lake, &topic).option("source.maxOffsetsPerTrigger", 5_000);
    let (batches, counts) = job.drain().await;
    let letters = RENAMED + 1;
    assert_eq!(counts["input"], GOOD + letters, "{counts}");
    assert_eq!(counts["rows"], GOOD, "{counts}");
    assert_eq!(counts["dead_letters"], letters, "{counts}");
    assert_eq!(counts["over"], 1, "{counts}");

    let rows = python.read_rows(&job.table, &[]).await;
    assert_eq!(rows.len(), GOOD);
    for row in &rows {
        let balance = row["balance"].as_str().expect("a balance");
        assert!(balance.ends_with(".50"), "{row}");
        assert!(row.get("_corrupt_record").is_none(), "{row}");
        assert!(row.get("__weir_letter").is_none(), "{row}");
    }

    let found = python.read_rows(&job.letters, &[]).await;
    assert_eq!(found.len(), letters);
    for letter in &found {
        assert_eq!(letter["topic"], topic, "{letter}");
        assert_eq!(letter["query_id"], counts["query_id"], "{letter}");
        assert_eq!(letter["batch_id"], 2, "{letter}");
        assert_eq!(letter["retry_count"], 0, "{letter}");
        assert!(letter["failed_at"].is_string() && letter["timestamp"].is_string());
        let offset = letter["offset"].as_i64().unwrap();
        if letter["rule"] == "decoded" {
            assert_eq!(letter["error_type"], "SCHEMA_VIOLATION", "{letter}");
            // The corrupt record is its own message, as the rule says.
            assert_eq!(letter["error_message"], "{\"id\":\"a0\",", "{letter}");
            assert_eq!(letter["value"], hex("{\"id\":\"a0\","), "{letter}");
            assert_eq!(letter["headers"], serde_json::Value::Null, "{letter}");
            continue;
        }
        assert_eq!(letter["rule"], "balance_given", "{letter}");
        assert_eq!(letter["error_type"], "SEMANTIC_ERROR", "{letter}");
        assert_eq!(letter["error_message"], "field balance is missing");
        assert_eq!(
            letter["rules"],
            serde_json::json!(["balance_given", "balance_not_zero"])
        );
        let n = (offset - GOOD as i64 / 2) * 2 + letter["partition"].as_i64().unwrap();
        let value = format!("{{\"id\":\"a{n}\",\"balance_eur\":\"{}.50\"}}", n + 1);
        assert_eq!(letter["value"], hex(&value), "{letter}");
        assert_eq!(letter["key"], hex(&format!("k{n}")), "{letter}");
        let headers = serde_json::json!([{"key": "producer", "value": hex("v2")}]);
        assert_eq!(letter["headers"], headers, "{letter}");
    }
    let mut all = places(&python, &job.table).await;
    all.extend(places(&python, &job.letters).await);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), GOOD + letters, "the account closes");

    // The progress says so.
    let expectations = &batches[2]["expectations"];
    assert_eq!(expectations["numDeadLetterRows"], letters, "{expectations}");
    assert_eq!(expectations["overMaxDlqRate"], true, "{expectations}");
    let rule = &expectations["rules"][1];
    assert_eq!(rule["name"], "balance_given", "{rule}");
    assert_eq!(rule["failed"], letters, "{rule}");
    assert_eq!(batches[0]["expectations"]["numDeadLetterRows"], 0);
    let first = &batches[0];
    assert_eq!(
        first["expectations"]["numCheckedRows"],
        first["numInputRows"]
    );

    // Nothing new, and the fixed producer goes on.
    producer.produce_n(&topic, 2, 100, good).await;
    let (_, counts) = job.drain().await;
    assert_eq!(counts["rows"], 100, "{counts}");
    assert_eq!(counts["dead_letters"], 0, "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_dead_letters_fail_before_anything_of_the_batch_is_committed() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("rate", 1).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 1_000, good).await;
    producer.produce_n(&topic, 1, 12, renamed).await;
    let job = Accounts::new(broker, &lake, &topic);

    let strict = job.clone().option("maxDlqRateAction", "fail");
    let limits = [
        "12 of 1012",
        "0.1%",
        "balance_given 12",
        &topic,
        "nothing of it was committed",
    ];
    for _ in 0..2 {
        strict.refuse(&limits).await;
        for table in ["accounts", "accounts_dlq"] {
            assert!(!lake.table(table).join("_delta_log").exists(), "{table}");
        }
    }

    let (_, counts) = strict.option("maxDlqRate", "2%").drain().await;
    assert_eq!(counts["rows"], 1_000, "{counts}");
    assert_eq!(counts["dead_letters"], 12, "{counts}");
    assert_eq!(places(&python, &job.table).await.len(), 1_000);
    assert_eq!(places(&python, &job.letters).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_that_every_row_breaks_fills_the_dead_letters_and_no_table() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("every", 2).await;
    broker
        .producer()
        .produce_n(&topic, 2, 20_000, renamed)
        .await;
    let job = Accounts::new(broker, &lake, &topic).option("source.maxOffsetsPerTrigger", 6_000);
    let (batches, counts) = job.drain().await;
    assert_eq!(counts["rows"], 0, "{counts}");
    assert_eq!(counts["dead_letters"], 20_000, "{counts}");
    assert_eq!(counts["over"], batches.len(), "{counts}");
    assert!(!lake.table("accounts").exists(), "there is no row for it");
    assert_eq!(places(&python, &job.letters).await.len(), 20_000);
    let (_, again) = job.drain().await;
    assert_eq!(again["input"], 0, "{again}");
}
