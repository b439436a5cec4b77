//! Messages as others write them, and values that do not fit.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, Int32Array, Int64Array, ListArray,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Int64Type};
use datafusion::logical_expr::ColumnarValue;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use super::{MessageOptions, MessageType, ProtobufEncoder, file_of, message_at};
use crate::error::{Error, ErrorKind};
use crate::functions::encode::invoke;
use crate::schema_registry::{RegisteredSchema, SchemaType};

fn message(text: &str) -> MessageDescriptor {
    let schema = RegisteredSchema::from_text(SchemaType::Protobuf, text);
    message_at(&file_of(&schema).unwrap(), &[0]).unwrap()
}

fn proto3(body: &str) -> MessageDescriptor {
    message(&format!(
        "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; message M {{ {body} }}"
    ))
}

fn column(columns: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let fields = columns
        .iter()
        .map(|(name, values)| Field::new(*name, values.data_type().clone(), true));
    let fields: Fields = fields.collect();
    let columns = columns.into_iter().map(|(_, values)| values).collect();
    Arc::new(StructArray::new(fields, columns, None))
}

fn encode(descriptor: &MessageDescriptor, values: ArrayRef) -> Result<Vec<Vec<u8>>, Error> {
    let encoder = ProtobufEncoder::new(MessageType::new(descriptor, MessageOptions::default())?);
    let rows = values.len();
    let argument = ColumnarValue::Array(values);
    let encoded = invoke("to_protobuf", argument, rows, |values| {
        encoder.encode(values, &[])
    })?;
    let encoded = encoded.into_array(rows)?;
    let records = encoded.as_binary::<i32>().iter();
    Ok(records.map(|record| record.unwrap().to_vec()).collect())
}

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn longs(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn unsigned(values: &[i128]) -> ArrayRef {
    let array = Decimal128Array::from(values.to_vec());
    Arc::new(array.with_precision_and_scale(20, 0).unwrap())
}

/// Every kind of number, as `prost-reflect` reads it.
#[test]
fn numbers_of_every_kind_are_read_by_another_library() {
    let kinds = [
        "int32", "sint32", "sfixed32", "int64", "sint64", "sfixed64", "uint32", "fixed32",
        "uint64", "fixed64",
    ];
    for kind in kinds {
        let descriptor = proto3(&format!("{kind} n = 1;"));
        let (values, expected): (ArrayRef, Vec<Value>) = match kind {
            "int32" | "sint32" | "sfixed32" => (
                longs(&[0, -1, i64::from(i32::MIN), i64::from(i32::MAX)]),
                [0, -1, i32::MIN, i32::MAX].map(Value::I32).to_vec(),
            ),
            "uint32" | "fixed32" => (
                longs(&[0, 1, 4_294_967_295]),
                [0, 1, u32::MAX].map(Value::U32).to_vec(),
            ),
            "uint64" | "fixed64" => (
                unsigned(&[0, 1, i128::from(u64::MAX)]),
                [0, 1, u64::MAX].map(Value::U64).to_vec(),
            ),
            _ => (
                longs(&[0, -1, i64::MIN, i64::MAX]),
                [0, -1, i64::MIN, i64::MAX].map(Value::I64).to_vec(),
            ),
        };
        let records = encode(&descriptor, column(vec![("n", values)])).unwrap();
        assert!(records[0].is_empty(), "{kind}: proto3 leaves zero out");
        for (record, expected) in records.iter().zip(expected) {
            let read = DynamicMessage::decode(descriptor.clone(), record.as_slice()).unwrap();
            assert_eq!(*read.get_field_by_name("n").unwrap(), expected, "{kind}");
        }
    }
    // The same bits, as from_protobuf has them.
    let descriptor = proto3("uint32 n = 1; uint64 m = 2;");
    let values = column(vec![("n", ints(&[-1])), ("m", longs(&[-1]))]);
    let record = encode(&descriptor, values).unwrap().remove(0);
    let read = DynamicMessage::decode(descriptor, record.as_slice()).unwrap();
    assert_eq!(*read.get_field_by_name("n").unwrap(), Value::U32(u32::MAX));
    assert_eq!(*read.get_field_by_name("m").unwrap(), Value::U64(u64::MAX));
}

#[test]
fn bytes_are_those_of_the_specification() {
    // Packed numbers, strings one by one, a length of two bytes, fields in the order of their numbers.
    let descriptor = proto3("string s = 9; repeated int32 n = 2; repeated string t = 3;");
    let numbers: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([
        Some(1),
        Some(300),
    ])]));
    let words = texts(&["a", ""]);
    let words: ArrayRef = Arc::new(ListArray::new(
        Arc::new(Field::new("item", DataType::Utf8, true)),
        arrow::buffer::OffsetBuffer::from_lengths([2]),
        words,
        None,
    ));
    let long = "x".repeat(200);
    let values = column(vec![("s", texts(&[&long])), ("n", numbers), ("t", words)]);
    let mut expected = vec![0x12, 3, 1, 0xac, 2, 0x1a, 1, b'a', 0x1a, 0, 0x4a, 0xc8, 1];
    expected.extend(long.as_bytes());
    assert_eq!(encode(&descriptor, values).unwrap(), [expected]);
    // A message of 200 bytes within another.
    let descriptor = proto3("message In { string s = 1; } In i = 1;");
    let inner = column(vec![("s", texts(&[&long]))]);
    let record = encode(&descriptor, column(vec![("i", inner)]))
        .unwrap()
        .remove(0);
    assert_eq!(record[..6], [0x0a, 0xcb, 1, 0x0a, 0xc8, 1]);
    assert_eq!(record.len(), 206);
}

#[test]
fn values_that_do_not_fit_are_named() {
    let proto2 = |body: &str| message(&format!("syntax = \"proto2\"; message M {{ {body} }}"));
    let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    let nulls: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([
        Some(1),
        None,
    ])]));
    let binary: ArrayRef = Arc::new(BinaryArray::from(vec![&[0xff_u8][..]]));
    let year_10000: ArrayRef = Arc::new(
        TimestampMicrosecondArray::from(vec![253_402_300_800_000_000]).with_timezone("UTC"),
    );
    for (descriptor, values, parts) in [
        (
            proto3("int32 f = 1;"),
            longs(&[2_147_483_648]),
            ["\"f\" is 2147483648", "int32"],
        ),
        (
            proto3("uint32 f = 1;"),
            longs(&[4_294_967_296]),
            ["\"f\" is 4294967296", "uint32"],
        ),
        (
            proto3("uint32 f = 1;"),
            longs(&[-1]),
            ["\"f\" is -1", "uint32"],
        ),
        (
            proto3("uint64 f = 1;"),
            unsigned(&[18_446_744_073_709_551_616]),
            ["\"f\" is 18446744073709551616", "uint64"],
        ),
        (
            proto3("uint64 f = 1;"),
            ints(&[-1]),
            ["\"f\" is -1", "uint64"],
        ),
        (
            proto3("enum E { A = 0; B = 2; } E f = 1;"),
            texts(&["C"]),
            ["\"f\" is \"C\"", "\"M.E\""],
        ),
        (
            proto3("enum E { A = 0; B = 2; } E f = 1;"),
            ints(&[1]),
            ["\"f\" is 1", "\"M.E\""],
        ),
        (
            proto3("string f = 1;"),
            binary,
            ["\"f\" is 0xff", "no UTF-8"],
        ),
        (
            proto3("repeated int64 f = 1;"),
            nulls,
            ["\"f.items\" is null", "no null"],
        ),
        (
            proto3("google.protobuf.Timestamp f = 1;"),
            year_10000,
            ["\"f\" is +10000-01-01", "9999"],
        ),
        (
            proto2("required int64 f = 1;"),
            Arc::clone(&null),
            ["\"f\" is null", "required"],
        ),
        (
            proto2("optional int64 f = 1 [default = 5];"),
            null,
            ["\"f\" is null", "default"],
        ),
    ] {
        let error = encode(&descriptor, column(vec![("f", values)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compute, "{parts:?} {error}");
        for part in parts.iter().chain(&["to_protobuf"]) {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
    let either = proto3("oneof either { int64 a = 1; string b = 2; }");
    let values = column(vec![("a", longs(&[1])), ("b", texts(&["x"]))]);
    let error = encode(&either, values).unwrap_err();
    assert!(error.to_string().contains("oneof \"either\""), "{error}");
    let one = column(vec![("b", texts(&["x"]))]);
    assert_eq!(encode(&either, one).unwrap(), [[0x12, 1, b'x']]);
}

#[test]
fn types_that_do_not_fit_are_refused_before_there_is_a_value() {
    let descriptor = message(
        "syntax = \"proto2\"; message M { required int64 f = 1; optional group G = 2 { optional int32 x = 1; } }",
    );
    for (values, part) in [
        (
            column(vec![("f", texts(&[]))]),
            "\"f\" is string, and int64",
        ),
        (
            column(vec![("f", longs(&[])), ("h", longs(&[]))]),
            "\"h\" is not in message \"M\"",
        ),
        (
            column(vec![
                ("g", column(vec![("x", ints(&[]))])),
                ("f", longs(&[])),
            ]),
            "is a group",
        ),
        (
            column(vec![("g", column(vec![("x", ints(&[]))]))]),
            "\"f\" is not in the column",
        ),
        (longs(&[]), "the value is bigint"),
    ] {
        let error = encode(&descriptor, values).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPlan, "{error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}
