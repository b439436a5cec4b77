//! Registries that are down, broken, or do not trust who asks: a clear end within bounds, and nothing lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use weir::dataframe::ExplainMode;
use weir::prelude::*;
use weir::{ErrorKind, RegisteredSchema, SchemaType};
use weir_tests::certificates::Authority;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::python_or_skip;
use weir_tests::schema_registry::{MockRegistry, Reply, SchemaRegistry};

use super::{PERMISSIVE, STRICT, builder, decode, records, session};

const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"}]}"#;

fn reader() -> RegisteredSchema {
    RegisteredSchema::from_text(SchemaType::Avro, SCHEMA)
}

/// What a registry answers for a schema id.
fn found() -> Reply {
    Reply::Answer(200, json!({"schema": SCHEMA}).to_string())
}

/// A record of schema `id`: the number 3.
fn record(id: u8) -> Record {
    Record::of(vec![0, 0, 0, 0, id, 6])
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_that_fails_hangs_or_is_down_ends_the_query_within_bounds() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("outage", 1).await;
    broker.producer().produce(&topic, 0, record(7)).await;
    let failing = MockRegistry::start(|_| {
        Reply::Answer(
            500,
            "{\"error_code\":50001,\"message\":\"no store\"}".into(),
        )
    })
    .await;
    let hanging = MockRegistry::start(|_| Reply::Hang).await;
    let gone = MockRegistry::start(|_| Reply::Hang).await;
    let down = gone.url();
    drop(gone);
    for (url, expected) in [
        (failing.url(), "no store"),
        (hanging.url(), "timed out"),
        (down, "onnect"),
    ] {
        for master in ["local[2]", "local-cluster[2,1]"] {
            let session = builder(master, &url)
                .config("weir.schema.registry.request.timeout", "300ms")
                .config("weir.schema.registry.max.retries", "2")
                .create()
                .await
                .unwrap();
            let started = Instant::now();
            // No fault of the record: it is not told as bad.
            let decoded = from_avro_registry(col("value"), &reader(), PERMISSIVE).unwrap();
            let frame = records(&session, broker, &topic).await;
            let error = decode(frame, decoded).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{master} {error}");
            let text = error.to_string();
            for part in [expected, url.as_str(), "schema id 7", "3 times"] {
                assert!(text.contains(part), "{master} {part}: {text}");
            }
            let error = session
                .schema_registry()
                .unwrap()
                .latest_version("outage-value")
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            // Generous: what would hang would hang for ever.
            assert!(started.elapsed() < Duration::from_secs(60));
        }
    }
    assert!(
        failing
            .requests()
            .iter()
            .any(|head| head.starts_with("GET /schemas/ids/7 "))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_that_goes_down_in_mid_stream_loses_nothing() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("outage.stream", 1).await;
    for n in 0..40 {
        let record = record(if n < 25 { 1 } else { 2 });
        broker.producer().produce(&topic, 0, record).await;
    }
    let up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&up);
    let registry = MockRegistry::start(move |head| {
        match head.contains("/ids/1 ") || seen.load(Ordering::SeqCst) {
            true => found(),
            false => Reply::Answer(503, String::new()),
        }
    })
    .await;
    let lake = TempLake::new();
    let run = || async {
        let session = builder("local[2]", &registry.url())
            .config("weir.schema.registry.max.retries", "1")
            .create()
            .await
            .unwrap();
        let stream = session.read_stream().format("kafka");
        let stream = stream.option("kafka.bootstrap.servers", broker.bootstrap());
        let stream = stream.option("subscribe", &topic);
        let stream = stream.option("startingOffsets", "earliest");
        let stream = stream
            .option("maxOffsetsPerTrigger", 10)
            .load()
            .await
            .unwrap();
        let decoded = from_avro_registry(col("value"), &reader(), STRICT).unwrap();
        let rows = stream.select([col("offset"), decoded.alias("r")]).unwrap();
        let query = rows.write_stream().format("delta");
        let query = query.option("checkpointLocation", lake.checkpoint_url("rows"));
        let query = query.trigger(Trigger::AvailableNow);
        let query = query.start(&lake.table_url("rows")).await.unwrap();
        query.await_termination().await
    };
    let error = run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let table = lake.table_url("rows");
    // Two batches of ten were committed; the third holds the first record of the other schema.
    assert_eq!(python.read_rows(&table, &["offset", "r"]).await.len(), 20);
    up.store(true, Ordering::SeqCst);
    run().await.unwrap();
    let mut offsets: Vec<_> = python
        .read_rows(&table, &["offset", "r"])
        .await
        .iter()
        .map(|row| {
            assert_eq!(row["r"]["id"], 3);
            row["offset"].as_i64().unwrap()
        })
        .collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_reach_the_registry_from_every_process_and_no_output() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("outage.auth", 1).await;
    broker.producer().produce(&topic, 0, record(1)).await;
    // A mock: Apicurio asks a server of identities, which is not here.
    let registry = MockRegistry::start(|head| {
        let head = head.to_lowercase();
        let basic = "authorization: basic yw5uomh1bnrlcji=";
        match head.contains(basic) || head.contains("authorization: bearer hunter2") {
            true => found(),
            false => Reply::Answer(401, "{\"error_code\":401,\"message\":\"who?\"}".into()),
        }
    })
    .await;
    let user = ("weir.schema.registry.basic.auth.user.info", "ann:hunter2");
    let token = ("weir.schema.registry.bearer.auth.token", "hunter2");
    let wrong = (user.0, "ann:hunter3");
    for master in ["local[2]", "local-cluster[2,1]"] {
        for (credentials, accepted) in [(user, true), (token, true), (wrong, false)] {
            let session = builder(master, &registry.url())
                .config(credentials.0, credentials.1)
                .create()
                .await
                .unwrap();
            let frame = records(&session, broker, &topic).await;
            let decoded = from_avro_registry(col("value"), &reader(), STRICT).unwrap();
            let shown = frame.clone().select([decoded.clone().alias("r")]).unwrap();
            for mode in [ExplainMode::Extended, ExplainMode::Formatted] {
                let plan = shown.explain_string(mode).await.unwrap();
                assert!(!plan.contains("hunter"), "{plan}");
            }
            assert!(!format!("{:?}", session.settings()).contains("hunter"));
            match decode(frame, decoded).await {
                Ok(rows) => {
                    assert!(accepted, "{master} {credentials:?}");
                    assert_eq!(rows, [json!({"id": 3})]);
                }
                Err(error) => {
                    assert!(!accepted, "{master} {error}");
                    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
                    assert!(!error.to_string().contains("hunter"), "{error}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_behind_tls_is_trusted_by_its_authority_alone() {
    let lake = TempLake::new();
    let authority = Authority::new(lake.path(), "authority");
    let certificate = authority.certificate("registry");
    let Some(registry) = SchemaRegistry::start_with_tls_or_skip(certificate).await else {
        return;
    };
    let with = |ca: String| {
        let builder = builder("local[2]", &registry.url());
        let builder = builder.config("weir.schema.registry.max.retries", "0");
        builder.config("weir.schema.registry.ssl.ca.location", ca)
    };
    let trusting = with(authority.file.display().to_string())
        .create()
        .await
        .unwrap();
    let client = trusting.schema_registry().unwrap();
    // It answers: it knows of none.
    let error = client.latest_version("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let doubting = with(String::new()).create().await.unwrap();
    let client = doubting.schema_registry().unwrap();
    let error = client.latest_version("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("ertificate"), "{error}");
    let Err(error) = with("/nowhere/ca.pem".to_owned()).create().await else {
        panic!("a file that is not there was read")
    };
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_that_is_asked_is_asked_once_for_each_schema() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("outage.cached", 1).await;
    for n in 0..240 {
        broker
            .producer()
            .produce(&topic, 0, record(1 + n % 3))
            .await;
    }
    let registry = MockRegistry::start(|_| found()).await;
    let session = session(&registry.url()).await;
    for _ in 0..3 {
        let frame = records(&session, broker, &topic).await;
        let decoded = from_avro_registry(col("value"), &reader(), STRICT).unwrap();
        assert_eq!(decode(frame, decoded).await.unwrap().len(), 240);
    }
    let mut asked = registry.requests();
    asked
        .iter_mut()
        .for_each(|head| *head = head.lines().next().unwrap().to_owned());
    asked.sort();
    let expected = [1, 2, 3].map(|id| format!("GET /schemas/ids/{id} HTTP/1.1"));
    assert_eq!(asked, expected);
    let other = Session::builder()
        .master("local[2]")
        .create()
        .await
        .unwrap();
    assert!(other.schema_registry().is_err());
    let frame = records(&other, broker, &topic).await;
    let decoded = from_avro_registry(col("value"), &reader(), STRICT).unwrap();
    let error = decode(frame, decoded).await.unwrap_err();
    assert!(
        error.to_string().contains("weir.schema.registry.url"),
        "{error}"
    );
}
