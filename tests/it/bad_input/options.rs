//! Options, settings and arguments. Nothing here needs a broker: it is refused before one is asked.

use weir::ErrorKind;
use weir_tests::files::TempLake;

use crate::bronze::{Bronze, expect_error, expect_parts};
use crate::stream::session;

/// Nobody listens there, and nobody is asked.
const NOWHERE: &str = "127.0.0.1:1";

#[tokio::test]
async fn misspelt_options_of_the_api_are_refused_with_the_nearest() {
    let session = session().await;
    let stream = |key: &str| {
        let reader = session.read_stream().format("kafka");
        let reader = reader
            .option("kafka.bootstrap.servers", NOWHERE)
            .option("subscribe", "orders");
        reader.option(key, "1").load()
    };
    let error = stream("maxOffsetPerTrigger").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let parts = [
        "\"maxOffsetPerTrigger\"",
        "the kafka source",
        "did you mean \"maxOffsetsPerTrigger\"?",
    ];
    expect_parts(&error.to_string(), &parts);
    let error = stream("subscribePattern").await.unwrap_err();
    expect_parts(&error.to_string(), &["not subscribe and subscribePattern"]);
    let error = stream("kafka.auto.offset.reset").await.unwrap_err();
    expect_parts(
        &error.to_string(),
        &["auto.offset.reset", "startingOffsets"],
    );

    let lake = TempLake::new();
    let table = lake.table_url("t");
    let reader = session.read().format("delta").option("versionOf", 1);
    let error = reader.load_path(&table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    expect_parts(&error.to_string(), &["did you mean \"versionAsOf\"?"]);

    let rows = session.sql("select 1 as n").await.unwrap();
    let writer = rows.write().format("delta").option("mergeShema", true);
    let error = writer.save(&table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    expect_parts(&error.to_string(), &["did you mean \"mergeSchema\"?"]);

    let error = session
        .read_stream()
        .format("kafak")
        .load()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    expect_parts(
        &error.to_string(),
        &["\"kafak\"", "did you mean \"kafka\"?"],
    );
    assert!(!lake.table("t").exists());
}

#[tokio::test]
async fn streaming_write_without_a_checkpoint_is_refused_naming_the_option() {
    let stream = session().await.read_stream().format("kafka");
    let stream = stream
        .option("kafka.bootstrap.servers", NOWHERE)
        .option("subscribe", "orders");
    let writer = stream.load().await.unwrap().write_stream().format("delta");
    let error = writer.start("/nowhere").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    expect_parts(&error.to_string(), &["\"checkpointLocation\" is required"]);
}

#[tokio::test]
async fn arguments_that_contradict_or_lack_a_subscription_are_usage() {
    let lake = TempLake::new();
    let job = Bronze::bare(NOWHERE, &lake);
    let both = job
        .clone()
        .arg("--topics", "a")
        .arg("--topic-pattern", "a.*");
    let finished = both.run().await;
    assert_eq!(finished.status.code(), Some(2), "{finished}");
    // The last line of stdout, also of a run that never began.
    let outcome = finished.last_json();
    expect_error(
        &outcome,
        "invalid_argument",
        &["--topics", "--topic-pattern", "cannot be used"],
    );
    assert!(finished.stderr.contains("--topic-pattern"), "{finished}");
    assert_eq!(outcome["job"], "kafka_to_bronze");

    let parts = ["--topics", "--topic-pattern", "--assign"];
    job.refuse(2, "invalid_argument", &parts).await;
    job.expect_untouched();
}

#[tokio::test]
async fn unknown_flag_is_usage_with_the_nearest() {
    let lake = TempLake::new();
    let job = Bronze::bare(NOWHERE, &lake).arg("--topics", "a");
    let job = job.arg("--load-dat", "2026-01-31");
    job.refuse(2, "invalid_argument", &["'--load-dat'", "'--load-date'"])
        .await;
    job.expect_untouched();
}

#[tokio::test]
async fn values_an_argument_does_not_take_are_usage() {
    let lake = TempLake::new();
    let job = Bronze::bare(NOWHERE, &lake).arg("--topics", "a");
    for (argument, value, expected) in [
        ("--load-date", "2026-02-30", "a date like"),
        ("--starting-offsets", "soon", "earliest, latest or JSON"),
        ("--starting-timestamp", "yesterday", "a time like"),
        ("--max-offsets-per-trigger", "0", "a positive integer"),
        ("--max-runtime", "10 bananas", "a duration like"),
        ("--fail-on-data-loss", "maybe", "true, false"),
        ("--kafka", "foo.bar=1", "foo.bar"),
        ("--conf", "weir.memory.limt=1GB", "\"weir.memory.limit\"?"),
        ("--conf", "weir.memory.limit=lots", "512MB"),
        ("--kafka", "sasl.password=@env:WEIR_NOT_SET", "WEIR_NOT_SET"),
        ("--kafka-config", "/not/there", "/not/there"),
    ] {
        let name = value.split('=').next().unwrap();
        let job = job.clone().arg(argument, value);
        job.refuse(2, "invalid_argument", &[expected, name]).await;
    }
    job.expect_untouched();
}
