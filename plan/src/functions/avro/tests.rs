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

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % bound
    }

    /// `body` with a few bytes changed, left out, put in or cut off.
    fn damage(&mut self, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        for _ in 0..=self.below(3) {
            if body.is_empty() {
                body.push(self.below(256) as u8);
            }
            let at = self.below(body.len());
            match self.below(5) {
                0 => body[at] = self.below(256) as u8,
                1 => body[at] ^= 1 << self.below(8),
                2 => drop(body.remove(at)),
                3 => body.insert(at, self.below(256) as u8),
                _ => body.truncate(at),
            }
        }
        body
    }
}

/// A writer's schema of everything, a reader's that differs, and a record.
fn everything() -> (AvroTree, AvroTree, Vec<u8>) {
    let inner = json!({"type": "record", "name": "In", "fields": [
        {"name": "t", "type": ["null", "string"]}, {"name": "gone", "type": {"type": "array", "items": "string"}},
    ]});
    let writer = json!([
        {"name": "s", "type": "string"},
        {"name": "b", "type": "boolean"},
        {"name": "i", "type": "int"},
        {"name": "l", "type": "long"},
        {"name": "f", "type": "double"},
        {"name": "x", "type": {"type": "fixed", "name": "F", "size": 3}},
        {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
        {"name": "m", "type": {"type": "map", "values": "long"}},
        {"name": "a", "type": {"type": "array", "items": inner}},
        {"name": "u", "type": ["null", "int", "string"]},
        {"name": "unread", "type": "string"},
        {"name": "as_bytes", "type": "string"},
    ]);
    let mut reader = writer.clone();
    reader.as_array_mut().unwrap().remove(11);
    reader[11]["type"] = json!("bytes");
    reader[9]["type"]["items"]["fields"] = json!([{"name": "t", "type": ["null", "string"]}]);
    reader[2]["type"] = json!("long");
    let mut body = vec![4, b'h', b'i', 1, 14, 16];
    body.extend(1.5f64.to_le_bytes());
    body.extend([1, 2, 3, 2, 7, 2, 2, 2, b'k', 18, 0]);
    // Two blocks of items, the second with its length.
    body.extend([2, 2, 2, b'x', 2, 2, b'y', 0, 1, 4, 0, 0, 0]);
    body.extend([4, 2, b'z', 2, b'w', 2, b'v']);
    (tree(&record(writer)), tree(&record(reader)), body)
}

#[test]
fn damaged_records_are_bad_or_not_whatever_is_beside_them() {
    let (writer, reader, good) = everything();
    let decoder = AvroDecoder::try_new(&writer, &reader).unwrap();
    let whole = decoder.decode(&[&good]).unwrap();
    assert!(whole.bad.is_empty(), "{:?}", whole.bad);
    let seed = 7;
    let mut random = Random(seed);
    for round in 0..60 {
        let bodies: Vec<Vec<u8>> = (0..40)
            .map(|at| match at % 4 {
                0 => good.clone(),
                _ => random.damage(&good),
            })
            .collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let together = decoder.decode(&bodies).unwrap();
        assert_eq!(together.values.len(), bodies.len());
        for (row, body) in bodies.iter().enumerate() {
            let place = format!("seed {seed}, round {round}, {body:?}");
            let alone = decoder.decode(&[body]).unwrap();
            let found = together.bad.iter().find(|bad| bad.row == row);
            assert_eq!(alone.bad.len(), usize::from(found.is_some()), "{place}");
            assert_eq!(
                alone.values.as_ref(),
                together.values.slice(row, 1).as_ref(),
                "{place}"
            );
            assert!(found.is_none_or(|bad| !bad.reason.is_empty()), "{place}");
            // What is read is what `arrow-avro` reads of it.
            match decoder.read_alone(body).unwrap() {
                Ok(value) if found.is_none() => assert_eq!(value.as_ref(), alone.values.as_ref()),
                Ok(value) => assert!(!decoder.is_divided(body), "{place}: {value:?}"),
                Err(_) => assert!(found.is_some(), "{place}"),
            }
            assert!(row % 4 != 0 || found.is_none(), "{place}");
        }
    }
}

#[test]
fn reasons_of_bad_records_name_the_field() {
    let (writer, reader, good) = everything();
    let decoder = AvroDecoder::try_new(&writer, &reader).unwrap();
    let mut no_text = good.clone();
    no_text[1] = 0xff;
    let mut no_branch = good.clone();
    // The union of its first item.
    no_branch[26] = 8;
    for (body, expected) in [
        (&no_text, "field \"s\": text that is no UTF-8"),
        (&no_branch, "field \"a."),
        (&good[..9].to_vec(), "ends within a value, after 9 bytes"),
    ] {
        let decoded = decoder.decode(&[&good, body]).unwrap();
        let [bad] = decoded.bad.as_slice() else {
            panic!("{:?}", decoded.bad)
        };
        assert_eq!(bad.row, 1);
        assert!(bad.reason.contains(expected), "{expected}: {}", bad.reason);
    }
}

#[test]
fn batch_of_bad_records_takes_few_decoders() {
    let (writer, reader, good) = everything();
    let mut no_text = good.clone();
    no_text[1] = 0xff;
    for bad in [good[..20].to_vec(), no_text, vec![0xa5; 60]] {
        let decoder = AvroDecoder::try_new(&writer, &reader).unwrap();
        let mut bodies = vec![bad.as_slice(); 1000];
        bodies[500] = &good;
        let decoded = decoder.decode(&bodies).unwrap();
        assert_eq!(decoded.bad.len(), 999);
        assert!(decoded.values.is_valid(500));
        // One for the schemas, one for all records, one for those that are left.
        assert!(decoder.started() <= 3, "{}", decoder.started());
    }
}
