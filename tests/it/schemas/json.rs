//! `from_json_registry`, and `from_json` that says why: records of ordinary producers, and what is no JSON of its schema.

use serde_json::{Value, json};
use weir::prelude::*;
use weir::{RegisteredSchema, SchemaType};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::schema_registry::clients_and_registry_or_skip;

use super::{PERMISSIVE, STRICT, builder, decode, error, records};

fn account(properties: Value) -> Value {
    json!({"title": "Account", "type": "object", "properties": properties, "required": ["id"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_every_version_is_read_as_the_readers_schema_here_and_on_executors() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("json.versions", 1).await;
    let balance = json!({"type": "number"});
    let first = account(json!({"id": {"type": "integer"}, "balance": balance}));
    let renamed = account(json!({"id": {"type": "integer"}, "balance_eur": balance}));
    let changed = account(json!({"id": {"type": "string"}, "balance": balance}));
    let spec = |schema: &Value, records: Value| json!({"topic": topic, "format": "json", "schema": schema, "records": records});
    let specs = json!([
        spec(&first, json!([{"id": 1, "balance": 2.5}, {"id": 2}])),
        spec(&renamed, json!([{"id": 3, "balance_eur": 9.5}])),
        spec(&changed, json!([{"id": "4", "balance": 1}])),
        // What the schema says and the producer does not keep.
        spec(
            &first,
            json!([{"balance": 7}, {"id": "x"}, {"id": 5, "balance": "7"}])
        ),
    ]);
    let ids = registry.produce(&clients, broker, &specs).await;
    let id = ids[0].to_be_bytes();
    let bad: [(&[u8], &str); 6] = [
        (br#"{"id":1"#, "no JSON"),
        (br#"{"id":123456789012345678901234567890}"#, "is no BIGINT"),
        (b"{\"id\":1,\"balance\":\"\xff\xfe\"}", "no UTF-8"),
        // UTF-16.
        (b"\xff\xfe{\x00}\x00", "no UTF-8"),
        (b"", "no JSON"),
        (b"[1]", "is no STRUCT"),
    ];
    for (body, _) in bad {
        let record = Record::of([&[0], &id[..], body].concat());
        broker.producer().produce(&topic, 0, record).await;
    }
    let twice = [&[0], &id[..], br#"{"id":8,"id":9}"#].concat();
    broker
        .producer()
        .produce(&topic, 0, Record::of(twice))
        .await;
    let reader = account(json!({
        "id": {"type": "integer"}, "balance": balance, "kind": {"type": "string", "default": "plain"},
    }));
    let reader = RegisteredSchema::from_text(SchemaType::Json, reader.to_string());
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = builder(master, &registry.url()).create().await.unwrap();
        let frame = records(&session, broker, &topic).await;
        let decoded = from_json_registry(col("value"), &reader, PERMISSIVE).unwrap();
        let rows = decode(frame.clone(), decoded).await.unwrap();
        assert_eq!(
            rows[0],
            json!({"id": 1, "balance": 2.5, "kind": "plain"}),
            "{master}"
        );
        assert_eq!(rows[1], json!({"id": 2, "kind": "plain"}), "{master}");
        for (row, expected) in [
            (2, "field \"balance\" is not in the writer's schema"),
            (3, "field \"id\" changed its type: string"),
            (4, "field \"id\" is required"),
            (5, "field \"id\": \"x\" is no BIGINT"),
            (6, "field \"balance\": \"7\" is no DOUBLE"),
        ] {
            assert!(error(&rows[row]).contains(expected), "{}", rows[row]);
        }
        for ((_, expected), row) in bad.iter().zip(&rows[7..]) {
            assert!(error(row).contains(expected), "{expected}: {row}");
        }
        assert_eq!(rows[13], json!({"id": 9, "kind": "plain"}));
        let decoded = from_json_registry(col("value"), &reader, STRICT).unwrap();
        let failed = decode(frame, decoded).await.unwrap_err();
        assert!(failed.to_string().contains("\"balance\""), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_json_says_why_a_record_does_not_fit() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("json.why", 1).await;
    let records_and_reasons: [(&[u8], &str); 10] = [
        (br#"{"id":1,"in":{"x":2},"n":1.25}"#, ""),
        (
            br#"{"id":"one","in":{"x":2}}"#,
            r#"field "id": "one" is no INT"#,
        ),
        (
            br#"{"id":1,"in":{"x":"two"}}"#,
            r#"field "in.x": "two" is no INT"#,
        ),
        (br#"{"id":1,"in":[1]}"#, r#"field "in": [1] is no STRUCT"#),
        (
            br#"{"id":99999999999}"#,
            r#"field "id": 99999999999 is no INT"#,
        ),
        (br#"{"n":123456.5}"#, "field \"n\": 123456.5 is no DECIMAL"),
        (br#"{"id":1,"#, "it is no JSON, at byte 8"),
        (b"null", "it is null"),
        // A cast of its own would end the query.
        (b"{\"id\":1,\"n\":\"\xe9\"}", "it is no UTF-8, at byte 13"),
        // The last of a repeated name stays; the first is what does not fit.
        (br#"{"id":"x","id":2}"#, "\"x\" is no INT"),
    ];
    for (record, _) in records_and_reasons {
        broker
            .producer()
            .produce(&topic, 0, Record::of(record))
            .await;
    }
    let schema = "id INT, in STRUCT<x: INT>, n DECIMAL(5,2)";
    let session = Session::builder()
        .master("local[2]")
        .create()
        .await
        .unwrap();
    let frame = records(&session, broker, &topic).await;
    let text = || col("value").cast("string").unwrap();
    let in_schema = format!("why STRING, {schema}, raw STRING");
    let with_both = [
        PERMISSIVE[0],
        ("columnNameOfError", "why"),
        ("columnNameOfCorruptRecord", "raw"),
    ];
    let added = decode(
        frame.clone(),
        from_json(text(), schema, PERMISSIVE).unwrap(),
    )
    .await
    .unwrap();
    let both = decode(frame, from_json(text(), &in_schema, with_both).unwrap())
        .await
        .unwrap();
    for (row, (record, reason)) in records_and_reasons.iter().enumerate() {
        let found = error(&added[row]);
        assert!(found.contains(reason), "{reason}: {found}");
        assert_eq!(found.is_empty(), reason.is_empty(), "{found}");
        assert_eq!(both[row]["why"].as_str().unwrap_or(""), found);
        let raw = both[row]["raw"].as_str().unwrap_or("");
        // What is no text comes as near to it as text can.
        let record = String::from_utf8_lossy(record);
        assert_eq!(raw, if reason.is_empty() { "" } else { &record });
    }
    assert_eq!(added[2]["id"], 1);
    for (schema, options, expected) in [
        ("array<int>", vec![("columnNameOfError", "e")], "\"e\""),
        (
            "e INT",
            vec![("columnNameOfError", "e")],
            "must be a STRING",
        ),
        (
            "a INT",
            vec![("mode", "FAILFAST"), ("columnNameOfError", "e")],
            "PERMISSIVE",
        ),
        (
            "e STRING",
            vec![
                ("columnNameOfError", "e"),
                ("columnNameOfCorruptRecord", "e"),
            ],
            "another",
        ),
    ] {
        let error = from_json(col("value"), schema, options)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}
