//! Records whose schemas are in a registry: read with what they were written with, as the reader's, and written for other programs.

mod avro;
mod encode;
mod json;
mod outages;
mod protobuf;
mod register;

use serde_json::Value;
use weir::datafusion::arrow::array::{Array as _, AsArray as _};
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir::{DataFrame, SessionBuilder};
use weir_tests::kafka::Broker;

/// Settings of a session that asks the registry at `url`.
fn builder(master: &str, url: &str) -> SessionBuilder {
    Session::builder()
        .master(master)
        .config(
            "weir.executor.program",
            env!("CARGO_BIN_EXE_weir-test-node"),
        )
        .config("weir.schema.registry.url", url)
}

async fn session(url: &str) -> Session {
    builder("local[2]", url).create().await.unwrap()
}

/// The records of a topic with one partition.
async fn records(session: &Session, broker: &Broker, topic: &str) -> DataFrame {
    let reader = session.read().format("kafka");
    let reader = reader.option("kafka.bootstrap.servers", broker.bootstrap());
    reader.option("subscribe", topic).load().await.unwrap()
}

/// What `decoded` makes of each record of `frame`, in the order of their offsets, as JSON without nulls.
async fn decode(frame: DataFrame, decoded: Expr) -> weir::Result<Vec<Value>> {
    let rows = frame.select([col("offset"), to_json(decoded).alias("json")])?;
    let rows = rows.sort([col("offset")])?.collect().await?;
    let mut found = Vec::new();
    for batch in rows {
        let texts = batch.column(1).as_string::<i32>();
        for row in 0..texts.len() {
            found.push(match texts.is_valid(row) {
                true => serde_json::from_str(texts.value(row)).unwrap(),
                false => Value::Null,
            });
        }
    }
    Ok(found)
}

/// Bad records are told, not fatal.
const PERMISSIVE: [(&str, &str); 2] = [("mode", "PERMISSIVE"), ("columnNameOfError", "error")];

/// For errors of no record.
const STRICT: [(&str, &str); 0] = [];

fn error(row: &Value) -> &str {
    row["error"].as_str().unwrap_or("")
}
