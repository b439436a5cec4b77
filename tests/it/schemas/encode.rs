//! `to_avro`, `to_protobuf` and those of schema registries: other programs read what they write.

use serde_json::{Value, json};
use weir::datafusion::arrow::array::AsArray as _;
use weir::datafusion::arrow::datatypes::DataType;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir::{DataFrame, ErrorKind, RegisteredSchema, SchemaType, SubjectVersion};
use weir_tests::kafka::{Broker, Record, broker_or_skip};
use weir_tests::schema_registry::clients_and_registry_or_skip;

use super::{STRICT, builder, decode, records};

const ORDER: &str = "id BIGINT, balance DOUBLE, name STRING, tags ARRAY<STRING>, at TIMESTAMP, home STRUCT<city: STRING, zip: INT>, \
                     counts MAP<STRING, INT>, paid BOOLEAN";

/// Rows that are computed where the records of `topic` are read.
async fn orders(session: &Session, broker: &Broker, topic: &str, schema: &str) -> DataFrame {
    let value = col("value").cast("string").unwrap();
    let order = from_json(value, schema, STRICT).unwrap();
    let frame = records(session, broker, topic).await;
    frame.select([col("offset"), order.alias("order")]).unwrap()
}

fn type_of(frame: &DataFrame, column: &str) -> DataType {
    let field = frame.schema().field_with_unqualified_name(column).unwrap();
    field.data_type().clone()
}

/// The records that `encoded` makes, in the order of their offsets.
async fn encode(frame: &DataFrame, encoded: Expr) -> weir::Result<Vec<Option<Vec<u8>>>> {
    let rows = frame
        .clone()
        .select([col("offset"), encoded.alias("value")])?;
    let rows = rows.sort([col("offset")])?.collect().await?;
    let mut found = Vec::new();
    for batch in rows {
        let values = batch.column(1).as_binary::<i32>();
        found.extend(values.iter().map(|value| value.map(<[u8]>::to_vec)));
    }
    Ok(found)
}

async fn produce(broker: &Broker, topic: &str, values: &[Option<Vec<u8>>]) {
    let records = values.iter().map(|value| match value {
        Some(value) => (0, Record::of(value.clone())),
        None => (0, Record::tombstone("key")),
    });
    broker.producer().produce_all(topic, records).await;
}

/// The file of `shop.Order` as a descriptor in JSON, as the column's type has it.
fn file() -> Value {
    let field = |name: &str, number: i32, kind: &str| json!({"name": name, "number": number, "type": kind, "label": "LABEL_OPTIONAL"});
    let optional = |name: &str, number: i32, kind: &str, index: i32| {
        let mut field = field(name, number, kind);
        field["proto3Optional"] = json!(true);
        field["oneofIndex"] = json!(index);
        field
    };
    let message = |name: &str, number: i32, of: &str| {
        let mut field = field(name, number, "TYPE_MESSAGE");
        field["typeName"] = json!(of);
        field
    };
    let repeated = |mut field: Value| {
        field["label"] = json!("LABEL_REPEATED");
        field
    };
    let synthetic = |names: &[&str]| -> Vec<Value> {
        names
            .iter()
            .map(|name| json!({"name": format!("_{name}")}))
            .collect()
    };
    json!({"name": "order.proto", "package": "shop", "syntax": "proto3", "dependency": ["google/protobuf/timestamp.proto"],
    "messageType": [{"name": "Order", "field": [
        optional("id", 1, "TYPE_INT64", 0), optional("balance", 2, "TYPE_DOUBLE", 1), optional("name", 3, "TYPE_STRING", 2),
        repeated(field("tags", 4, "TYPE_STRING")), message("at", 5, ".google.protobuf.Timestamp"),
        message("home", 6, ".shop.Order.Home"), repeated(message("counts", 7, ".shop.Order.CountsEntry")),
        optional("paid", 8, "TYPE_BOOL", 3)],
        "oneofDecl": synthetic(&["id", "balance", "name", "paid"]),
        "nestedType": [
            {"name": "Home", "field": [optional("city", 1, "TYPE_STRING", 0), optional("zip", 2, "TYPE_INT32", 1)],
                "oneofDecl": synthetic(&["city", "zip"])},
            {"name": "CountsEntry", "options": {"mapEntry": true},
                "field": [field("key", 1, "TYPE_STRING"), field("value", 2, "TYPE_INT32")]},
        ]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_every_format_are_read_by_other_programs_here_and_on_executors() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let source = broker.new_topic("encode.source", 1).await;
    let full = json!({"id": 5_000_000_000_i64, "balance": -2.5, "name": "Zoë", "tags": ["a", "b"], "at": "2023-11-14T22:13:20.123456Z",
        "home": {"city": "Bern", "zip": 3000}, "counts": {"b": 1, "a": -2, "d": 3, "c": 4}, "paid": false});
    let sparse = json!({"id": 0, "tags": [], "counts": {}, "home": {}});
    let rows = [
        Some(full.to_string().into()),
        None,
        Some(sparse.to_string().into()),
    ];
    produce(broker, &source, &rows).await;
    let none = STRICT;
    let mut written: Vec<Vec<Option<Vec<u8>>>> = Vec::new();
    let mut formats = Vec::new();
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = builder(master, &registry.url()).create().await.unwrap();
        let client = session.schema_registry().unwrap();
        let frame = orders(&session, broker, &source, ORDER).await;
        let data_type = type_of(&frame, "order");
        let named = [("recordName", "Order"), ("recordNamespace", "shop")];
        let schema = |schema_type, options: &[(&str, &str)]| {
            RegisteredSchema::from_type(schema_type, &data_type, options.to_vec()).unwrap()
        };
        let register = async |format: &str, schema: RegisteredSchema| -> SubjectVersion {
            let subject = format!("encode-{format}-value");
            client.register(&subject, &schema, none).await.unwrap()
        };
        let avro = register("avro", schema(SchemaType::Avro, &named)).await;
        let protobuf = register("protobuf", schema(SchemaType::Protobuf, &named)).await;
        let json_schema = register("json", schema(SchemaType::Json, &named[..1])).await;
        // The second session finds what the first registered.
        assert_eq!(
            [avro.version, protobuf.version, json_schema.version],
            [1, 1, 1]
        );
        let set = descriptors(&protobuf.schema);
        let column = || col("order");
        let functions: [(&str, Expr, Expr); 5] = [
            (
                "avro",
                to_avro_registry(column(), &avro, none).unwrap(),
                from_avro_registry(col("value"), &avro.schema, none).unwrap(),
            ),
            (
                "protobuf",
                to_protobuf_registry(column(), &protobuf, none).unwrap(),
                from_protobuf_registry(col("value"), &protobuf.schema, none).unwrap(),
            ),
            (
                "json",
                to_json_registry(column(), &json_schema, none).unwrap(),
                from_json_registry(col("value"), &json_schema.schema, none).unwrap(),
            ),
            (
                "avro.plain",
                to_avro(column(), None).unwrap(),
                from_avro(col("value"), &avro_of_spark(), none).unwrap(),
            ),
            (
                "protobuf.plain",
                to_protobuf(column(), "Order", &set).unwrap(),
                from_protobuf(col("value"), "Order", &set, none).unwrap(),
            ),
        ];
        let first = written.is_empty();
        for (at, (format, encoded, decoded)) in functions.into_iter().enumerate() {
            let values = encode(&frame, encoded.clone()).await.unwrap();
            assert_eq!(values.len(), 3);
            assert!(
                values[1].is_none(),
                "{master} {format}: a null is no record"
            );
            // Read again by Weir, where it is written.
            let both = frame
                .clone()
                .select([col("offset"), encoded.alias("value")])
                .unwrap();
            let again = decode(both, decoded).await.unwrap();
            assert_eq!(again[1], Value::Null);
            assert_eq!(again[0]["counts"], full["counts"], "{master} {format}");
            // to_json, which shows them, cuts timestamps; in JSON it is a string.
            let time = match format {
                "json" => "2023-11-14T22:13:20.123456Z",
                _ => "2023-11-14T22:13:20.123Z",
            };
            assert_eq!(again[0]["at"], time, "{master} {format}");
            assert_eq!(again[2], sparse, "{master} {format}");
            match first {
                true => {
                    written.push(values);
                    formats.push(format);
                }
                // Wherever a task runs, it writes the same bytes.
                false => assert_eq!(written[at], values, "{format}"),
            }
        }
    }
    let mut spec = Vec::new();
    for (format, values) in formats.iter().zip(&written) {
        let topic = broker.new_topic(&format!("encode.{format}"), 1).await;
        produce(broker, &topic, values).await;
        let schema = match *format {
            "avro.plain" => serde_json::from_str(&avro_of_spark()).unwrap(),
            _ => file(),
        };
        spec.push(
            json!({"topic": topic, "format": format, "schema": schema, "message": "shop.Order"}),
        );
    }
    let read = registry.consume(&clients, broker, &json!(spec)).await;
    for (format, values) in formats.iter().zip(&read) {
        let (one, other) = (&values[0], &values[2]);
        assert_eq!(values[1], Value::Null, "{format}");
        // JSON of Protobuf has 64-bit integers as strings, and leaves out what is empty.
        let protobuf = format.starts_with("protobuf");
        let id = if protobuf {
            json!("5000000000")
        } else {
            full["id"].clone()
        };
        assert_eq!(one["id"], id, "{format}");
        for name in ["balance", "name", "tags", "home", "counts", "paid"] {
            assert_eq!(one[name], full[name], "{format} {name}");
        }
        let at = one["at"].as_str().unwrap();
        assert!(
            at.starts_with("2023-11-14T22:13:20.123456"),
            "{format}: {at}"
        );
        match protobuf {
            true => assert_eq!(*other, json!({"id": "0", "home": {}}), "{format}"),
            false => {
                assert_eq!(other["id"], 0, "{format}");
                assert_eq!(other["tags"], json!([]), "{format}");
                assert_eq!(
                    other["home"].get("city").unwrap_or(&Value::Null),
                    &Value::Null,
                    "{format}"
                );
                assert_eq!(
                    other.get("balance").unwrap_or(&Value::Null),
                    &Value::Null,
                    "{format}"
                );
            }
        }
    }
}

/// The schema that Spark's `to_avro` gives the column.
fn avro_of_spark() -> String {
    let or_null = |schema: Value| json!([schema, "null"]);
    let field = |name: &str, schema: Value| json!({"name": name, "type": or_null(schema)});
    let schema = json!({"type": "record", "name": "topLevelRecord", "fields": [
        field("id", json!("long")),
        field("balance", json!("double")),
        field("name", json!("string")),
        field("tags", json!({"type": "array", "items": or_null(json!("string"))})),
        field("at", json!({"type": "long", "logicalType": "timestamp-micros"})),
        field("home", json!({"type": "record", "name": "home", "namespace": "topLevelRecord", "fields": [
            field("city", json!("string")), field("zip", json!("int")),
        ]})),
        field("counts", json!({"type": "map", "values": or_null(json!("int"))})),
        field("paid", json!("boolean")),
    ]});
    schema.to_string()
}

/// A registered schema as `protoc` would give it.
fn descriptors(schema: &RegisteredSchema) -> ProtobufDescriptors {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("order.proto"), &schema.text).unwrap();
    let mut compiler = protox::Compiler::new([directory.path()]).unwrap();
    compiler
        .include_imports(true)
        .open_file("order.proto")
        .unwrap();
    ProtobufDescriptors::from_bytes(compiler.encode_file_descriptor_set())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_end_the_query_with_their_field_and_value() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let source = broker.new_topic("encode.unfit", 1).await;
    let row = json!({"id": 3_000_000_000_i64, "kind": "LEAD", "home": null});
    broker
        .producer()
        .produce(&source, 0, Record::of(row.to_string()))
        .await;
    let record =
        |field: Value| json!({"type": "record", "name": "R", "fields": [field]}).to_string();
    let kind = json!({"type": "enum", "name": "Kind", "symbols": ["GOLD"]});
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = Session::builder().master(master).config(
            "weir.executor.program",
            env!("CARGO_BIN_EXE_weir-test-node"),
        );
        let session = session.create().await.unwrap();
        for (schema, field, parts) in [
            (
                "id BIGINT",
                json!({"name": "id", "type": "int"}),
                ["\"id\" is 3000000000", "int"],
            ),
            (
                "kind STRING",
                json!({"name": "kind", "type": kind}),
                ["\"kind\" is \"LEAD\"", "\"Kind\""],
            ),
            (
                "home STRING",
                json!({"name": "home", "type": "string"}),
                ["\"home\" is null", "string"],
            ),
        ] {
            let frame = orders(&session, broker, &source, schema).await;
            let encoded = to_avro(col("order"), Some(&record(field))).unwrap();
            let error = encode(&frame, encoded).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Compute, "{master} {error}");
            for part in parts.iter().chain(&["to_avro"]) {
                assert!(error.to_string().contains(part), "{master} {part}: {error}");
            }
        }
        // A type that cannot fit is found before anything runs.
        let frame = orders(&session, broker, &source, "id BIGINT").await;
        let text = record(json!({"name": "id", "type": "string"}));
        let encoded = to_avro(col("order"), Some(&text)).unwrap();
        let Err(error) = frame.select([encoded]) else {
            panic!("{master}: a plan that cannot fit");
        };
        assert!(error.to_string().contains("\"id\" is bigint"), "{error}");
    }
}
