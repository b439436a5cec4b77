//! Values that fit a schema other than their column's own, and values that do not.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array,
    ListArray, NullArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use serde_json::{Value, json};

use super::schema::AvroTree;
use super::{AvroDecoder, AvroEncoder};
use crate::error::{Error, ErrorKind};
use crate::functions::encode::invoke;

/// A column of structs with one field `f`.
fn column(values: ArrayRef) -> ArrayRef {
    let fields: Fields = vec![Field::new("f", values.data_type().clone(), true)].into();
    Arc::new(StructArray::new(fields, vec![values], None))
}

fn record(field_type: Value) -> AvroTree {
    let schema =
        json!({"type": "record", "name": "R", "fields": [{"name": "f", "type": field_type}]});
    AvroTree::parse(&schema.to_string(), &[]).unwrap()
}

/// The records of `values` in a field of type `field_type`.
fn encode(field_type: Value, values: ArrayRef) -> Result<Vec<Vec<u8>>, Error> {
    let encoder = AvroEncoder::new(record(field_type));
    let (values, rows) = (column(values.clone()), values.len());
    let argument = datafusion::logical_expr::ColumnarValue::Array(values);
    let encoded = invoke("to_avro", argument, rows, |values| {
        encoder.encode(values, &[])
    })?;
    let encoded = encoded.into_array(rows)?;
    let records = encoded.as_binary::<i32>().iter();
    Ok(records.map(|record| record.unwrap().to_vec()).collect())
}

/// What those records are read as.
fn again(field_type: &Value, values: ArrayRef) -> String {
    let records = encode(field_type.clone(), values).unwrap();
    let tree = record(field_type.clone());
    let decoder = AvroDecoder::try_new(&tree, &tree).unwrap();
    let bodies: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let decoded = decoder.decode(&bodies).unwrap();
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let texts = cast(decoded.values.as_struct().column(0), &DataType::Utf8).unwrap();
    let texts = texts.as_string::<i32>().iter();
    texts
        .map(|text| text.unwrap_or("null"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn longs(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn decimals(values: &[i128], digits: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from(values.to_vec());
    Arc::new(array.with_precision_and_scale(digits, scale).unwrap())
}

fn micros(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone("UTC"))
}

#[test]
fn values_of_other_types_fit_where_nothing_is_lost() {
    let decimal = |digits: u8, scale: u8| json!({"type": "bytes", "logicalType": "decimal", "precision": digits, "scale": scale});
    let enumeration = json!({"type": "enum", "name": "E", "symbols": ["B", "A"]});
    let fixed = json!({"type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 4, "scale": 1});
    for (schema, values, expected) in [
        (json!("int"), longs(&[7, -7]), "7 -7"),
        (decimal(5, 3), decimals(&[150, -25], 4, 2), "1.500 -0.250"),
        (decimal(5, 1), decimals(&[150, -20], 4, 2), "1.5 -0.2"),
        (fixed, decimals(&[9999, -9999], 4, 1), "999.9 -999.9"),
        (
            json!("string"),
            Arc::new(BinaryArray::from(vec!["ü".as_bytes(), b""])),
            "ü ",
        ),
        (
            json!(["null", enumeration]),
            texts(&[Some("A"), None, Some("B")]),
            "A null B",
        ),
        (
            json!([enumeration, "null"]),
            texts(&[Some("A"), None]),
            "A null",
        ),
        (
            json!(["null", "int", "long"]),
            longs(&[7, 5_000_000_000]),
            "7 5000000000",
        ),
        (json!(["string"]), texts(&[Some("x")]), "x"),
        (
            json!({"type": "long", "logicalType": "timestamp-millis"}),
            micros(&[-1000, 5_000]),
            "1969-12-31T23:59:59.999Z 1970-01-01T00:00:00.005Z",
        ),
        (
            json!(["null", "long"]),
            Arc::new(NullArray::new(2)),
            "null null",
        ),
        (
            json!("double"),
            Arc::new(arrow::array::Int32Array::from(vec![3])),
            "3.0",
        ),
    ] {
        assert_eq!(again(&schema, values), expected, "{schema}");
    }
}

#[test]
fn values_that_do_not_fit_are_named() {
    let decimal = |digits: u8, scale: u8| json!({"type": "bytes", "logicalType": "decimal", "precision": digits, "scale": scale});
    let fixed = |size: u8| json!({"type": "fixed", "name": "F", "size": size});
    let mut small = fixed(1);
    small["logicalType"] = json!("decimal");
    small["precision"] = json!(4);
    let binary = |bytes: &[u8]| -> ArrayRef { Arc::new(BinaryArray::from(vec![bytes])) };
    for (schema, values, parts) in [
        (
            json!("int"),
            longs(&[1, 2_147_483_648]),
            ["\"f\" is 2147483648", "int"],
        ),
        (
            json!("int"),
            longs(&[-2_147_483_649]),
            ["\"f\" is -2147483649", "int"],
        ),
        (
            json!("string"),
            texts(&[None]),
            ["\"f\" is null", "string has no null"],
        ),
        (
            json!("string"),
            binary(&[0xff, 0]),
            ["\"f\" is 0xff00", "no UTF-8"],
        ),
        (
            decimal(3, 1),
            decimals(&[1000], 9, 1),
            ["\"f\" is 100.0", "decimal(3, 1)"],
        ),
        (
            decimal(9, 1),
            decimals(&[150, 155], 9, 2),
            ["\"f\" is 1.55", "without rounding"],
        ),
        (
            decimal(38, 37),
            decimals(&[i128::from(i64::MAX)], 38, 0),
            ["\"f\" is 9223372036854775807", "decimal(38, 37)"],
        ),
        (
            small,
            decimals(&[128], 4, 0),
            ["\"f\" is 128", "decimal(4, 0)"],
        ),
        (fixed(3), binary(&[1, 2]), ["\"f\" is 0x0102", "3 bytes"]),
        (
            json!({"type": "enum", "name": "E", "symbols": ["A"]}),
            texts(&[Some("A"), Some("C")]),
            ["\"f\" is \"C\"", "enum \"E\""],
        ),
        (
            json!({"type": "long", "logicalType": "timestamp-millis"}),
            micros(&[1_000, 1_001]),
            ["\"f\" is 1970-01-01T00:00:00.001001Z", "milliseconds"],
        ),
        (
            json!(["string", "long"]),
            Arc::new(NullArray::new(1)),
            ["\"f\" is", "has no null"],
        ),
    ] {
        let error = encode(schema.clone(), values).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compute, "{schema} {error}");
        for part in parts.iter().chain(&["to_avro"]) {
            assert!(error.to_string().contains(part), "{schema} {part}: {error}");
        }
    }
}

#[test]
fn types_that_do_not_fit_are_refused_before_there_is_a_value() {
    for (schema, values, part) in [
        (json!("int"), texts(&[]), "\"f\" is string, and int"),
        (
            json!("float"),
            Arc::new(Float64Array::from(Vec::<f64>::new())) as ArrayRef,
            "\"f\" is double",
        ),
        (
            json!({"type": "long", "logicalType": "local-timestamp-micros"}),
            micros(&[]),
            "\"f\" is timestamp, and",
        ),
        (
            json!({"type": "int", "logicalType": "date"}),
            micros(&[]),
            "\"f\" is timestamp, and int (date)",
        ),
        (json!(["string", "long"]), longs(&[]), "a union"),
        (
            json!({"type": "record", "name": "In", "fields": []}),
            longs(&[]),
            "record",
        ),
    ] {
        let error = encode(schema.clone(), values).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPlan, "{schema} {error}");
        assert!(error.to_string().contains(part), "{schema}: {error}");
    }
    // Fields of either that the other has not.
    let encoder = |fields: Value| {
        let schema = json!({"type": "record", "name": "R", "fields": fields});
        AvroEncoder::new(AvroTree::parse(&schema.to_string(), &[]).unwrap())
    };
    let values = column(longs(&[1]));
    let refused = |fields: Value| {
        encoder(fields)
            .encode(&values, &[])
            .unwrap_err()
            .to_string()
    };
    let error = refused(json!([{"name": "ff", "type": "long"}]));
    assert!(
        error.contains("\"f\" is not in the schema; did you mean \"ff\""),
        "{error}"
    );
    let error = refused(json!([{"name": "f", "type": "long"}, {"name": "g", "type": "long"}]));
    assert!(error.contains("\"g\" is not in the column"), "{error}");
    let both = json!([{"name": "g", "type": ["null", "long"]}, {"name": "f", "type": "long"}]);
    let records = encoder(both).encode(&values, &[]);
    assert!(records.is_ok(), "{records:?}");
}

#[test]
fn members_of_unions_are_written_one_at_a_time() {
    let schema = json!(["int", "null", "string"]);
    let fields: Fields = vec![
        Field::new("member0", DataType::Int64, true),
        Field::new("member1", DataType::Utf8, true),
    ]
    .into();
    let of = |numbers: Vec<Option<i64>>, words: &[Option<&str>]| -> ArrayRef {
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(numbers)), texts(words)];
        Arc::new(StructArray::new(fields.clone(), columns, None))
    };
    let values = of(vec![Some(7), None, None], &[None, Some("x"), None]);
    assert_eq!(
        encode(schema.clone(), values).unwrap(),
        [vec![0, 14], vec![4, 2, b'x'], vec![2]]
    );
    let error = encode(schema, of(vec![Some(7)], &[Some("x")])).unwrap_err();
    assert!(
        error.to_string().contains("more than one member"),
        "{error}"
    );
}

#[test]
fn what_is_within_a_null_is_not_looked_at_and_booleans_keep_their_places() {
    // A null list whose items would not fit.
    let items = Arc::new(Int64Array::from(vec![
        Some(1),
        None,
        Some(i64::MAX),
        Some(2),
    ]));
    let list = ListArray::new(
        Arc::new(Field::new("item", DataType::Int64, true)),
        OffsetBuffer::from_lengths([1, 2, 1]),
        items,
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let schema = json!(["null", {"type": "array", "items": "int"}]);
    assert_eq!(
        encode(schema, Arc::new(list)).unwrap(),
        [vec![2, 2, 2, 0], vec![0], vec![2, 2, 4, 0]]
    );
    // Booleans that do not begin at the first bit of a byte.
    let bits = BooleanArray::from(vec![true, true, true, false, true, false]).slice(3, 3);
    let list = ListArray::new(
        Arc::new(Field::new("item", DataType::Boolean, true)),
        OffsetBuffer::from_lengths([3]),
        Arc::new(bits),
        None,
    );
    let schema = json!({"type": "array", "items": "boolean"});
    assert_eq!(
        encode(schema, Arc::new(list)).unwrap(),
        [vec![6, 0, 1, 0, 0]]
    );
}
