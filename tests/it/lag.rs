//! How far a consumer is behind: `weir lag`, and the consumer group that a stream commits its offsets to.

mod group;
mod report;

use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use weir_tests::kafka::{Broker, Record};
use weir_tests::process::{Finished, Process, built_program};

use crate::bronze::RUN_WITHIN;

fn record(n: usize) -> Record {
    Record::of(format!("v{n}"))
}

/// A record of `seconds` ago.
fn aged(seconds: i64) -> impl FnMut(usize) -> Record {
    let then = Utc::now().timestamp_millis() - seconds * 1_000;
    move |n| record(n).timestamp_ms(then)
}

fn start(bootstrap: &str, arguments: &[&str]) -> Process {
    let mut weir = Command::new(built_program("weir"));
    weir.args(["lag", "--bootstrap-servers", bootstrap])
        .args(arguments)
        .stdin(Stdio::null());
    Process::spawn(weir)
}

pub async fn lag(bootstrap: &str, arguments: &[&str]) -> Finished {
    start(bootstrap, arguments).wait(RUN_WITHIN).await
}

/// Runs to exit code `code` and returns the report.
#[track_caller]
fn report(finished: &Finished, code: i32) -> Value {
    assert_eq!(finished.status.code(), Some(code), "{finished}");
    finished.last_json()
}

/// Of the partitions of a report: topic, partition, committed, end, lag and state.
fn partitions(report: &Value) -> Vec<Value> {
    let all = report["partitions"].as_array().unwrap();
    all.iter()
        .map(|at| {
            json!([
                at["topic"],
                at["partition"],
                at["committed"],
                at["end"],
                at["lag"],
                at["state"]
            ])
        })
        .collect()
}

/// A consumer of librdkafka's, which knows nothing of Weir.
fn consumer(broker: &Broker, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("session.timeout.ms", "6000")
        .create()
        .unwrap()
}

/// What `group` has committed of partitions 0 to `count` - 1.
async fn committed(broker: &Broker, group: &str, topic: &str, count: i32) -> Vec<Offset> {
    let consumer = consumer(broker, group);
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, count - 1);
    let found = tokio::task::spawn_blocking(move || {
        consumer.committed_offsets(list, Duration::from_secs(20))
    });
    let found = found.await.unwrap().unwrap();
    let elements = found.elements();
    elements.iter().map(|element| element.offset()).collect()
}
