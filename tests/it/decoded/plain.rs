//! Values without a registry: `--format` and `--schema`.

use serde_json::{Value, json};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::python_or_skip;

use super::{Parts, expect_account, expect_closed};
use crate::bronze::Bronze;

#[tokio::test(flavor = "multi_thread")]
async fn plain_json_of_python_producers_fits_its_schema_or_is_a_letter() {
    let Some(parts) = Parts::or_skip().await else {
        return;
    };
    let topic = parts.broker.new_topic("plain_json", 2).await;
    let plain = |records: Value| json!({"topic": topic, "format": "plain", "records": records, "partitions": 2});
    parts
        .produce(json!([
            plain(json!([
                {"id": 1, "balance": 1.5, "owner": {"name": "ada"}},
                {"id": 2, "balance": 2.5, "owner": {"name": "bob", "age": 7}, "currency": "USD"},
                null,
                {"id": 3, "balance_eur": 3.5, "owner": {"name": "eve"}},
                {"id": 4, "balance": "4.5", "owner": {"name": "eve"}},
                {"id": 5, "balance": 5.5, "owner": {"nom": "eve"}},
                {"id": 6, "balance": null, "owner": {"name": "eve"}},
                {"id": 7, "balance": 7.5},
                null,
                "text",
            ])),
            super::bytes(
                &topic,
                &[
                    json!(""),
                    json!("20"),
                    json!("6e756c6c"),
                    json!("7b22"),
                    json!("7b226964223a22fffe227d")
                ]
            ),
        ]))
        .await;
    let schema = "id BIGINT NOT NULL, balance DOUBLE NOT NULL, owner STRUCT<name: STRING NOT NULL, age: INT>";
    let job = Bronze::new(parts.broker, &parts.lake, &[&topic])
        .arg("--format", "json")
        .arg("--dlq-table", parts.letters())
        .arg("--max-dlq-rate", "100%");
    let first = job.clone().arg("--schema", schema);
    let outcome = first.drain().await;
    // Two accounts, one without an owner, who may be missing, and two tombstones.
    expect_account(&outcome, 5, 5 + 1 + 4);
    let letters = parts.rows(&parts.letters()).await;
    let saying = |part: &str| {
        let said = letters
            .values()
            .map(|letter| letter["error_message"].to_string());
        said.filter(|said| said.contains(part)).count()
    };
    assert_eq!(
        saying("\\\"balance\\\" is missing or null"),
        2,
        "{letters:?}"
    );
    assert_eq!(
        saying("\\\"owner.name\\\" is missing or null"),
        1,
        "{letters:?}"
    );
    assert_eq!(saying("no UTF-8"), 1, "{letters:?}");
    assert_eq!(saying("blank"), 2, "{letters:?}");
    assert_eq!(saying("no JSON, at byte"), 1, "{letters:?}");

    // Another schema reads what comes; the table has its columns, too.
    parts
        .produce(json!([plain(
            json!([{"id": 8, "balance": 8.5, "owner": {"name": "ida"}, "currency": "SEK"}])
        )]))
        .await;
    let file = parts.lake.file("accounts.ddl");
    std::fs::write(&file, format!("{schema}, currency STRING\n")).unwrap();
    let second = job.arg("--schema", format!("@file:{}", file.display()));
    let outcome = second.drain().await;
    expect_account(&outcome, 1, 0);
    let rows = parts.rows(&second.table).await;
    expect_closed(&outcome, &rows, &letters);
    let mut accounts: Vec<Value> = rows
        .values()
        .filter(|row| !row["id"].is_null())
        .map(|row| json!([row["id"], row["balance"], row["owner"], row["currency"]]))
        .collect();
    accounts.sort_by_key(|account| account[0].as_i64());
    assert_eq!(
        json!(accounts),
        json!([
            [1, 1.5, {"name": "ada", "age": null}, null],
            [2, 2.5, {"name": "bob", "age": 7}, null],
            [7, 7.5, null, null],
            [8, 8.5, {"name": "ida", "age": null}, "SEK"],
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format_without_a_registry_is_decoded_beside_the_records_place() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    // FileDescriptorSet { file: { name: "m.proto" package: "m" syntax: "proto3" M { int64 id = 1; string name = 2; } } }
    let set = b"\x0a3\x0a\x07m.proto\x12\x01m\x22\x1d\x0a\x01M\x12\x0a\x0a\x02id\x18\x01 \x01(\x03\x12\x0c\x0a\x04name\x18\x02 \x01(\x09b\x06proto3";
    let avro = r#"{"type":"record","name":"M","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"}]}"#;
    let cases: [(&str, &str, &[u8]); 4] = [
        ("json", "id BIGINT, name STRING", br#"{"id":7,"name":"hi"}"#),
        ("csv", "id BIGINT, name STRING", b"7,hi"),
        ("avro", avro, &[14, 4, b'h', b'i']),
        ("protobuf", "@file:", &[8, 7, 18, 2, b'h', b'i']),
    ];
    for (format, schema, good) in cases {
        let lake = weir_tests::files::TempLake::new();
        let topic = broker.new_topic(&format!("plain_{format}"), 1).await;
        let producer = broker.producer();
        let record = Record::of(good).key("k").header("h", Some(b"v"));
        producer.produce(&topic, 0, record).await;
        producer.produce(&topic, 0, Record::tombstone("gone")).await;
        producer.produce(&topic, 0, Record::of([8, 0xff])).await;
        let file = lake.file("schema");
        std::fs::write(&file, set).unwrap();
        let mut job = Bronze::new(broker, &lake, &[&topic])
            .arg("--format", format)
            .arg("--dlq-table", lake.table_url("dlq"))
            .arg("--max-dlq-rate", "100%")
            .flag("--include-headers");
        job = match format {
            "protobuf" => job
                .arg("--schema", format!("@file:{}", file.display()))
                .arg("--message", "m.M"),
            _ => job.arg("--schema", schema),
        };
        let whole = job.clone();
        expect_account(&job.drain().await, 2, 1);
        let rows = python.read_rows(&job.table, &[]).await;
        for row in rows {
            let expected = match row["offset"].as_i64() {
                Some(0) => json!([7, "hi", "k", [{"key": "h", "value": "76"}]]),
                _ => json!([null, null, "gone", null]),
            };
            let read = json!([row["id"], row["name"], row["message_key"], row["headers"]]);
            assert_eq!(read, expected, "{format}: {row}");
        }
        let letters = python.read_rows(&lake.table_url("dlq"), &[]).await;
        assert_eq!(letters.len(), 1, "{format}");
        assert_eq!(letters[0]["value"], "08ff", "{format}");
        assert_eq!(letters[0]["error_type"], "SCHEMA_VIOLATION", "{format}");

        // In a column of its own, a tombstone is a null, and the value can be kept.
        let other = weir_tests::files::TempLake::new();
        let kept = whole
            .replacing("--out", &other.table_url("bronze"))
            .replacing("--checkpoint", &other.checkpoint_url("bronze"))
            .replacing("--dlq-table", &other.table_url("dlq"))
            .arg("--message-column", "message")
            .arg("--value-as", "binary");
        expect_account(&kept.drain().await, 2, 1);
        let rows = python.read_rows(&other.table_url("bronze"), &[]).await;
        for row in rows {
            let read = json!([row["message"], row["message_value_raw"]]);
            let hex: String = good.iter().map(|byte| format!("{byte:02x}")).collect();
            let expected = match row["offset"].as_i64() {
                Some(0) => json!([{"id": 7, "name": "hi"}, hex]),
                _ => json!([null, null]),
            };
            assert_eq!(read, expected, "{format}: {row}");
        }
    }
}
