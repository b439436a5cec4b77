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
