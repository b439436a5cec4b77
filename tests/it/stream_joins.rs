//! Streams joined with tables: planned as other joins are, with the tables as they are when a batch begins.

use std::time::Duration;

use weir::datafusion::arrow::util::pretty::pretty_format_batches;
use weir::prelude::*;
use weir::{ErrorKind, SaveMode};

use weir_tests::files::TempLake;
use weir_tests::kafka::{Broker, Record, broker_or_skip};
use weir_tests::process::eventually;

const MASTERS: &[&str] = &["local[2]", "local-cluster[2,1]"];

async fn session(master: &str, threshold: &str) -> Session {
    let session = Session::builder()
        .master(master)
        .config(
            "weir.executor.program",
            env!("CARGO_BIN_EXE_weir-test-node"),
        )
        .config("weir.sql.autoBroadcastJoinThreshold", threshold)
        .config("weir.sql.shuffle.partitions", 3);
    session.create().await.unwrap()
}

/// Ids 0 to 99.
async fn produce(broker: &Broker, topic: &str) {
    let record = |n: usize| Record::of(n.to_string());
    broker.producer().produce_n(topic, 2, 100, record).await;
}

/// Writes the products: all columns of `query`, whatever was there.
async fn products(session: &Session, url: &str, query: &str) {
    let rows = session.sql(query).await.unwrap().write().format("delta");
    let rows = rows
        .mode(SaveMode::Overwrite)
        .option("overwriteSchema", true);
    rows.save(url).await.unwrap();
}

/// The records of `topic`, with the names of their products.
async fn joined(session: &Session, broker: &Broker, topic: &str, products: DataFrame) -> DataFrame {
    let records = session.read_stream().format("kafka");
    let records = records
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("subscribe", topic)
        .option("startingOffsets", "earliest");
    let id = "cast(cast(value as string) as bigint) as id";
    let records = records.load().await.unwrap();
    let records = records.select_expr(["offset", "partition", id]).unwrap();
    records.join(products, "id", "left").unwrap()
}

struct Target {
    table: String,
    checkpoint: String,
}

impl Target {
    fn new(lake: &TempLake, name: &str) -> Self {
        Self {
            table: lake.table_url(name),
            checkpoint: lake.checkpoint_url(name),
        }
    }

    async fn start(&self, rows: &DataFrame, trigger: Trigger) -> weir::Result<StreamingQuery> {
        let writer = rows.clone().write_stream().format("delta");
        let writer = writer.option("checkpointLocation", &self.checkpoint);
        writer.trigger(trigger).start(&self.table).await
    }

    async fn drain(&self, rows: &DataFrame) -> weir::Result<u64> {
        let query = self.start(rows, Trigger::AvailableNow).await?;
        query.await_termination().await?;
        Ok(query.summary().output_rows)
    }

    /// How many rows have which name.
    async fn names(&self, session: &Session) -> String {
        let rows = session.read().delta(&self.table).await.unwrap();
        let columns = rows.schema().fields().len();
        assert_eq!(columns, 4, "{:?}", rows.schema());
        let counted = rows.group_by(["name"]).count().unwrap();
        let counted = counted.sort(["name"]).unwrap().collect().await.unwrap();
        pretty_format_batches(&counted).unwrap().to_string()
    }
}

fn table(rows: &[(&str, u64)]) -> String {
    let rows = rows
        .iter()
        .map(|(name, count)| format!("\n| {name:<4} | {count:<5} |"));
    let rows: String = rows.collect();
    format!("+------+-------+\n| name | count |\n+------+-------+{rows}\n+------+-------+")
}

const HALF: &str = "select value as id, 'a' as name from generate_series(0, 49) as t(value)";
const ALL: &str =
    "select 'more' as other, value as id, 'b' as name from generate_series(0, 99) as t(value)";

#[tokio::test(flavor = "multi_thread")]
async fn each_run_joins_the_newest_version_unless_one_is_asked_for() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    for master in MASTERS {
        for threshold in ["1MB", "-1"] {
            let lake = TempLake::new();
            let topic = broker.new_topic("joined", 2).await;
            let session = session(master, threshold).await;
            let url = lake.table_url("products");
            products(&session, &url, HALF).await;
            let newest = session.read().delta(&url).await.unwrap();
            let first = session
                .read()
                .option("versionAsOf", 0)
                .delta(&url)
                .await
                .unwrap();
            let newest = joined(&session, broker, &topic, newest).await;
            let first = joined(&session, broker, &topic, first).await;
            let (of_newest, of_first) = (Target::new(&lake, "newest"), Target::new(&lake, "first"));
            produce(broker, &topic).await;
            for (target, rows) in [(&of_newest, &newest), (&of_first, &first)] {
                assert_eq!(
                    target.drain(rows).await.unwrap(),
                    100,
                    "{master}, {threshold}"
                );
                let expected = table(&[("", 50), ("a", 50)]);
                assert_eq!(
                    target.names(&session).await,
                    expected,
                    "{master}, {threshold}"
                );
            }
            products(&session, &url, ALL).await;
            produce(broker, &topic).await;
            assert_eq!(of_newest.drain(&newest).await.unwrap(), 100);
            assert_eq!(of_first.drain(&first).await.unwrap(), 100);
            let expected = table(&[("", 50), ("a", 50), ("b", 100)]);
            assert_eq!(
                of_newest.names(&session).await,
                expected,
                "{master}, {threshold}"
            );
            let expected = table(&[("", 100), ("a", 100)]);
            assert_eq!(
                of_first.names(&session).await,
                expected,
                "{master}, {threshold}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn running_query_joins_the_newest_version_from_its_next_batch_on() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("running", 2).await;
    let session = session("local[2]", "1MB").await;
    let url = lake.table_url("products");
    products(&session, &url, HALF).await;
    let newest = session.read().delta(&url).await.unwrap();
    let rows = joined(&session, broker, &topic, newest).await;
    let target = Target::new(&lake, "running");
    let every = Trigger::ProcessingTime(Duration::from_millis(100));
    let query = target.start(&rows, every).await.unwrap();
    for (round, version) in [HALF, ALL].into_iter().enumerate() {
        products(&session, &url, version).await;
        produce(broker, &topic).await;
        let expected = 100 * (round as u64 + 1);
        let arrived = || query.summary().output_rows == expected;
        eventually(Duration::from_secs(60), arrived).await;
    }
    query.stop();
    query.await_termination().await.unwrap();
    let expected = table(&[("", 50), ("a", 50), ("b", 100)]);
    assert_eq!(target.names(&session).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn column_that_a_newer_version_lacks_or_retypes_stops_the_query_by_name_and_loses_nothing() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("changed", 2).await;
    let session = session("local[2]", "1MB").await;
    let url = lake.table_url("products");
    products(&session, &url, HALF).await;
    let newest = session.read().delta(&url).await.unwrap();
    let rows = joined(&session, broker, &topic, newest).await;
    let target = Target::new(&lake, "changed");
    produce(broker, &topic).await;
    let gone = "select value as id from generate_series(0, 9) as t(value)";
    let retyped = "select value as id, value as name from generate_series(0, 9) as t(value)";
    for (change, said) in [
        (gone, "\"name\" of delta table"),
        (retyped, "is Int64 instead of Utf8"),
    ] {
        products(&session, &url, change).await;
        let error = target.drain(&rows).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPlan, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    products(&session, &url, ALL).await;
    assert_eq!(target.drain(&rows).await.unwrap(), 100);
    assert_eq!(target.names(&session).await, table(&[("b", 100)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn persisted_stream_is_refused_and_a_persisted_table_is_read_as_it_was() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("persisted", 2).await;
    let session = session("local[2]", "1MB").await;
    let url = lake.table_url("products");
    products(&session, &url, HALF).await;
    let kept = session.read().delta(&url).await.unwrap().persist().unwrap();
    let rows = joined(&session, broker, &topic, kept).await;
    let target = Target::new(&lake, "persisted");
    produce(broker, &topic).await;
    assert_eq!(target.drain(&rows).await.unwrap(), 100);
    products(&session, &url, ALL).await;
    produce(broker, &topic).await;
    assert_eq!(target.drain(&rows).await.unwrap(), 100);
    assert_eq!(
        target.names(&session).await,
        table(&[("", 100), ("a", 100)])
    );
    let persisted = rows.persist().unwrap();
    let error = Target::new(&lake, "refused")
        .drain(&persisted)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(
        error.to_string().contains("persist() on a stream"),
        "{error}"
    );
}
