//! Messages of a registry's schemas: which can be read as which.

use arrow::util::pretty::pretty_format_columns;

use super::{MessageOptions, MessageType, ProtobufDecoder, check, file_of, message_at};
use crate::functions::ddl;
use crate::schema_registry::{RegisteredSchema, SchemaType};

fn message(body: &str) -> prost_reflect::MessageDescriptor {
    let text = format!(
        "syntax = \"proto3\"; package shop; import \"google/protobuf/timestamp.proto\"; message Order {{ {body} }}"
    );
    let schema = RegisteredSchema::from_text(SchemaType::Protobuf, text);
    message_at(&file_of(&schema).unwrap(), &[0]).unwrap()
}

#[test]
fn types_are_those_of_spark() {
    let message = message(
        "int64 id = 1; uint32 u = 2; repeated string tags = 3; map<int32, double> m = 4;
         google.protobuf.Timestamp at = 5; enum Kind { NONE = 0; GOLD = 1; } Kind kind = 6;
         message In { bytes b = 1; } In inner = 7; message Empty {} Empty none = 8;",
    );
    let read = MessageType::new(&message, MessageOptions::default()).unwrap();
    assert_eq!(
        ddl::type_name(&read.data_type()),
        "struct<id:bigint,u:int,tags:array<string>,m:map<int,double>,at:timestamp,kind:string,inner:struct<b:binary>>"
    );
}

#[test]
fn message_that_contains_itself_is_refused_by_name() {
    let error = MessageType::new(
        &message("repeated Order parts = 1;"),
        MessageOptions::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("\"shop.Order\""), "{error}");
}

#[test]
fn messages_that_do_not_fit_are_refused_with_the_place() {
    let reader = message("int64 id = 1; double balance = 2; optional string note = 3;");
    for (writer, expected) in [
        ("int32 id = 1; double balance = 2;", ""),
        ("int64 id = 1; double balance_eur = 2;", "it was renamed"),
        ("int64 id = 1;", "it was removed"),
        ("int64 id = 1; double balance = 4;", "number 4"),
        ("int64 id = 1; string balance = 2;", "changed its type"),
        (
            "int64 id = 1; repeated double balance = 2;",
            "repeated double",
        ),
        ("sint64 id = 1; double balance = 2;", "changed its type"),
    ] {
        match check(&message(writer), &reader) {
            Ok(()) => assert_eq!(expected, "", "{writer}"),
            Err(error) => {
                assert!(!expected.is_empty() && error.contains(expected), "{error}");
                assert!(error.contains("shop.Order."), "{error}");
            }
        }
    }
}

#[test]
fn bad_messages_leave_no_trace_in_the_others() {
    let message = message("int64 id = 1; repeated string tags = 2; enum K { A = 0; } K k = 3;");
    let decoder =
        ProtobufDecoder::new(MessageType::new(&message, MessageOptions::default()).unwrap());
    let good: &[u8] = &[8, 7, 18, 1, b'x', 24, 0];
    // Cut off, no UTF-8, a value that the enum does not have.
    let bad: [&[u8]; 3] = [&[8, 7, 18, 9], &[18, 1, 0xff], &[8, 7, 18, 1, b'x', 24, 5]];
    for bad in bad {
        let decoded = decoder.decode(&[good, bad, good]).unwrap();
        assert_eq!(decoded.bad.len(), 1, "{bad:?}");
        assert_eq!(decoded.bad[0].row, 1);
        let text = pretty_format_columns("r", &[decoded.values])
            .unwrap()
            .to_string();
        assert_eq!(text.matches("{id: 7, tags: [x], k: }").count(), 2, "{text}");
    }
}

#[test]
fn damaged_messages_are_bad_or_not_whatever_is_beside_them() {
    let message = message(
        "int64 id = 1; repeated string tags = 2; map<string, int32> m = 3; google.protobuf.Timestamp at = 4;
         enum K { A = 0; B = 1; } K k = 5; message In { bytes b = 1; double d = 2; } repeated In in = 6;
         repeated int32 packed = 7; oneof o { string x = 8; uint64 y = 9; }",
    );
    let decoder =
        ProtobufDecoder::new(MessageType::new(&message, MessageOptions::default()).unwrap());
    let good: &[u8] = &[
        8, 7, 18, 1, b'x', 18, 0, 26, 5, 10, 1, b'k', 16, 9, 34, 4, 8, 100, 16, 5, 40, 1, 50, 3,
        10, 1, 255, 50, 9, 17, 0, 0, 0, 0, 0, 0, 248, 63, 58, 2, 1, 2, 72, 3,
    ];
    // A simple generator: the seed is the state.
    let mut state = 7_u64;
    let mut below = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % bound
    };
    for round in 0..400 {
        let mut body = good.to_vec();
        for _ in 0..=below(3) {
            let at = below(body.len());
            match below(4) {
                0 => body[at] = below(256) as u8,
                1 => body[at] ^= 1 << below(8),
                2 => body.insert(at, below(256) as u8),
                _ => body.truncate(at.max(1)),
            }
        }
        let alone = decoder.decode(&[&body]).unwrap();
        let together = decoder.decode(&[good, &body, good]).unwrap();
        assert_eq!(together.bad.len(), alone.bad.len(), "{round}: {body:?}");
        assert_eq!(
            together.values.slice(1, 1).as_ref(),
            alone.values.as_ref(),
            "{round}: {body:?}"
        );
        assert_eq!(
            together.values.slice(0, 1).as_ref(),
            together.values.slice(2, 1).as_ref(),
            "{round}: {body:?}"
        );
    }
}
