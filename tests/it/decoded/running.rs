//! A query that runs: a new version of its subject is read from the next batch on, without a restart.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use weir::prelude::*;
use weir::{BreakingChange, QueryEvent, QueryListener, ReaderSchema};

use super::{Parts, avro_renamed, avro_v1, avro_v2, first, renamed, second, spec};

/// Says how many rows each batch read.
struct Batches(UnboundedSender<u64>);

impl QueryListener for Batches {
    fn on_event(&self, event: &QueryEvent) {
        if let QueryEvent::Progress(progress) = event {
            let _ = self.0.send(progress.num_input_rows);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_field_reaches_the_table_of_a_running_query_and_a_removed_one_ends_it() {
    let Some(parts) = Parts::or_skip().await else {
        return;
    };
    let topic = parts.broker.new_topic("running", 2).await;
    let subject = format!("{topic}-value");
    let produce = async |schema, records: Vec<_>| {
        let specs = json!([spec(&topic, schema, records.into_iter())]);
        parts.produce(specs).await;
    };
    produce(avro_v1(), (0..20).map(first).collect()).await;
    let session = Session::builder()
        .master("local[2]")
        .config("weir.schema.registry.url", parts.registry.url());
    let session = session.create().await.unwrap();
    let start = async |breaking| {
        let records = session.read_stream().format("kafka");
        let records = records
            .option("kafka.bootstrap.servers", parts.broker.bootstrap())
            .option("subscribe", &topic)
            .option("startingOffsets", "earliest");
        let (said, batches) = unbounded_channel();
        let reader = ReaderSchema::newest(&subject).on_breaking_change(breaking);
        let query = records
            .load()
            .await
            .unwrap()
            .write_stream()
            .reader_schema(reader, |records, schema| {
                let options = [("mode", "FAILFAST")];
                let account = from_avro_registry(col("value"), schema, options)?;
                records.select([col("partition"), col("offset"), account.alias("account")])
            })
            .format("delta")
            .option("mergeSchema", true)
            .option("checkpointLocation", parts.lake.checkpoint_url("running"))
            .trigger(Trigger::ProcessingTime(Duration::from_millis(50)))
            .listener(Arc::new(Batches(said)))
            .start(&parts.lake.table_url("running"))
            .await
            .unwrap();
        (query, batches)
    };
    let (query, mut batches) = start(BreakingChange::Fail).await;
    let mut until = async |mut rows: u64| {
        while rows > 0 {
            let read = tokio::time::timeout(Duration::from_secs(60), batches.recv());
            rows -= read.await.expect("a batch").expect("the query runs");
        }
    };
    until(20).await;
    produce(avro_v2(), (20..40).map(second).collect()).await;
    until(20).await;
    produce(avro_v1(), (40..50).map(first).collect()).await;
    until(10).await;
    produce(avro_renamed(), (50..60).map(renamed).collect()).await;
    let error = query.await_termination().await.unwrap_err();
    assert_eq!(error.kind(), weir::ErrorKind::SchemaMismatch, "{error}");
    let said = error.to_string();
    assert!(
        said.contains("\"account.balance\" (double) is gone"),
        "{said}"
    );
    assert!(
        said.contains("version 3") && said.contains(&subject),
        "{said}"
    );

    // Nothing was begun that cannot be ended: the nulls are taken.
    let (query, mut batches) = start(BreakingChange::Null).await;
    assert_eq!(batches.recv().await, Some(10));
    query.stop();
    query.await_termination().await.unwrap();
    let rows = parts.rows(&parts.lake.table_url("running")).await;
    assert_eq!(rows.len(), 60);
    for row in rows.values() {
        let account = &row["account"];
        let id = account["id"].as_u64().expect("an id");
        let value = json!(id as f64 + 0.5);
        let expected = match id {
            0..20 => json!([value, null, null]),
            20..40 => json!([value, "USD", null]),
            40..50 => json!([value, "EUR", null]),
            _ => json!([null, "USD", value]),
        };
        let read = json!([account["balance"], account["currency"], account["amount"]]);
        assert_eq!(read, expected, "{row}");
    }
}
