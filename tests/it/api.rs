//! The session and dataframe API: what it refuses, and how it says so; tables written and read.

use std::time::Duration;

use weir::prelude::*;
use weir::{DataFrame, ErrorKind};
use weir_tests::files::{TempLake, delta_versions};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::process::eventually;
use weir_tests::python::python_or_skip;

use crate::bronze::expect_parts;
use crate::stream::{Stream, session};

async fn sql(session: &Session, query: &str) -> DataFrame {
    session.sql(query).await.unwrap()
}

/// What `show` prints of all rows.
async fn shown(rows: DataFrame) -> String {
    rows.show_string(20, None).await.unwrap()
}

async fn append(rows: DataFrame, table: &str) {
    let writer = rows.write().format("delta").mode(SaveMode::Append);
    writer.save(table).await.unwrap();
}

#[tokio::test]
async fn result_beyond_the_limit_is_refused_naming_the_setting() {
    let builder = Session::builder().master("local[2]");
    let builder = builder.config("weir.driver.maxResultSize", "64KB");
    let session = builder.create().await.unwrap();
    let rows = sql(&session, "select value from generate_series(1, 100000)").await;
    let error = rows.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourcesExhausted);
    expect_parts(&error.to_string(), &["weir.driver.maxResultSize", "65536"]);
    let texts = "select repeat('x', 1000) as x from generate_series(1, 100)";
    let error = sql(&session, texts).await.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourcesExhausted);
    // What fits still comes.
    assert_eq!(rows.count().await.unwrap(), 100_000);
    assert_eq!(rows.take(3).await.unwrap()[0].num_rows(), 3);
}

#[tokio::test]
async fn unknown_column_is_refused_with_the_nearest() {
    let session = session().await;
    let rows = sql(&session, "select 'a' as topic, 1 as partition").await;
    let expected = "no column \"topc\"; did you mean \"topic\"?";
    let refusals = [
        rows.clone().select([col("topc")]).unwrap_err(),
        rows.clone().filter(col("topc").eq(lit("a"))).unwrap_err(),
        rows.clone().with_column("n", col("topc")).unwrap_err(),
        rows.clone().order_by([col("topc")]).unwrap_err(),
        rows.clone().group_by([col("topc")]).count().unwrap_err(),
        rows.clone().drop(["topc"]).unwrap_err(),
        rows.clone().with_column_renamed("topc", "t").unwrap_err(),
    ];
    for error in refusals {
        assert_eq!(error.kind(), ErrorKind::InvalidPlan);
        assert_eq!(error.to_string(), expected);
    }
    rows.create_or_replace_temp_view("records").unwrap();
    let error = session.sql("select topc from records").await.unwrap_err();
    assert_eq!(error.to_string(), expected);

    let lake = TempLake::new();
    let table = lake.table_url("t");
    let writer = rows.write().format("delta").partition_by(["topc"]);
    let error = writer.save(&table).await.unwrap_err();
    expect_parts(&error.to_string(), &["\"topc\""]);
}

#[tokio::test]
async fn show_prints_a_table_and_says_when_there_is_more() {
    let session = session().await;
    let rows = "select * from (values (1, 'a'), (2, null), (3, 'a long value')) v(n, name)";
    let rows = sql(&session, rows).await;
    let expected = "\
+---+------+
| n | name |
+---+------+
| 1 | a    |
| 2 | NULL |
+---+------+
only showing top 2 rows";
    assert_eq!(rows.show_string(2, Some(20)).await.unwrap(), expected);
    let expected = "\
+---+----------+
| n | name     |
+---+----------+
| 1 | a        |
| 2 | NULL     |
| 3 | a lon... |
+---+----------+";
    assert_eq!(rows.show_string(20, Some(8)).await.unwrap(), expected);
}

#[tokio::test]
async fn settings_and_masters_that_are_wrong_are_refused() {
    for (key, value, parts) in [
        (
            "weir.driver.maxResultSiz",
            "1",
            [
                "maxResultSiz\"",
                "did you mean \"weir.driver.maxResultSize\"?",
            ],
        ),
        (
            "weir.sql.shuffle.partitions",
            "0",
            ["weir.sql.shuffle.partitions", "a positive integer"],
        ),
        (
            "weir.sql.streaming.minBatchesToRetain",
            "1",
            ["minBatchesToRetain", "at least 2"],
        ),
        (
            "datafusion.execution.batch_sizes",
            "1",
            ["datafusion.execution.batch_sizes", "1"],
        ),
        (
            "datafusion.execution.batch_size",
            "many",
            ["datafusion.execution.batch_size", "\"many\""],
        ),
    ] {
        let error = Session::builder()
            .config(key, value)
            .create()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        expect_parts(&error.to_string(), &parts);
    }
    let error = Session::builder()
        .master("yarn")
        .create()
        .await
        .unwrap_err();
    expect_parts(&error.to_string(), &["\"yarn\"", "local[N]"]);
    let error = Session::builder()
        .master("weir://host")
        .create()
        .await
        .unwrap_err();
    expect_parts(&error.to_string(), &["\"weir://host\"", "host and port"]);
}

#[tokio::test]
async fn stream_cannot_be_collected_and_a_table_cannot_be_streamed() {
    let lake = TempLake::new();
    let session = session().await;
    let stream = session.read_stream().format("kafka");
    let stream = stream
        .option("kafka.bootstrap.servers", "127.0.0.1:1")
        .option("subscribe", "orders")
        .load()
        .await
        .unwrap();
    for error in [
        stream.collect().await.unwrap_err(),
        stream.count().await.unwrap_err(),
        stream.show().await.unwrap_err(),
        stream
            .clone()
            .write()
            .format("delta")
            .save(&lake.table_url("t"))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidPlan, "{error}");
        expect_parts(
            &error.to_string(),
            &["kafka[subscribe: orders]", "write_stream()", "read()"],
        );
    }
    let start = async |rows: DataFrame, mode: &str| {
        let writer = rows.write_stream().format("delta").output_mode(mode);
        let writer = writer.option("checkpointLocation", lake.checkpoint_url("c"));
        writer.start(&lake.table_url("t")).await
    };
    let table = sql(&session, "select 1 as n").await;
    let error = start(table, "append").await.unwrap_err();
    expect_parts(
        &error.to_string(),
        &["write_stream()", "read_stream()", "write()"],
    );
    let error = start(stream.clone(), "complete").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    expect_parts(&error.to_string(), &["\"complete\"", "\"append\""]);
    let counted = stream.group_by([col("topic")]).count().unwrap();
    let error = start(counted, "append").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    expect_parts(&error.to_string(), &["an aggregation", "state"]);
    assert!(!lake.table("t").exists() && !lake.checkpoint("c").exists());
}

#[tokio::test]
async fn write_modes_add_fail_leave_or_replace() {
    let lake = TempLake::new();
    let table = lake.table_url("modes");
    let session = session().await;
    let save = async |mode: SaveMode| {
        let rows = sql(&session, "select 1 as n").await;
        rows.write().format("delta").mode(mode).save(&table).await
    };
    save(SaveMode::default()).await.unwrap();
    let error = save(SaveMode::ErrorIfExists).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    expect_parts(&error.to_string(), &[&table, "exists"]);
    save(SaveMode::Ignore).await.unwrap();
    save(SaveMode::Append).await.unwrap();
    assert_eq!(delta_versions(&lake.table("modes")), [0, 1]);
    let rows = session.read().delta(&table).await.unwrap();
    assert_eq!(rows.count().await.unwrap(), 2);

    save("overwrite".parse().unwrap()).await.unwrap();
    let rows = session.read().delta(&table).await.unwrap();
    assert_eq!(rows.count().await.unwrap(), 1);
    assert!(
        "apend"
            .parse::<SaveMode>()
            .unwrap_err()
            .to_string()
            .contains("\"apend\"")
    );
}

#[tokio::test]
async fn older_versions_are_read_by_number_and_by_time() {
    let lake = TempLake::new();
    let table = lake.table_url("versions");
    let session = session().await;
    append(sql(&session, "select 1 as n").await, &table).await;
    append(sql(&session, "select 2 as n").await, &table).await;
    let count = async |key: &str, value: String| -> weir::Result<u64> {
        let reader = session.read().format("delta").option(key, value);
        reader.load_path(&table).await?.count().await
    };
    assert_eq!(count("versionAsOf", "0".into()).await.unwrap(), 1);
    assert_eq!(count("versionAsOf", "1".into()).await.unwrap(), 2);
    assert_eq!(
        count("timestampAsOf", "2999-01-01".into()).await.unwrap(),
        2
    );
    let error = count("versionAsOf", "7".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    expect_parts(&error.to_string(), &["version 7", &table]);
    let error = count("timestampAsOf", "2001-01-01".into())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    expect_parts(&error.to_string(), &["2001-01-01", &table]);
    let error = count("timestampAsOf", "soon".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = session
        .read()
        .delta(&lake.table_url("none"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    expect_parts(&error.to_string(), &["no delta table", "none"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_column_is_refused_or_merged() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("merged");
    let session = session().await;
    append(sql(&session, "select 1 as n").await, &table).await;
    let wider = sql(&session, "select 2 as n, 'b' as name").await;
    let write = |merge: bool| {
        let writer = wider.clone().write().format("delta");
        let writer = writer.mode(SaveMode::Append).option("mergeSchema", merge);
        writer.save(&table)
    };
    let error = write(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    expect_parts(
        &error.to_string(),
        &["name (string)", "mergeSchema", &table],
    );
    write(true).await.unwrap();
    let rows = session
        .read()
        .delta(&table)
        .await
        .unwrap()
        .order_by([col("n")])
        .unwrap();
    let expected = "\
+---+------+
| n | name |
+---+------+
| 1 | NULL |
| 2 | b    |
+---+------+";
    assert_eq!(shown(rows).await, expected);
    assert_eq!(python.read_delta(&table).await.rows, 2);
    // A type never changes.
    let other = sql(&session, "select 'three' as n")
        .await
        .write()
        .format("delta");
    let other = other.mode(SaveMode::Append).option("mergeSchema", true);
    let error = other.save(&table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    expect_parts(&error.to_string(), &["\"n\"", "string"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn null_and_awkward_partition_values_are_read_back() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("partitioned");
    let session = session().await;
    let rows = "select * from (values (1, 'a'), (2, null), (3, 'ü / =%'), (4, null)) v(n, p)";
    let writer = sql(&session, rows).await.write().format("delta");
    writer.partition_by(["p"]).save(&table).await.unwrap();
    let read = session.read().delta(&table).await.unwrap();
    let nulls = read.clone().filter(col("p").is_null()).unwrap();
    assert_eq!(nulls.count().await.unwrap(), 2);
    let awkward = read.filter(col("p").eq(lit("ü / =%"))).unwrap();
    assert_eq!(awkward.count().await.unwrap(), 1);
    let mut by_python = python.read_rows(&table, &["n", "p"]).await;
    by_python.sort_by_key(|row| row["n"].as_i64());
    let values: Vec<_> = by_python.iter().map(|row| row["p"].as_str()).collect();
    assert_eq!(values, [Some("a"), None, Some("ü / =%"), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_the_kafka_read_and_no_secret() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("explained", 2).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 2, 10, |_| Record::of("v")).await;
    let reader = session().await.read().format("kafka");
    let records = reader
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("kafka.sasl.password", "hunter2")
        .option("subscribe", &topic)
        .load()
        .await
        .unwrap();
    let plan = records.select([col("offset")]).unwrap();
    let plan = plan.explain_string(ExplainMode::Extended).await.unwrap();
    let range = format!("{topic}-0[0..5)");
    expect_parts(
        &plan,
        &[
            "== Physical Plan ==",
            "KafkaReadExec",
            &range,
            "columns=[offset]",
        ],
    );
    assert!(!plan.contains("hunter2"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processing_time_trigger_picks_up_new_records_until_it_is_stopped() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("continuous", 2).await;
    let interval = Duration::from_millis(100);
    let stream = Stream::new(broker, &lake, &[&topic]).trigger(Trigger::ProcessingTime(interval));
    let query = stream.start().await.unwrap();
    let producer = broker.producer();
    let mut expected = 0;
    for round in [7, 5] {
        producer
            .produce_n(&topic, 2, round, |_| Record::of("v"))
            .await;
        expected += round as u64;
        let arrived = || query.summary().output_rows == expected;
        eventually(Duration::from_secs(30), arrived).await;
    }
    query.stop();
    query.await_termination().await.unwrap();
    assert!(query.is_stopped());
    // Stopped: what comes now waits for the next start.
    producer.produce_n(&topic, 2, 3, |_| Record::of("v")).await;
    let rest = stream.trigger(Trigger::AvailableNow).drain().await;
    assert_eq!(rest.output_rows, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_trigger_takes_everything_in_one_batch() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("once", 2).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 2, 50, |_| Record::of("v")).await;
    let stream = Stream::new(broker, &lake, &[&topic])
        .option("maxOffsetsPerTrigger", 10)
        .trigger(Trigger::Once);
    let summary = stream.drain().await;
    assert_eq!((summary.batches, summary.output_rows), (1, 50));
    let summary = stream.drain().await;
    assert_eq!((summary.batches, summary.output_rows), (0, 0));
}
