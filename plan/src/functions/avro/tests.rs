//! Schemas that fit each other or do not, and records that are none.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use serde_json::json;

use super::decoder::AvroDecoder;
use super::schema::AvroTree;
use crate::functions::ddl;

fn tree(schema: &serde_json::Value) -> AvroTree {
    AvroTree::parse(&schema.to_string(), &[]).unwrap()
}

fn record(fields: serde_json::Value) -> serde_json::Value {
    json!({"type": "record", "name": "R", "namespace": "n", "fields": fields})
}

fn refused(writer: serde_json::Value, reader: serde_json::Value) -> String {
    let writer = tree(&record(writer));
    AvroDecoder::try_new(&writer, &tree(&record(reader))).unwrap_err()
}

fn type_of(schema: &serde_json::Value) -> String {
    ddl::type_name(&tree(schema).data_type().unwrap())
}

#[test]
fn types_are_those_of_spark() {
    for (schema, expected) in [
        (json!("int"), "int"),
        (json!(["null", "string"]), "string"),
        (json!(["int", "null", "long"]), "bigint"),
        (json!(["float", "double"]), "double"),
        (
            json!(["null", "int", "string"]),
            "struct<member0:int,member1:string>",
        ),
        (
            json!({"type": "long", "logicalType": "timestamp-millis"}),
            "timestamp",
        ),
        (
            json!({"type": "long", "logicalType": "local-timestamp-micros"}),
            "timestamp_ntz",
        ),
        (json!({"type": "int", "logicalType": "time-millis"}), "int"),
        (json!({"type": "string", "logicalType": "uuid"}), "string"),
        (
            json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
            "decimal(9,2)",
        ),
        (
            json!({"type": "enum", "name": "E", "symbols": ["A"]}),
            "string",
        ),
        (
            json!({"type": "map", "values": {"type": "array", "items": "float"}}),
            "map<string,array<float>>",
        ),
    ] {
        assert_eq!(type_of(&schema), expected, "{schema}");
    }
}

#[test]
fn recursive_schema_is_refused_by_name() {
    let schema = json!({"type": "record", "name": "Node", "namespace": "a.b", "fields": [
        {"name": "next", "type": ["null", "Node"]},
    ]});
    let error = AvroTree::parse(&schema.to_string(), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"a.b.Node\"") && error.contains("\"next\""),
        "{error}"
    );
}

#[test]
fn names_are_found_in_what_is_referred_to() {
    let money = json!({"type": "record", "name": "Money", "namespace": "pay", "fields": [
        {"name": "cents", "type": "long"},
    ]});
    let order =
        record(json!([{"name": "a", "type": "pay.Money"}, {"name": "b", "type": "pay.Money"}]));
    let tree = AvroTree::parse(&order.to_string(), &[&money.to_string()]).unwrap();
    assert_eq!(
        ddl::type_name(&tree.data_type().unwrap()),
        "struct<a:struct<cents:bigint>,b:struct<cents:bigint>>"
    );
    let error = AvroTree::parse(&order.to_string(), &[]).unwrap_err();
    assert!(error.to_string().contains("\"pay.Money\""), "{error}");
}

#[test]
fn schemas_that_do_not_fit_are_refused_with_the_place() {
    let balance = |t: &str| json!([{"name": "id", "type": "long"}, {"name": "balance", "type": t}]);
    let renamed =
        json!([{"name": "id", "type": "long"}, {"name": "balance_eur", "type": "double"}]);
    // Also one that may be null: the writer said nothing of it.
    let nullable = json!([{"name": "balance", "type": ["null", "double"]}]);
    for reader in [balance("double"), nullable] {
        let error = refused(renamed.clone(), reader);
        assert!(
            error.contains("field \"balance\"") && error.contains("removed or renamed"),
            "{error}"
        );
    }
    let error = refused(balance("string"), balance("double"));
    assert!(
        error.contains("field \"balance\" changed its type: string") && error.contains("double"),
        "{error}"
    );
    let at = |unit: &str| json!([{"name": "t", "type": {"type": "long", "logicalType": unit}}]);
    let error = refused(at("timestamp-millis"), at("timestamp-micros"));
    assert!(error.contains("timestamp-micros"), "{error}");
    // arrow-avro would read four bytes as eight.
    let inner =
        |t: &str| json!({"type": "record", "name": "In", "fields": [{"name": "x", "type": t}]});
    let error = refused(
        json!([{"name": "in", "type": ["null", inner("float")]}]),
        json!([{"name": "in", "type": inner("double")}]),
    );
    assert!(error.contains("field \"in\""), "{error}");
}

#[test]
fn records_are_resolved_to_the_readers_schema() {
    let writer = tree(&record(json!([
        {"name": "gone", "type": "string"},
        {"name": "old", "type": "float"},
        {"name": "kept", "type": "int"},
    ])));
    let reader = tree(&record(json!([
        {"name": "kept", "type": "long"},
        {"name": "new", "type": "double", "aliases": ["old"]},
        {"name": "added", "type": ["null", "string"], "default": null},
        {"name": "word", "type": "string", "default": "none"},
    ])));
    let decoder = AvroDecoder::try_new(&writer, &reader).unwrap();
    let mut body = vec![4, b'h', b'i'];
    body.extend(1.5f32.to_le_bytes());
    body.push(14);
    let decoded = decoder.decode(&[&body]).unwrap();
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let row = decoded.values.as_struct();
    assert_eq!(row.column(0).as_primitive::<Int64Type>().value(0), 7);
    assert_eq!(row.column(1).as_primitive::<Float64Type>().value(0), 1.5);
    assert!(row.column(2).is_null(0));
    assert_eq!(row.column(3).as_string::<i32>().value(0), "none");
}

#[test]
fn bad_records_leave_no_trace_in_the_others() {
    let schema = tree(&record(json!([
        {"name": "s", "type": "string"},
        {"name": "l", "type": {"type": "array", "items": "long"}},
    ])));
    let decoder = AvroDecoder::try_new(&schema, &schema).unwrap();
    let good: &[u8] = &[4, b'h', b'i', 4, 2, 4, 0];
    // Cut off, no UTF-8, followed by more, followed by what looks like another record, a length below zero, nothing.
    let bad: [&[u8]; 6] = [
        &good[..5],
        &[2, 0xff, 0],
        &[4, b'h', b'i', 0, 9],
        &[2, b'x', 0, 0, 0, 0, 0, 0, 2, b'y', 0],
        &[1, b'x', 0],
        &[],
    ];
    for bad in bad {
        let decoded = decoder.decode(&[good, bad, bad, good, bad]).unwrap();
        let rows: Vec<_> = decoded.bad.iter().map(|bad| bad.row).collect();
        assert_eq!(rows, [1, 2, 4], "{bad:?}");
        assert!(decoded.bad.iter().all(|bad| !bad.reason.is_empty()));
        let values = decoded.values.as_struct();
        for row in 0..5 {
            assert_eq!(values.is_null(row), rows.contains(&row), "{bad:?}");
        }
        for row in [0, 3] {
            assert_eq!(values.column(0).as_string::<i32>().value(row), "hi");
            let list = values.column(1).as_list::<i32>().value(row);
            assert_eq!(list.as_primitive::<Int64Type>().values(), &[1, 2]);
        }
    }
}

#[test]
fn unions_are_structs_of_their_members() {
    let schema = tree(&record(
        json!([{"name": "u", "type": ["int", "null", "string"]}, {"name": "n", "type": ["int", "long", "null"]}]),
    ));
    let decoder = AvroDecoder::try_new(&schema, &schema).unwrap();
    let rows: [&[u8]; 3] = [&[0, 14, 2, 16], &[2, 4], &[4, 2, b'x', 0, 18]];
    let decoded = decoder.decode(&rows).unwrap();
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let text = arrow::util::pretty::pretty_format_columns("r", &[decoded.values])
        .unwrap()
        .to_string();
    for row in [
        "{u: {member0: 7, member1: }, n: 8}",
        "{u: , n: }",
        "{u: {member0: , member1: x}, n: 9}",
    ] {
        assert!(text.contains(row), "{text}");
    }
}
