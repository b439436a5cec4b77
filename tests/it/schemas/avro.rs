//! `from_avro`, `from_avro_registry`: what ordinary producers write, and what they should not have.

use serde_json::{Value, json};
use weir::prelude::*;
use weir::{ErrorKind, RegisteredSchema, SchemaType};
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::python_or_skip;
use weir_tests::schema_registry::clients_and_registry_or_skip;

use super::{PERMISSIVE, STRICT, builder, decode, error, records, session};

fn account(fields: Value) -> Value {
    json!({"type": "record", "name": "Account", "namespace": "bank", "fields": fields})
}

fn avro(schema: &Value) -> RegisteredSchema {
    RegisteredSchema::from_text(SchemaType::Avro, schema.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_every_version_are_read_as_the_readers_schema_here_and_on_executors() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("avro.versions", 1).await;
    let address = json!({"type": "record", "name": "Address", "namespace": "bank", "fields": [
        {"name": "city", "type": "string"},
    ]});
    let first = account(json!([
        {"name": "id", "type": "int"},
        {"name": "balance", "type": "float"},
        {"name": "home", "type": "bank.Address"},
    ]));
    // Wider numbers, a new field, a type that may be null, one that is gone.
    let second = account(json!([
        {"name": "id", "type": "long"},
        {"name": "balance", "type": ["null", "double"]},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NONE", "GOLD"]}, "default": "NONE"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "opened", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
    ]));
    let spec = json!([
        {"topic": topic, "format": "avro", "schema": first,
            "references": [{"name": "bank.Address", "subject": "address", "schema": address}],
            "records": [{"id": 1, "balance": 1.5, "home": {"city": "Bern"}}, {"id": 2, "balance": 2.5, "home": {"city": "Uri"}}]},
        {"topic": topic, "format": "avro", "schema": second,
            "records": [{"id": 5_000_000_000_i64, "balance": null, "kind": "GOLD", "tags": ["a", "b"], "opened": 1_700_000_000_123_i64}]},
    ]);
    let ids = registry.produce(&clients, broker, &spec).await;
    assert_ne!(ids[0], ids[1]);
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = builder(master, &registry.url()).create().await.unwrap();
        let subject = format!("{topic}-value");
        let client = session.schema_registry().unwrap();
        let latest = client.latest_version(&subject).await.unwrap();
        assert_eq!((latest.version, latest.id), (2, ids[1]));
        let frame = records(&session, broker, &topic).await;
        let decoded = from_avro_registry(col("value"), &latest.schema, STRICT).unwrap();
        let rows = decode(frame.clone(), decoded).await.unwrap();
        let old = |id: i64, balance: f64| json!({"id": id, "balance": balance, "kind": "NONE", "tags": [], "opened": "1970-01-01T00:00:00.000Z"});
        assert_eq!(rows[..2], [old(1, 1.5), old(2, 2.5)], "{master}");
        assert_eq!(rows[2]["id"], 5_000_000_000_i64, "{master}");
        assert_eq!(rows[2]["kind"], "GOLD");
        assert_eq!(rows[2]["tags"], json!(["a", "b"]));
        assert_eq!(rows[2]["opened"], "2023-11-14T22:13:20.123Z");
        assert_eq!(rows[2].get("balance"), None);

        // As the first version has it, what was written with the second cannot be read: `home` is gone.
        let version = client.version(&subject, 1).await.unwrap();
        assert_eq!(version.schema.references.len(), 1);
        let decoded = from_avro_registry(col("value"), &version.schema, PERMISSIVE).unwrap();
        let rows = decode(frame.clone(), decoded).await.unwrap();
        assert_eq!(
            rows[1],
            json!({"id": 2, "balance": 2.5, "home": {"city": "Uri"}})
        );
        assert!(
            error(&rows[2]).contains("\"id\" changed its type: long"),
            "{}",
            rows[2]
        );
        // A schema given by its text.
        let own = avro(&account(json!([{"name": "id", "type": "long"}])));
        let decoded = from_avro_registry(col("value"), &own, STRICT).unwrap();
        let rows = decode(frame, decoded).await.unwrap();
        assert_eq!(rows, [1, 2, 5_000_000_000_i64].map(|id| json!({"id": id})));
        let error = client.latest_version("nobody-value").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("nobody-value"), "{error}");
        assert!(error.to_string().contains(&registry.url()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_field_reaches_no_table_as_null_or_zero() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("avro.renamed", 1).await;
    let schema = |name: &str, kind: &str| {
        account(json!([{"name": "id", "type": "long"}, {"name": name, "type": kind}]))
    };
    let batch = |name: &str, from: i64, until: i64, text: bool| {
        let rows = (from..until).map(|id| match text {
            true => json!({"id": id, name: format!("{id}")}),
            false => json!({"id": id, name: id as f64 + 0.5}),
        });
        rows.collect::<Vec<_>>()
    };
    let good = schema("balance", "double");
    let spec = json!([
        {"topic": topic, "format": "avro", "schema": good, "records": batch("balance", 0, 10_000, false)},
        {"topic": topic, "format": "avro", "schema": schema("balance_eur", "double"), "records": batch("balance_eur", 10_000, 10_400, false)},
        {"topic": topic, "format": "avro", "schema": schema("balance", "string"), "records": batch("balance", 10_400, 10_500, true)},
        {"topic": topic, "format": "avro", "schema": good, "records": batch("balance", 10_500, 10_600, false)},
    ]);
    registry.produce(&clients, broker, &spec).await;
    for master in ["local[2]", "local-cluster[2,1]"] {
        let lake = TempLake::new();
        let session = builder(master, &registry.url()).create().await.unwrap();
        let stream = || async {
            let stream = session.read_stream().format("kafka");
            let stream = stream.option("kafka.bootstrap.servers", broker.bootstrap());
            let stream = stream.option("subscribe", &topic);
            let stream = stream.option("startingOffsets", "earliest");
            stream.load().await.unwrap()
        };
        let decoded = from_avro_registry(col("value"), &avro(&good), PERMISSIVE).unwrap();
        let rows = stream().await;
        let rows = rows
            .select([col("offset"), decoded.alias("account")])
            .unwrap();
        let query = rows.write_stream().format("delta");
        let query = query.option("checkpointLocation", lake.checkpoint_url("accounts"));
        let query = query.trigger(Trigger::AvailableNow);
        let query = query.start(&lake.table_url("accounts")).await.unwrap();
        query.await_termination().await.unwrap();
        let table = lake.table_url("accounts");
        let read = python.read_rows(&table, &["offset", "account"]).await;
        assert_eq!(read.len(), 10_600, "{master}");
        let (mut sound, mut renamed, mut changed) = (0, 0, 0);
        for row in &read {
            let (offset, account) = (row["offset"].as_i64().unwrap(), &row["account"]);
            let text = account["error"].as_str();
            match (offset, text) {
                (..10_000 | 10_500.., None) => {
                    assert_eq!(account["balance"], offset as f64 + 0.5, "{row}");
                    sound += 1;
                }
                (10_000..10_400, Some(text)) => {
                    assert!(
                        text.contains("\"balance\"") && text.contains("renamed"),
                        "{text}"
                    );
                    assert!(text.contains("schema id "), "{text}");
                    renamed += 1;
                }
                (10_400..10_500, Some(text)) => {
                    assert!(
                        text.contains("\"balance\" changed its type: string"),
                        "{text}"
                    );
                    changed += 1;
                }
                _ => panic!("{row}"),
            }
            if text.is_some() {
                assert!(
                    account["balance"].is_null() && account["id"].is_null(),
                    "{row}"
                );
            }
        }
        assert_eq!((sound, renamed, changed), (10_100, 400, 100), "{master}");

        // In mode FAILFAST the query ends, and no batch with such a record is committed.
        let decoded = from_avro_registry(col("value"), &avro(&good), STRICT).unwrap();
        let rows = stream().await;
        let rows = rows
            .select([col("offset"), decoded.alias("account")])
            .unwrap();
        let query = rows.write_stream().format("delta");
        let query = query.option("checkpointLocation", lake.checkpoint_url("strict"));
        let query = query.trigger(Trigger::AvailableNow);
        let query = query.start(&lake.table_url("strict")).await.unwrap();
        let error = query.await_termination().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compute, "{error}");
        assert!(error.to_string().contains("\"balance\""), "{error}");
        assert!(error.to_string().contains("PERMISSIVE"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_none_are_told_one_by_one() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("avro.bad", 1).await;
    let schema =
        account(json!([{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]));
    let spec = json!([{"topic": topic, "format": "avro", "schema": schema, "records": [{"id": 1, "name": "ann"}]}]);
    let id = registry.produce(&clients, broker, &spec).await[0];
    let with_id = |id: u32, body: &[u8]| [&[0], &id.to_be_bytes()[..], body].concat();
    let bad: [(Vec<u8>, &str); 9] = [
        (with_id(4_000_000, &[2]), "schema id 4000000"),
        // A registry's ids have 31 bits: it answers as if the request were wrong.
        (with_id(u32::MAX, &[2]), "schema id 4294967295 is beyond"),
        (b"{\"id\":1}".to_vec(), "first byte is 0x7b"),
        (Vec::new(), "it is empty"),
        (vec![0, 0, 0], "ends within the header"),
        (with_id(id, &[2, 6, b'a']), "ends within a value"),
        (with_id(id, &[2, 2, b'a', 9]), "bytes follow"),
        (with_id(id, &[2, 4, 0xc3, 0x28]), "does not fit"),
        (with_id(id, &[]), "it is empty"),
    ];
    let producer = broker.producer();
    for (record, _) in &bad {
        producer
            .produce(&topic, 0, Record::of(record.clone()))
            .await;
    }
    producer.produce(&topic, 0, Record::tombstone("key")).await;
    let last = with_id(id, &[4, 2, b'b']);
    producer.produce(&topic, 0, Record::of(last)).await;

    let session = session(&registry.url()).await;
    let frame = records(&session, broker, &topic).await;
    let reader = avro(&schema);
    let decoded = from_avro_registry(col("value"), &reader, PERMISSIVE).unwrap();
    let rows = decode(frame.clone(), decoded).await.unwrap();
    assert_eq!(rows[0], json!({"id": 1, "name": "ann"}));
    for ((_, expected), row) in bad.iter().zip(&rows[1..]) {
        assert!(error(row).contains(expected), "{expected}: {row}");
        assert_eq!(row.as_object().unwrap().len(), 1, "{row}");
    }
    // What the registry itself said of the id that it does not know.
    assert!(error(&rows[1]).contains("40403"), "{}", rows[1]);
    assert!(error(&rows[1]).contains(&registry.url()), "{}", rows[1]);
    assert_eq!(rows[10], Value::Null);
    assert_eq!(rows[11], json!({"id": 2, "name": "b"}));

    let decoded = from_avro_registry(col("value"), &reader, STRICT).unwrap();
    let failed = decode(frame, decoded).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Compute, "{failed}");
    assert!(failed.to_string().contains("4000000"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_of_500_fields_is_read_and_a_recursive_one_is_refused_by_name() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("avro.wide", 1).await;
    let fields: Vec<_> = (0..500)
        .map(|n| json!({"name": format!("f{n}"), "type": if n % 2 == 0 { "long" } else { "string" }}))
        .collect();
    let record = (0..500).map(|n| {
        let value = if n % 2 == 0 {
            json!(n)
        } else {
            json!(format!("t{n}"))
        };
        (format!("f{n}"), value)
    });
    let record = Value::Object(record.collect());
    let node = json!({"type": "record", "name": "Node", "namespace": "tree", "fields": [
        {"name": "f0", "type": "long"},
        {"name": "next", "type": ["null", "Node"], "default": null},
    ]});
    let wide = account(json!(fields));
    let spec = json!([
        {"topic": topic, "format": "avro", "schema": wide, "records": vec![&record; 100]},
        {"topic": topic, "format": "avro", "schema": node, "records": [{"f0": 1, "next": {"f0": 2, "next": null}}]},
    ]);
    registry.produce(&clients, broker, &spec).await;
    let session = session(&registry.url()).await;
    let frame = records(&session, broker, &topic).await;
    let decoded = from_avro_registry(col("value"), &avro(&wide), PERMISSIVE).unwrap();
    let rows = decode(frame, decoded).await.unwrap();
    assert_eq!(rows.len(), 101);
    assert!(rows[..100].iter().all(|row| row == &record), "{}", rows[0]);
    assert!(error(&rows[100]).contains("tree.Node"), "{}", rows[100]);
    let refused = from_avro_registry(col("value"), &avro(&node), STRICT).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    assert!(refused.to_string().contains("tree.Node"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_headers_are_read_with_the_schema_that_is_given() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("avro.plain", 1).await;
    let bodies: [&[u8]; 4] = [&[2, 4, b'h', b'i'], &[2, 4, b'h'], &[1, 0], &[0xff; 12]];
    for body in bodies {
        broker.producer().produce(&topic, 0, Record::of(body)).await;
    }
    let schema =
        account(json!([{"name": "id", "type": "int"}, {"name": "name", "type": "string"}]));
    let reader = account(
        json!([{"name": "id", "type": "long"}, {"name": "more", "type": "string", "default": "?"}]),
    );
    let session = Session::builder()
        .master("local[2]")
        .create()
        .await
        .unwrap();
    let frame = records(&session, broker, &topic).await;
    let schema = schema.to_string();
    let options = [
        PERMISSIVE[0],
        PERMISSIVE[1],
        ("avroSchema", &reader.to_string()),
    ];
    let rows = decode(
        frame.clone(),
        from_avro(col("value"), &schema, options).unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(rows[0], json!({"id": 1, "more": "?"}));
    assert_eq!(rows[2], json!({"id": -1, "more": "?"}));
    assert!(error(&rows[1]).contains("ends within"), "{}", rows[1]);
    assert!(!error(&rows[3]).is_empty(), "{}", rows[3]);
    let error = decode(frame, from_avro(col("value"), &schema, STRICT).unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("0x020468 of 3 bytes"), "{error}");
    for (schema, options, expected) in [
        ("{", vec![], "no JSON"),
        ("\"int\"", vec![("mod", "x")], "did you mean \"mode\""),
        ("\"int\"", vec![("mode", "DROPMALFORMED")], "DROPMALFORMED"),
        ("\"int\"", vec![PERMISSIVE[0], PERMISSIVE[1]], "no record"),
        ("\"int\"", vec![("columnNameOfError", "e")], "PERMISSIVE"),
        (
            "\"int\"",
            vec![("avroSchema", "\"string\"")],
            "changed its type",
        ),
    ] {
        let error = from_avro(col("value"), schema, options).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
