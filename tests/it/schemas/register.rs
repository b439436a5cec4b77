//! Schemas registered from here: once, and only what is compatible.

use serde_json::{Value, json};
use weir::{ErrorKind, RegisteredSchema, SchemaRegistryClient, SchemaType, Session};
use weir_tests::schema_registry::{MockRegistry, Reply, SchemaRegistry};

use super::{STRICT, builder, session};

fn account(fields: Value) -> RegisteredSchema {
    let schema =
        json!({"type": "record", "name": "Account", "namespace": "bank", "fields": fields});
    RegisteredSchema::from_text(SchemaType::Avro, schema.to_string())
}

fn field(name: &str, schema: &str) -> Value {
    json!({"name": name, "type": schema})
}

async fn session_of(registry: &SchemaRegistry) -> Session {
    session(&registry.url()).await
}

async fn versions(client: &SchemaRegistryClient, subject: &str) -> u32 {
    client.latest_version(subject).await.unwrap().version
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_is_registered_once_and_what_is_incompatible_is_not() {
    let Some(registry) = SchemaRegistry::start_or_skip().await else {
        return;
    };
    let session = session_of(&registry).await;
    let client = session.schema_registry().unwrap();
    let subject = "accounts-value";
    let first = account(json!([field("id", "long"), field("balance", "double")]));
    let version = client.register(subject, &first, STRICT).await.unwrap();
    assert_eq!((version.version, version.subject.as_str()), (1, subject));
    let again = client.register(subject, &first, STRICT).await.unwrap();
    assert_eq!(version, again);
    registry.set_level(subject, "BACKWARD").await;

    let renamed = account(json!([field("id", "long"), field("balance_eur", "double")]));
    let error = client
        .register(subject, &renamed, STRICT)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    // The last is what the registry itself says.
    for part in [
        "BACKWARD",
        "version 1",
        "\"accounts-value\"",
        "was not registered",
        "balance_eur",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert_eq!(versions(client, subject).await, 1);

    let mut added = field("note", "string");
    added["default"] = json!("");
    let wider = account(json!([
        field("id", "long"),
        field("balance", "double"),
        added
    ]));
    let version = client.register(subject, &wider, STRICT).await.unwrap();
    assert_eq!(version.version, 2);
    // It was a version before, and is not compared again.
    assert_eq!(
        client
            .register(subject, &first, STRICT)
            .await
            .unwrap()
            .version,
        1
    );

    // The same for the other languages.
    let file = |kind: &str| {
        let text =
            format!("syntax = \"proto3\"; package bank; message Account {{ {kind} id = 1; }}");
        RegisteredSchema::from_text(SchemaType::Protobuf, text)
    };
    let object = |kind: &str| {
        let text =
            json!({"type": "object", "properties": {"id": {"type": kind}}, "required": ["id"]});
        RegisteredSchema::from_text(SchemaType::Json, text.to_string())
    };
    for (subject, old, new) in [
        ("accounts.pb-value", file("int64"), file("string")),
        ("accounts.json-value", object("integer"), object("string")),
    ] {
        let version = client.register(subject, &old, STRICT).await.unwrap();
        registry.set_level(subject, "FULL").await;
        let error = client.register(subject, &new, STRICT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
        assert!(
            error.to_string().contains("FULL") && error.to_string().contains(subject),
            "{error}"
        );
        assert_eq!(client.latest_version(subject).await.unwrap(), version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn level_that_is_asked_for_is_kept_beside_the_subjects() {
    let Some(registry) = SchemaRegistry::start_or_skip().await else {
        return;
    };
    let session = session_of(&registry).await;
    let client = session.schema_registry().unwrap();
    let subject = "levels-value";
    let amount =
        |kind: &str, default: Value| json!({"name": "amount", "type": kind, "default": default});
    let with = account(json!([field("id", "long"), amount("long", json!(0))]));
    let without = account(json!([field("id", "long")]));
    let changed = account(json!([field("id", "long"), amount("string", json!(""))]));
    // The registry's own level allows anything.
    client.register(subject, &with, STRICT).await.unwrap();
    client.register(subject, &without, STRICT).await.unwrap();
    let level = |name: &str| [("schema.compatibility.level", name.to_owned())];
    let error = client
        .register(subject, &changed, level("BACKWARD_TRANSITIVE"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    for part in [
        "schema.compatibility.level=BACKWARD_TRANSITIVE",
        "version 1",
        "\"amount\" changed its type: long",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert_eq!(versions(client, subject).await, 2);
    // Of the last version only, it can be read.
    let version = client
        .register(subject, &changed, level("backward"))
        .await
        .unwrap();
    assert_eq!(version.version, 3);
    let error = client
        .register(subject, &changed, level("BACKWARDS"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("\"BACKWARD\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_found_without_registering_when_it_is_turned_off() {
    let Some(registry) = SchemaRegistry::start_or_skip().await else {
        return;
    };
    let session = session_of(&registry).await;
    let client = session.schema_registry().unwrap();
    let subject = "found-value";
    let off = ("auto.register.schemas", "false");
    let latest = ("use.latest.version", "true");
    let first = account(json!([field("id", "int")]));
    let error = client.register(subject, &first, [off]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(
        error.to_string().contains("auto.register.schemas"),
        "{error}"
    );
    let error = client.latest_version(subject).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotFound,
        "nothing is registered: {error}"
    );

    let wider = account(json!([field("id", "long")]));
    client.register(subject, &wider, STRICT).await.unwrap();
    assert_eq!(
        client
            .register(subject, &wider, [off])
            .await
            .unwrap()
            .version,
        1
    );
    // What has int is written as the latest has it, which reads it.
    let version = client
        .register(subject, &first, [off, latest])
        .await
        .unwrap();
    assert_eq!(version.schema, wider);
    let other = account(json!([field("id", "string")]));
    let error = client
        .register(subject, &other, [off, latest])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    assert!(error.to_string().contains("latest_version"), "{error}");
    assert_eq!(versions(client, subject).await, 1);

    let error = client
        .register(subject, &first, [latest])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error = client
        .register(subject, &first, [("normalise.schemas", "true")])
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("did you mean \"normalize.schemas\""),
        "{error}"
    );
    // Spelt in another way.
    let spelt = RegisteredSchema::from_text(
        SchemaType::Avro,
        "{ \"name\": \"bank.Account\", \"type\": \"record\", \"fields\": [ {\"type\": {\"type\": \"long\"}, \"name\": \"id\"} ] }",
    );
    let version = client
        .register(subject, &spelt, [("normalize.schemas", "true")])
        .await
        .unwrap();
    assert_eq!(version.version, 1);
    // What is none is not asked for.
    for text in [
        "{",
        "{\"type\": \"record\", \"name\": \"R\", \"fields\": [{\"name\": \"r\", \"type\": [\"null\", \"R\"]}]}",
    ] {
        let none = RegisteredSchema::from_text(SchemaType::Avro, text);
        let error = client.register(subject, &none, STRICT).await.unwrap_err();
        assert!(error.to_string().contains("\"found-value\""), "{error}");
    }
}

/// Of Confluent's own registry, which the tests have not.
#[tokio::test(flavor = "multi_thread")]
async fn registry_that_refuses_or_is_away_registers_nothing() {
    let registry = MockRegistry::start(|head| {
        let path = head.split(' ').nth(1).unwrap_or("");
        let answer = |status, body: Value| Reply::Answer(status, body.to_string());
        match path {
            "/subjects/s-value" => answer(404, json!({"error_code": 40403, "message": "Schema not found"})),
            "/subjects/s-value/versions" if head.starts_with("GET") => answer(200, json!([3, 7])),
            "/config/s-value?defaultToGlobal=true" => {
                answer(404, json!({"error_code": 40408, "message": "no level of its own"}))
            }
            "/config" => answer(200, json!({"compatibilityLevel": "FULL_TRANSITIVE"})),
            "/compatibility/subjects/s-value/versions/3?verbose=true" => answer(200, json!({"is_compatible": true})),
            "/compatibility/subjects/s-value/versions/7?verbose=true" => {
                answer(200, json!({"is_compatible": false, "messages": ["{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE'}"]}))
            }
            "/subjects/locked-value" => answer(403, json!({"error_code": 40301, "message": "no"})),
            _ => Reply::Answer(503, String::new()),
        }
    })
    .await;
    let session = builder("local[2]", &registry.url())
        .config("weir.schema.registry.max.retries", "1")
        .create()
        .await
        .unwrap();
    let client = session.schema_registry().unwrap();
    let schema = account(json!([field("id", "long")]));
    let error = client
        .register("s-value", &schema, STRICT)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    for part in [
        "FULL_TRANSITIVE",
        "version 7",
        "\"s-value\"",
        "READER_FIELD_MISSING_DEFAULT_VALUE",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    let error = client
        .register("locked-value", &schema, STRICT)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let error = client
        .register("away-value", &schema, STRICT)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("2 times"), "{error}");
    let put = registry.requests();
    assert!(
        !put.iter()
            .any(|head| head.starts_with("POST /subjects/s-value/versions")),
        "{put:?}"
    );
}
