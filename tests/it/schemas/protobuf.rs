//! `from_protobuf`, `from_protobuf_registry`: messages of ordinary producers.

use serde_json::{Value, json};
use weir::prelude::*;
use weir::{RegisteredSchema, SchemaType};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::schema_registry::clients_and_registry_or_skip;

use super::{PERMISSIVE, STRICT, builder, decode, error, records};

/// A file with `shop.Other` and `shop.Order`, whose fields are `fields`.
fn file(fields: &Value) -> Value {
    json!({"name": "order.proto", "package": "shop", "syntax": "proto3", "messageType": [
        {"name": "Other", "field": [{"name": "word", "number": 1, "type": "TYPE_STRING", "label": "LABEL_OPTIONAL"}]},
        {"name": "Order", "field": fields,
            "nestedType": [{"name": "Item", "field": [{"name": "sku", "number": 1, "type": "TYPE_STRING", "label": "LABEL_OPTIONAL"}]}],
            "enumType": [{"name": "Kind", "value": [{"name": "NONE", "number": 0}, {"name": "GOLD", "number": 1}]}]},
    ]})
}

fn field(name: &str, number: i32, kind: &str) -> Value {
    json!({"name": name, "number": number, "type": kind, "label": "LABEL_OPTIONAL", "jsonName": name})
}

fn reader(fields: &str) -> RegisteredSchema {
    let text = format!(
        "syntax = \"proto3\"; package shop; message Other {{ string word = 1; }} message Order {{ {fields}
         message Item {{ string sku = 1; }} enum Kind {{ NONE = 0; GOLD = 1; }} }}"
    );
    RegisteredSchema::from_text(SchemaType::Protobuf, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_every_version_are_read_as_the_readers_here_and_on_executors() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("protobuf", 1).await;
    let items = json!({"name": "items", "number": 3, "type": "TYPE_MESSAGE", "typeName": ".shop.Order.Item", "label": "LABEL_REPEATED", "jsonName": "items"});
    let kind = json!({"name": "kind", "number": 4, "type": "TYPE_ENUM", "typeName": ".shop.Order.Kind", "label": "LABEL_OPTIONAL", "jsonName": "kind"});
    let first = file(&json!([
        field("id", 1, "TYPE_INT32"),
        field("balance", 2, "TYPE_DOUBLE"),
        items,
        kind
    ]));
    let renamed = file(&json!([
        field("id", 1, "TYPE_INT32"),
        field("balance_eur", 2, "TYPE_DOUBLE"),
        items,
        kind
    ]));
    let spec = |schema: &Value, message: &str, records: Value| json!({"topic": topic, "format": "protobuf", "schema": schema, "message": message, "records": records});
    let order =
        json!({"id": 1, "balance": 2.5, "items": [{"sku": "a"}, {"sku": "b"}], "kind": "GOLD"});
    let specs = json!([
        spec(&first, "shop.Order", json!([order, {"id": 2}])),
        spec(
            &renamed,
            "shop.Order",
            json!([{"id": 3, "balance_eur": 9.5}])
        ),
        spec(&first, "shop.Other", json!([{"word": "hello"}])),
        spec(&first, "shop.Order.Item", json!([{"sku": "c"}])),
    ]);
    let ids = registry.produce(&clients, broker, &specs).await;
    let id = ids[0].to_be_bytes();
    for body in [&[2, 2, 8][..], &[2, 50], &[0xff; 12], &[]] {
        let record = Record::of([&[0], &id[..], body].concat());
        broker.producer().produce(&topic, 0, record).await;
    }
    let reader = reader(
        "int64 id = 1; double balance = 2; repeated Item items = 3; Kind kind = 4; optional string note = 9;",
    );
    let options = [PERMISSIVE[0], PERMISSIVE[1], ("messageName", "shop.Order")];
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = builder(master, &registry.url()).create().await.unwrap();
        let frame = records(&session, broker, &topic).await;
        let decoded = from_protobuf_registry(col("value"), &reader, options).unwrap();
        let rows = decode(frame.clone(), decoded).await.unwrap();
        assert_eq!(rows[0], order, "{master}");
        // What proto3 leaves out for being zero is null, as in Spark.
        assert_eq!(rows[1], json!({"id": 2, "items": []}), "{master}");
        assert!(
            error(&rows[2]).contains("shop.Order.balance") && error(&rows[2]).contains("renamed"),
            "{}",
            rows[2]
        );
        assert!(error(&rows[3]).contains("\"shop.Other\""), "{}", rows[3]);
        assert!(
            error(&rows[4]).contains("\"shop.Order.Item\""),
            "{}",
            rows[4]
        );
        for row in &rows[5..] {
            assert!(!error(row).is_empty(), "{row}");
        }
        assert!(error(&rows[6]).contains("[25]"), "{}", rows[6]);
        let with_defaults = [
            PERMISSIVE[0],
            ("messageName", "Order"),
            ("emit.default.values", "true"),
        ];
        let decoded = from_protobuf_registry(col("value"), &reader, with_defaults).unwrap();
        let rows = decode(frame.clone(), decoded).await.unwrap();
        assert_eq!(
            rows[1],
            json!({"id": 2, "balance": 0.0, "items": [], "kind": "NONE"})
        );
        // The registry's own schema, as the Python client put it there.
        let client = session.schema_registry().unwrap();
        let version = client.version(&format!("{topic}-value"), 1).await.unwrap();
        let decoded = from_protobuf_registry(col("value"), &version.schema, options).unwrap();
        assert_eq!(decode(frame, decoded).await.unwrap()[0], order);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_headers_are_read_by_descriptors() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("protobuf.plain", 1).await;
    for body in [&[8, 14, 18, 2, b'h', b'i'][..], &[18, 9]] {
        broker.producer().produce(&topic, 0, Record::of(body)).await;
    }
    // FileDescriptorSet { file: { name: "m.proto" package: "m" syntax: "proto3" M { int64 id = 1; string name = 2; } } }
    let set = b"\x0a3\x0a\x07m.proto\x12\x01m\x22\x1d\x0a\x01M\x12\x0a\x0a\x02id\x18\x01 \x01(\x03\x12\x0c\x0a\x04name\x18\x02 \x01(\x09b\x06proto3".to_vec();
    let directory = weir_tests::files::TempLake::new();
    let path = directory.file("m.desc");
    std::fs::write(&path, &set).unwrap();
    let session = Session::builder()
        .master("local[2]")
        .create()
        .await
        .unwrap();
    let frame = records(&session, broker, &topic).await;
    for descriptors in [
        ProtobufDescriptors::from_bytes(set),
        ProtobufDescriptors::read_file(&path).unwrap(),
    ] {
        let decoded = from_protobuf(col("value"), "m.M", &descriptors, PERMISSIVE).unwrap();
        let rows = decode(frame.clone(), decoded).await.unwrap();
        assert_eq!(rows[0], json!({"id": 14, "name": "hi"}));
        assert!(error(&rows[1]).contains("\"m.M\""), "{}", rows[1]);
        let decoded = from_protobuf(col("value"), "M", &descriptors, STRICT).unwrap();
        let error = decode(frame.clone(), decoded)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("0x1209 of 2 bytes"), "{error}");
        let error = from_protobuf(col("value"), "m.N", &descriptors, STRICT).unwrap_err();
        assert!(
            error.to_string().contains("\"m.N\"; did you mean \"m.M\""),
            "{error}"
        );
    }
    let none = ProtobufDescriptors::from_bytes(*b"none");
    assert!(from_protobuf(col("value"), "M", &none, STRICT).is_err());
    assert!(ProtobufDescriptors::read_file("/nowhere.desc").is_err());
}
