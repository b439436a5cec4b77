//! Records as they are: every byte and every null, through the table and back by another reader.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use serde_json::{Value, json};
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::ledger::Ledger;
use weir_tests::python::{Python, python_or_skip};

use crate::bronze::Bronze;

const INVALID: &[u8] = &[0xff, 0x00, 0xc3, 0x28];

/// One of each kind, by offset.
fn kinds() -> Vec<Record> {
    let keyless = |value: &[u8]| Record::of(value);
    vec![
        Record::of("text ü").key("key ü"),
        keyless(b"null key"),
        Record::tombstone("null value"),
        Record::default(),
        Record::of("").key(""),
        Record::of(INVALID).key("invalid value"),
        Record::of("invalid key").key(INVALID),
        Record::of("a\0b").key("\0"),
    ]
}

/// Rows of partition 0 in the order of their offsets.
async fn rows(python: &Python, table: &str, columns: &[&str]) -> Vec<Value> {
    let columns: Vec<&str> = ["offset"].iter().chain(columns).copied().collect();
    let mut rows = python.read_rows(table, &columns).await;
    rows.sort_by_key(|row| row["offset"].as_i64());
    rows
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_empties_and_invalid_utf8_arrive_as_they_are() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("kinds", 1).await;
    let records = kinds().into_iter().map(|record| (0, record));
    let produced = broker.producer().produce_all(&topic, records).await;

    let keys: [(Option<&str>, Option<&[u8]>); 8] = [
        (Some("key ü"), None),
        (None, None),
        (Some("null value"), None),
        (None, None),
        (Some(""), None),
        (Some("invalid value"), None),
        (None, Some(INVALID)),
        (Some("\0"), None),
    ];
    let values: [(Option<&str>, Option<&[u8]>); 8] = [
        (Some("text ü"), None),
        (Some("null key"), None),
        (None, None),
        (None, None),
        (Some(""), None),
        (None, Some(INVALID)),
        (Some("invalid key"), None),
        (Some("a\0b"), None),
    ];
    for value_as in ["string", "binary"] {
        let lake = TempLake::new();
        let job = Bronze::new(broker, &lake, &[&topic]).arg("--value-as", value_as);
        assert_eq!(job.drain().await["rows"], 8);
        python
            .read_delta(&job.table)
            .await
            .expect_exactly(&produced);
        let columns = [
            "message_key",
            "message_key_raw",
            "message_value",
            "message_value_raw",
        ];
        let found = rows(&python, &job.table, &columns).await;
        let expected: Vec<Value> = (0..8)
            .map(|offset| {
                let (key, key_raw) = keys[offset];
                let (text, raw) = values[offset];
                // Binary: every value's bytes, and no text.
                let (text, raw) = match value_as {
                    "string" => (text, raw),
                    _ => (None, text.map(str::as_bytes).or(raw)),
                };
                json!({
                    "offset": offset,
                    "message_key": key,
                    "message_key_raw": key_raw.map(hex),
                    "message_value": text,
                    "message_value_raw": raw.map(hex),
                })
            })
            .collect();
        assert_eq!(found, expected, "--value-as {value_as}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn place_time_and_date_of_each_record_are_columns_of_the_promised_types() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker
        .new_topic_with("columns", 2, &[("retention.ms", "-1")])
        .await;
    let record = Record::of("v").timestamp_ms(1_769_817_599_123);
    broker.producer().produce(&topic, 1, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--load-date", "2026-01-31");
    job.drain().await;
    let summary = python.read_delta(&job.table).await;
    for (column, data_type) in [
        ("topic", "string"),
        ("partition", "integer"),
        ("offset", "long"),
        ("kafka_timestamp", "timestamp"),
        ("timestamp_type", "integer"),
        ("message_key", "string"),
        ("message_key_raw", "binary"),
        ("message_value", "string"),
        ("message_value_raw", "binary"),
        ("load_date", "string"),
    ] {
        assert_eq!(
            summary.column_type(column),
            Some(&json!(data_type)),
            "{column}"
        );
    }
    assert_eq!(summary.column_type("headers"), None);
    assert_eq!(summary.partition_columns, ["topic", "load_date"]);
    let columns = [
        "topic",
        "partition",
        "kafka_timestamp",
        "timestamp_type",
        "load_date",
    ];
    let expected = json!({
        "offset": 0,
        "topic": topic,
        "partition": 1,
        "kafka_timestamp": "2026-01-30T23:59:59.123000+00:00",
        "timestamp_type": 0,
        "load_date": "2026-01-31",
    });
    assert_eq!(rows(&python, &job.table, &columns).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_keep_their_order_duplicates_and_nulls() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("headers", 1).await;
    let records = [
        Record::of("0")
            .header("trace", Some(b"one"))
            .header("empty", Some(b""))
            .header("null", None)
            .header("trace", Some(INVALID)),
        Record::of("1"),
    ];
    let records = records.into_iter().map(|record| (0, record));
    broker.producer().produce_all(&topic, records).await;
    // A table made without headers gets the column once they are asked for.
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 1);
    let with_headers = job.clone().flag("--include-headers");
    with_headers.drain().await;
    let found = rows(&python, &job.table, &["headers"]).await;
    let header = |key: &str, value: Option<&[u8]>| json!({"key": key, "value": value.map(hex)});
    let all = [
        header("trace", Some(b"one")),
        header("empty", Some(b"")),
        header("null", None),
        header("trace", Some(INVALID)),
    ];
    assert_eq!(found[0]["headers"], json!(all));
    assert_eq!(found[1]["headers"], Value::Null);

    // The same job without them: the rows that follow have none.
    broker
        .producer()
        .produce(&topic, 0, Record::of("2").header("h", None))
        .await;
    job.drain().await;
    let found = rows(&python, &job.table, &["headers"]).await;
    assert_eq!(found.len(), 3);
    assert_eq!(found[2]["headers"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_five_megabytes_are_whole() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("large", 1).await;
    let mut random = StdRng::seed_from_u64(5);
    let mut noise = vec![0; 5 << 20];
    random.fill_bytes(&mut noise);
    // Both what is text and what is not, between small neighbours.
    let records = [
        Record::of("before"),
        Record::of("ü".repeat(5 << 19)).key("text"),
        Record::of(noise).key("bytes"),
        Record::of("after"),
    ];
    let mut produced = Ledger::default();
    let producer = broker.producer();
    let records = records.into_iter().map(|record| (0, record));
    produced.merge(&producer.produce_all(&topic, records).await);
    let job = Bronze::new(broker, &lake, &[&topic]);
    assert_eq!(job.drain().await["rows"], 4);
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}
