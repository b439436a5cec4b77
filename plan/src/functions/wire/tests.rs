//! Records written for a registry, and schemas made for one.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, col};

use super::{Compatibility, to_avro_registry, to_json_registry, to_protobuf_registry};
use crate::error::ErrorKind;
use crate::functions::{ddl, registry};
use crate::schema_registry::{RegisteredSchema, SchemaType, SubjectVersion};

const NONE: [(&str, &str); 0] = [];

fn version(schema: RegisteredSchema) -> SubjectVersion {
    SubjectVersion {
        subject: "s-value".to_owned(),
        version: 3,
        id: 258,
        schema,
    }
}

fn ids(values: Vec<i64>) -> ArrayRef {
    let fields: Fields = vec![Field::new("id", DataType::Int64, true)].into();
    Arc::new(StructArray::new(
        fields,
        vec![Arc::new(Int64Array::from(values))],
        None,
    ))
}

/// The first record, by the function as it arrives on an executor.
fn first_record(expr: &Expr, values: &ArrayRef) -> Vec<u8> {
    let Expr::ScalarFunction(function) = expr else {
        panic!("{expr}");
    };
    let bytes = registry::encode(&function.func).unwrap().unwrap();
    let arrived = registry::decode(function.func.name(), &bytes).unwrap();
    assert_eq!(arrived, function.func);
    let result = arrived.invoke_with_args(ScalarFunctionArgs {
        args: vec![ColumnarValue::Array(Arc::clone(values))],
        arg_fields: vec![Arc::new(Field::new("v", values.data_type().clone(), true))],
        number_rows: values.len(),
        return_field: Arc::new(Field::new("r", DataType::Binary, true)),
        config_options: Arc::new(ConfigOptions::default()),
    });
    let result = result.unwrap().into_array(values.len()).unwrap();
    result.as_binary::<i32>().value(0).to_vec()
}

#[test]
fn records_begin_with_the_id_and_the_indexes_of_their_message() {
    let values = ids(vec![7]);
    let avro = RegisteredSchema::from_type(SchemaType::Avro, values.data_type(), NONE).unwrap();
    let expr = to_avro_registry(col("v"), &version(avro), NONE).unwrap();
    assert_eq!(first_record(&expr, &values), [0, 0, 0, 1, 2, 2, 14]);

    let json = RegisteredSchema::from_type(SchemaType::Json, values.data_type(), NONE).unwrap();
    let expr = to_json_registry(col("v"), &version(json), NONE).unwrap();
    assert_eq!(first_record(&expr, &values), b"\0\0\0\x01\x02{\"id\":7}");

    let text = "syntax = \"proto3\"; message A { int64 id = 1; } \
                message B { message C { int64 id = 1; } message D { int64 id = 2; } int64 id = 1; }";
    let file = version(RegisteredSchema::from_text(SchemaType::Protobuf, text));
    for (message, expected) in [
        ("A", &[0, 8, 7][..]),
        ("B", &[2, 2, 8, 7]),
        ("B.D", &[4, 2, 2, 16, 7]),
    ] {
        let expr = to_protobuf_registry(col("v"), &file, [("messageName", message)]).unwrap();
        assert_eq!(first_record(&expr, &values)[..5], [0, 0, 0, 1, 2]);
        assert_eq!(first_record(&expr, &values)[5..], *expected, "{message}");
    }
}

#[test]
fn what_is_no_schema_of_the_function_is_refused() {
    let avro = RegisteredSchema::from_text(SchemaType::Avro, "\"long\"");
    let error = to_json_registry(col("v"), &version(avro.clone()), NONE).unwrap_err();
    assert!(error.to_string().contains("\"s-value\""), "{error}");
    let error = to_avro_registry(col("v"), &version(avro), [("messageName", "M")]).unwrap_err();
    assert!(error.to_string().contains("messageName"), "{error}");
    let text = "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; message M { google.protobuf.Timestamp at = 1; }";
    let file = version(RegisteredSchema::from_text(SchemaType::Protobuf, text));
    let other = [("messageName", "google.protobuf.Timestamp")];
    let error = to_protobuf_registry(col("v"), &file, other).unwrap_err();
    assert!(
        error.to_string().contains("which the schema imports"),
        "{error}"
    );
}

#[test]
fn schemas_are_made_of_types_and_errors_name_the_place() {
    let data_type = ddl::parse_schema_or_type(
        "id BIGINT NOT NULL, tags ARRAY<STRING>, at TIMESTAMP, `in` STRUCT<d: DECIMAL(9,2)>, m MAP<STRING, INT>",
    )
    .unwrap();
    let options = [("recordName", "Order"), ("recordNamespace", "shop")];
    let avro = RegisteredSchema::from_type(SchemaType::Avro, &data_type, options).unwrap();
    let avro: serde_json::Value = serde_json::from_str(&avro.text).unwrap();
    assert_eq!(avro["name"], "Order");
    assert_eq!(avro["namespace"], "shop");
    assert_eq!(
        avro["fields"][0],
        serde_json::json!({"name": "id", "type": "long"})
    );
    assert_eq!(
        avro["fields"][3]["type"][1]["fields"][0]["type"][1],
        serde_json::json!({
            "type": "fixed", "name": "fixed", "namespace": "shop.Order.in.d", "size": 4,
            "logicalType": "decimal", "precision": 9, "scale": 2,
        })
    );
    let refused = |schema_type| {
        RegisteredSchema::from_type(schema_type, &data_type, NONE)
            .unwrap_err()
            .to_string()
    };
    let error = refused(SchemaType::Protobuf);
    assert!(error.contains("\"in.d\" is decimal(9,2)"), "{error}");
    let type_of = |text: &str| ddl::parse_schema_or_type(text).unwrap();
    let protobuf = RegisteredSchema::from_type(
        SchemaType::Protobuf,
        &type_of("id BIGINT NOT NULL, name STRING, lines ARRAY<STRUCT<sku: STRING>>, at TIMESTAMP, m MAP<STRING, INT>"),
        options,
    )
    .unwrap();
    assert_eq!(
        protobuf.text,
        "syntax = \"proto3\";\npackage shop;\nimport \"google/protobuf/timestamp.proto\";\nmessage Order {\n  int64 id = 1;\n  \
         optional string name = 2;\n  message Lines {\n    optional string sku = 1;\n  }\n  repeated Lines lines = 3;\n  \
         google.protobuf.Timestamp at = 4;\n  map<string, int32> m = 5;\n}\n"
    );
    let error =
        RegisteredSchema::from_type(SchemaType::Avro, &type_of("`a b` INT"), NONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPlan);
    assert!(error.to_string().contains("\"a b\""), "{error}");
    let error =
        RegisteredSchema::from_type(SchemaType::Avro, &type_of("a INT"), [("recordname2", "x")])
            .unwrap_err();
    assert!(
        error.to_string().contains("did you mean \"recordName\""),
        "{error}"
    );
}

#[test]
fn levels_are_decided_by_what_can_be_read() {
    let schema_of = |schema_type, text: &str| {
        let data_type = ddl::parse_schema_or_type(text).unwrap();
        RegisteredSchema::from_type(schema_type, &data_type, NONE).unwrap()
    };
    let level = |name: &str| Compatibility::parse(name).unwrap();
    for schema_type in [SchemaType::Avro, SchemaType::Protobuf, SchemaType::Json] {
        let old = schema_of(schema_type, "id BIGINT NOT NULL");
        let wider = schema_of(schema_type, "id BIGINT NOT NULL, name STRING");
        let renamed = schema_of(schema_type, "number BIGINT NOT NULL");
        for (name, new, broken) in [
            ("BACKWARD", &wider, false),
            ("FORWARD", &wider, false),
            ("full", &wider, false),
            ("BACKWARD", &renamed, true),
            ("FORWARD_TRANSITIVE", &renamed, true),
            ("NONE", &renamed, false),
        ] {
            let found = level(name).broken_by(new, &old).unwrap();
            assert_eq!(found.is_some(), broken, "{schema_type} {name}: {found:?}");
        }
        // What has no default cannot be added.
        let required = schema_of(schema_type, "id BIGINT NOT NULL, n BIGINT NOT NULL");
        assert!(
            level("BACKWARD")
                .broken_by(&required, &old)
                .unwrap()
                .is_some()
        );
        assert!(
            level("FORWARD")
                .broken_by(&required, &old)
                .unwrap()
                .is_none()
        );
    }
    let error = Compatibility::parse("BACKWARDS").unwrap_err();
    assert!(error.to_string().contains("\"BACKWARD\""), "{error}");
    assert!(level("FULL_TRANSITIVE").is_transitive());
    assert_eq!(level("full").to_string(), "FULL");
}
