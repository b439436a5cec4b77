//! Streaming queries made through the API, in this process, and its sessions.

use std::fmt::Display;

use weir::prelude::*;
use weir::{Options, QuerySummary};
use weir_tests::files::TempLake;
use weir_tests::kafka::Broker;

/// A session of its own with two threads.
pub async fn session() -> Session {
    let builder = Session::builder().master("local[2]");
    builder.create().await.unwrap()
}

/// One way to start a query; each `start` is a new run of it.
#[derive(Debug, Clone)]
pub struct Stream {
    source: Options,
    trigger: Trigger,
    pub table: String,
    pub checkpoint: String,
}

impl Stream {
    /// Drains `topics` of `broker` from their beginning into table and checkpoint `stream` of `lake`.
    pub fn new(broker: &Broker, lake: &TempLake, topics: &[&str]) -> Self {
        let mut source = Options::new();
        source.set("kafka.bootstrap.servers", broker.bootstrap());
        source.set("subscribe", topics.join(","));
        source.set("startingOffsets", "earliest");
        Self {
            source,
            trigger: Trigger::AvailableNow,
            table: lake.table_url("stream"),
            checkpoint: lake.checkpoint_url("stream"),
        }
    }

    pub fn option(mut self, key: &str, value: impl Display) -> Self {
        self.source.set(key, value);
        self
    }

    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// The columns that the readers of the tests compare, keys and values as bytes.
    pub async fn start(&self) -> weir::Result<StreamingQuery> {
        let records = session().await.read_stream().format("kafka");
        let records = records.options(self.source.clone()).load().await?;
        let rows = records.select([
            col("topic"),
            col("partition"),
            col("offset"),
            col("key").alias("message_key_raw"),
            col("value").alias("message_value_raw"),
        ])?;
        rows.write_stream()
            .format("delta")
            .option("checkpointLocation", &self.checkpoint)
            .trigger(self.trigger)
            .start(&self.table)
            .await
    }

    /// Runs to the end.
    pub async fn run(&self) -> weir::Result<StreamingQuery> {
        let query = self.start().await?;
        query.await_termination().await?;
        Ok(query)
    }

    /// Runs to success.
    pub async fn drain(&self) -> QuerySummary {
        self.run().await.unwrap().summary()
    }

    /// Runs to a failure.
    pub async fn fail(&self) -> weir::Error {
        self.run().await.unwrap_err()
    }
}
