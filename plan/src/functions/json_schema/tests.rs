//! Schemas and records that fit each other, or do not.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Float64Array, ListArray, NullArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Fields, Int64Type};
use arrow::util::pretty::pretty_format_columns;
use datafusion::logical_expr::ColumnarValue;
use serde_json::{Value, json};

use super::{JsonDecoder, JsonEncoder, JsonType, check};
use crate::error::ErrorKind;
use crate::functions::ddl;
use crate::functions::encode::invoke;
use crate::schema_registry::{RegisteredSchema, SchemaReference, SchemaType};

fn parse(schema: &Value) -> crate::Result<JsonType> {
    JsonType::parse(&RegisteredSchema::from_text(
        SchemaType::Json,
        schema.to_string(),
    ))
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

#[test]
fn types_are_those_of_tables() {
    let schema = json!({
        "definitions": {"point": {"type": "object", "properties": {"x": {"type": "number"}}}},
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "name": {"oneOf": [{"type": "null"}, {"type": "string"}]},
            "at": {"$ref": "#/definitions/point"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "more": {},
        },
    });
    let found = parse(&schema).unwrap();
    assert_eq!(
        ddl::type_name(&found.data_type()),
        "struct<id:bigint,name:string,at:struct<x:double>,tags:array<string>,counts:map<string,bigint>,more:string>"
    );
}

#[test]
fn schemas_that_are_referred_to_are_found_and_recursive_ones_refused_by_name() {
    let schema = RegisteredSchema {
        schema_type: SchemaType::Json,
        text: object(json!({"at": {"$ref": "point.json#/definitions/p"}}), &[]).to_string(),
        references: vec![SchemaReference {
            name: "point.json".to_owned(),
            text: json!({"definitions": {"p": {"type": "integer"}}}).to_string(),
        }],
    };
    let found = JsonType::parse(&schema).unwrap();
    assert_eq!(ddl::type_name(&found.data_type()), "struct<at:bigint>");
    for (schema, expected) in [
        (object(json!({"next": {"$ref": "#"}}), &[]), "\"#\""),
        (
            json!({"definitions": {"n": object(json!({"n": {"$ref": "#/definitions/n"}}), &[])},
                "$ref": "#/definitions/n"}),
            "#/definitions/n",
        ),
        (
            object(json!({"x": {"$ref": "#/nowhere"}}), &[]),
            "#/nowhere",
        ),
        (
            object(json!({"x": {"type": ["string", "integer"]}}), &[]),
            "\"x\"",
        ),
    ] {
        let error = parse(&schema).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn schemas_that_do_not_fit_are_refused_with_the_place() {
    let reader = object(
        json!({"id": {"type": "number"}, "note": {"type": "string", "default": "-"}}),
        &["id"],
    );
    let reader = parse(&reader).unwrap();
    for (writer, expected) in [
        (json!({"id": {"type": "integer"}}), ""),
        (json!({"key": {"type": "integer"}}), "removed or renamed"),
        (
            json!({"id": {"type": "string"}}),
            "changed its type: string",
        ),
    ] {
        match check(&parse(&object(writer, &[])).unwrap(), &reader) {
            Ok(()) => assert_eq!(expected, ""),
            Err(error) => assert!(
                !expected.is_empty() && error.contains(expected) && error.contains("\"id\""),
                "{error}"
            ),
        }
    }
}

#[test]
fn records_get_defaults_and_what_lacks_a_required_value_is_bad() {
    let inner = object(json!({"x": {"type": "integer"}}), &["x"]);
    let schema = object(
        json!({
            "id": {"type": "integer"},
            "note": {"type": "string", "default": "-"},
            "list": {"type": "array", "items": inner},
        }),
        &["id"],
    );
    let decoder = JsonDecoder::new(parse(&schema).unwrap());
    let rows: [(&[u8], &str); 10] = [
        (br#"{"id":1,"note":"n","list":[{"x":1}]}"#, ""),
        (br#"{"id":2}"#, ""),
        (br#"{"note":"n"}"#, "\"id\" is required"),
        (br#"{"id":"3"}"#, "field \"id\": \"3\" is no BIGINT"),
        (
            br#"{"id":4,"list":[{"x":1},{}]}"#,
            "\"list.items.x\" is required",
        ),
        (br#"{"id":5"#, "no JSON"),
        (br#"{"id":6} x"#, "follows its end"),
        (b"{\"id\":7,\"note\":\"\xff\"}", "no UTF-8, at byte 16"),
        (br#"{"id":99999999999999999999}"#, "is no BIGINT"),
        (b"null", "null"),
    ];
    let decoded = decoder.decode(&rows.map(|(body, _)| body)).unwrap();
    for (row, (_, expected)) in rows.iter().enumerate() {
        let bad = decoded.bad.iter().find(|bad| bad.row == row);
        match bad {
            None => assert_eq!(*expected, "", "{row}"),
            Some(bad) => assert!(
                !expected.is_empty() && bad.reason.contains(expected),
                "{row}: {}",
                bad.reason
            ),
        }
    }
    let text = pretty_format_columns("r", &[decoded.values])
        .unwrap()
        .to_string();
    assert!(text.contains("{id: 2, note: -, list: }"), "{text}");
}

#[test]
fn null_that_was_written_is_no_default() {
    let inner = object(
        json!({"x": {"type": ["number", "null"], "default": 0}}),
        &[],
    );
    let schema = object(
        json!({
            "balance": {"type": ["number", "null"], "default": 0},
            "in": inner,
            "list": {"type": "array", "items": inner},
            "both": {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}, "default": {}},
        }),
        &[],
    );
    let decoder = JsonDecoder::new(parse(&schema).unwrap());
    let rows: [&[u8]; 3] = [
        br#"{"balance":null,"in":{"x":null},"list":[{"x":null},{}],"both":null}"#,
        b"{\"in\":{}}",
        // A bad one between the others disturbs none.
        br#"{"in":{"x":"y"}}"#,
    ];
    let decoded = decoder.decode(&[rows[0], rows[2], rows[1]]).unwrap();
    assert_eq!(decoded.bad.len(), 1, "{:?}", decoded.bad);
    let text = pretty_format_columns("r", &[decoded.values])
        .unwrap()
        .to_string();
    for expected in [
        "{balance: , in: {x: }, list: [{x: }, {x: 0.0}], both: }",
        "{balance: 0.0, in: {x: 0.0}, list: , both: {a: 1}}",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let wrong = object(json!({"n": {"type": "integer", "default": "none"}}), &[]);
    let decoder = JsonDecoder::new(parse(&wrong).unwrap());
    let error = decoder.decode(&[b"{}"]).unwrap_err().to_string();
    assert!(
        error.contains("\"n\"") && error.contains("no BIGINT"),
        "{error}"
    );
}

#[test]
fn values_are_written_whole_or_named() {
    let json_type =
        |properties: Value, required: &[&str]| parse(&object(properties, required)).unwrap();
    let column = |name: &str, values: ArrayRef| -> ArrayRef {
        let fields: Fields = vec![Field::new(name, values.data_type().clone(), true)].into();
        Arc::new(StructArray::new(fields, vec![values], None))
    };
    let write = |json_type: JsonType, values: ArrayRef| {
        let rows = values.len();
        let encoder = JsonEncoder::new(json_type);
        let values = ColumnarValue::Array(values);
        let records = invoke("to_json_registry", values, rows, |values| {
            encoder.encode(values, b"")
        });
        let records = records
            .map_err(crate::Error::from)?
            .into_array(rows)
            .unwrap();
        let records = records.as_binary::<i32>().iter();
        let texts = records.map(|record| String::from_utf8(record.unwrap().to_vec()).unwrap());
        Ok::<_, crate::Error>(texts.collect::<Vec<_>>())
    };
    let times: ArrayRef = Arc::new(
        TimestampMicrosecondArray::from(vec![Some(1_001), Some(2_000), None]).with_timezone("UTC"),
    );
    let string = json!({"at": {"type": "string"}});
    assert_eq!(
        write(
            json_type(string.clone(), &[]),
            column("at", Arc::clone(&times))
        )
        .unwrap(),
        [
            "{\"at\":\"1970-01-01T00:00:00.001001Z\"}",
            "{\"at\":\"1970-01-01T00:00:00.002Z\"}",
            "{}"
        ]
    );
    // Required, and may be null.
    let null = json!({"at": {"type": ["null", "string"]}});
    assert_eq!(
        write(json_type(null, &["at"]), column("at", times.slice(2, 1))).unwrap(),
        ["{\"at\":null}"]
    );
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN]));
    let number = json!({"n": {"type": "number"}});
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([
        Some(1),
        None,
    ])]));
    for (json_type, values, kind, part) in [
        (
            json_type(string.clone(), &["at"]),
            column("at", Arc::clone(&times)),
            ErrorKind::Compute,
            "\"at\" is null, and it is required",
        ),
        (
            json_type(json!({"at": {"type": "string", "default": "x"}}), &[]),
            column("at", times),
            ErrorKind::Compute,
            "as the default",
        ),
        (
            json_type(number.clone(), &[]),
            column("n", nan),
            ErrorKind::Compute,
            "\"n\" is NaN",
        ),
        (
            json_type(
                json!({"l": {"type": "array", "items": {"type": "integer"}}}),
                &[],
            ),
            column("l", list),
            ErrorKind::Compute,
            "\"l.items\" is null",
        ),
        (
            json_type(string, &[]),
            column("ta", Arc::new(NullArray::new(0))),
            ErrorKind::InvalidPlan,
            "\"ta\" is not in the schema",
        ),
        (
            json_type(number, &["n"]),
            column("x", Arc::new(NullArray::new(0))),
            ErrorKind::InvalidPlan,
            "\"x\" is not in the schema",
        ),
    ] {
        let error = write(json_type, values).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}
