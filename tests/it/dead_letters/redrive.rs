//! `weir dlq`: letters shown, and produced again, each once however often it is killed.

use std::process::{Command, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use weir::prelude::*;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Broker, broker_or_skip};
use weir_tests::process::{Process, built_program};
use weir_tests::python::{Python, python_or_skip};

use super::{Accounts, RUN_WITHIN, broken, good, hex, renamed};
use crate::stream::session;

fn dlq(arguments: &[&str]) -> Process {
    let mut command = Command::new(built_program("weir"));
    command.arg("dlq").args(arguments).stdin(Stdio::null());
    Process::spawn(command)
}

/// The lines of JSON that a command prints.
async fn lines(arguments: &[&str]) -> Vec<Value> {
    let finished = dlq(arguments).wait(RUN_WITHIN).await.expect_success();
    let lines = finished.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// The committed messages of a topic: key and value in hexadecimal, headers.
async fn messages(broker: &Broker, python: &Python, lake: &TempLake, topic: &str) -> Vec<Value> {
    let rows = session().await.read().format("kafka");
    let rows = rows
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("subscribe", topic)
        .option("includeHeaders", true)
        .load()
        .await
        .unwrap();
    let rows = rows.select(["key", "value", "headers"].map(col)).unwrap();
    let table = lake.table_url(topic);
    let writer = rows.write().mode(weir::SaveMode::Overwrite);
    writer.format("delta").save(&table).await.unwrap();
    python.read_rows(&table, &[]).await
}

/// Each key once.
#[track_caller]
fn assert_each_once(messages: &[Value], count: usize) {
    let mut keys: Vec<&str> = messages
        .iter()
        .map(|m| m["key"].as_str().unwrap())
        .collect();
    keys.sort_unstable();
    let all = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), all, "a letter was produced twice");
    assert_eq!(all, count);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_shown_by_filter_and_redriven_once_with_their_history() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("redrive", 1).await;
    let letters = broker.new_topic("redrive_dlq", 2).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 10, good).await;
    producer.produce_n(&topic, 1, 5, renamed).await;
    producer.produce(&topic, 0, broken(77)).await;
    let job = Accounts::new(broker, &lake, &topic).with_topic(broker, &letters);
    job.drain().await;

    let servers = ["--bootstrap-servers", broker.bootstrap()];
    let json = ["--output", "json"];
    let of_table = ["--table", job.letters.as_str()];
    let of_topic = ["--topic", letters.as_str(), servers[0], servers[1]];
    for source in [&of_table[..], &of_topic[..]] {
        let shown = lines(&[&["show"], source, &json[..]].concat()).await;
        assert_eq!(shown.len(), 6, "{shown:?}");
        let one = ["--rule", "decoded", "--error-type", "SCHEMA_VIOLATION"];
        let shown = lines(&[&["show"], source, &json[..], &one[..]].concat()).await;
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert_eq!(shown[0]["key"], "k77", "{shown:?}");
        let two = lines(&[&["show"], source, &json[..], &["--limit", "2"]].concat()).await;
        assert_eq!(two.len(), 2);
        let none = ["--until", "2020-01-01T00:00:00Z"];
        let shown = lines(&[&["show"], source, &json[..], &none[..]].concat()).await;
        assert_eq!(shown, Vec::<Value>::new());
        let text = dlq(&[&["show"], source].concat()).wait(RUN_WITHIN).await;
        let text = text.expect_success().stdout;
        for part in [
            "balance_given: field balance is missing",
            "SEMANTIC_ERROR",
            "header producer",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    // From the table to a topic of its own: the records, and what became of them.
    let to = broker.new_topic("redriven", 1).await;
    let renamed_only = ["--rule", "balance_given", "--to", to.as_str()];
    let redrive = [&["redrive"], &of_table[..], &servers[..], &renamed_only[..]].concat();
    let dry = lines(&[&redrive[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry, [json!({"status": "dry_run", "letters": 5})]);
    let done = lines(&redrive).await;
    assert_eq!(done[0]["redriven"], 5, "{done:?}");
    let again = lines(&redrive).await;
    let nothing = json!({"status": "succeeded", "redriven": 0, "already_redriven": 5});
    assert_eq!(again, [nothing]);
    let found = messages(broker, &python, &lake, &to).await;
    assert_each_once(&found, 5);
    let first = found.iter().find(|m| m["key"] == hex("k0")).unwrap();
    assert_eq!(
        first["value"],
        hex("{\"id\":\"a0\",\"balance_eur\":\"1.50\"}")
    );
    let headers = first["headers"].as_array().unwrap();
    assert_eq!(headers[0], json!({"key": "producer", "value": hex("v2")}));
    assert_eq!(headers[1]["key"], "weir.redrive.history", "{headers:?}");
    assert_eq!(
        headers[2],
        json!({"key": "weir.dlq.retry.count", "value": hex("1")})
    );
    assert_eq!(headers.len(), 3);

    // From the topic to where they were read: they fail again, and say so.
    let back = [&["redrive"], &of_topic[..], &["--rule", "balance_given"]].concat();
    assert_eq!(lines(&back).await[0]["redriven"], 5);
    assert_eq!(lines(&back).await[0]["redriven"], 0);
    let (_, counts) = job.drain().await;
    assert_eq!(counts["dead_letters"], 5, "{counts}");
    let rows = python
        .read_rows(&job.letters, &["retry_count", "key", "headers"])
        .await;
    let retried: Vec<_> = rows.iter().filter(|row| row["retry_count"] == 1).collect();
    assert_eq!(retried.len(), 5, "{rows:?}");
    // What is new since is redriven, with all of its history.
    assert_eq!(lines(&back).await[0]["redriven"], 5);
    job.drain().await;
    let rows = python
        .read_rows(&job.letters, &["retry_count", "headers"])
        .await;
    let twice = rows.iter().filter(|row| row["retry_count"] == 2);
    for row in twice.clone() {
        let headers = row["headers"].as_array().unwrap();
        let history = headers
            .iter()
            .filter(|h| h["key"] == "weir.redrive.history");
        assert_eq!(history.count(), 2, "{row}");
    }
    assert_eq!(twice.count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn redrive_that_is_killed_again_and_again_produces_each_letter_once() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let seed =
        std::env::var("WEIR_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    println!("WEIR_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    const LETTERS: usize = 60_000;
    let lake = TempLake::new();
    let topic = broker.new_topic("redrive_kill", 2).await;
    let letters = broker.new_topic("redrive_kill_dlq", 2).await;
    broker
        .producer()
        .produce_n(&topic, 2, LETTERS, renamed)
        .await;
    let job = Accounts::new(broker, &lake, &topic)
        .with_topic(broker, &letters)
        .option("source.maxOffsetsPerTrigger", 6_000);
    job.drain().await;
    let servers = ["--bootstrap-servers", broker.bootstrap()];
    for source in [
        ["--table", job.letters.as_str()],
        ["--topic", letters.as_str()],
    ] {
        let to = broker.new_topic("redriven_kill", 2).await;
        let redrive = [
            &["redrive"],
            &source[..],
            &servers[..],
            &["--to", to.as_str()],
        ]
        .concat();
        let mut kills = 0;
        while kills < 4 {
            let mut process = dlq(&redrive);
            tokio::time::sleep(Duration::from_millis(random.random_range(300..2_500))).await;
            if !process.is_running() {
                break;
            }
            process.kill();
            kills += 1;
        }
        assert!(kills > 0, "it was never killed");
        lines(&redrive).await;
        let found = messages(broker, &python, &lake, &to).await;
        println!("{}: {kills} kills", source[0]);
        assert_each_once(&found, LETTERS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_aged_out_of_their_topic_keep_no_redrive_from_the_others() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("redrive_aged", 1).await;
    let letters = broker.new_topic("redrive_aged_dlq", 1).await;
    let to = broker.new_topic("redriven_aged", 1).await;
    let job = Accounts::bare(broker, &lake, &topic).with_topic(broker, &letters);
    let servers = ["--bootstrap-servers", broker.bootstrap()];
    let redrive = [&["redrive", "--topic", &letters, "--to", &to], &servers[..]].concat();
    broker.producer().produce_n(&topic, 1, 6, renamed).await;
    job.drain().await;
    assert_eq!(lines(&redrive).await[0]["redriven"], 6);
    let more = |n: usize| renamed(n + 6);
    broker.producer().produce_n(&topic, 1, 3, more).await;
    job.drain().await;
    // Behind the marker of the first transaction: one of the three is gone, and what the redrive has reached with it.
    broker.delete_records(&letters, 0, 8).await;
    assert_eq!(lines(&redrive).await[0]["redriven"], 2);
    assert_eq!(lines(&redrive).await[0]["redriven"], 0);
    assert_each_once(&messages(broker, &python, &lake, &to).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn places_without_letters_are_refused_by_name() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let servers = ["--bootstrap-servers", broker.bootstrap()];
    let session = session().await;
    let rows = session.sql("select 1 as id").await.unwrap();
    let other = lake.table_url("other");
    rows.write().format("delta").save(&other).await.unwrap();
    let missing = lake.table_url("missing");
    let refuse = async |arguments: &[&str], parts: &[&str]| {
        let finished = dlq(arguments).wait(RUN_WITHIN).await;
        assert!(!finished.status.success(), "{finished}");
        for part in parts {
            assert!(finished.stderr.contains(part), "{part:?}: {finished}");
        }
    };
    refuse(
        &["show", "--table", &other],
        &["no table of dead letters", "topic"],
    )
    .await;
    refuse(&["show", "--table", &missing], &["missing"]).await;
    refuse(&["show"], &["--table", "--topic"]).await;
    refuse(&["show", "--topic", "t"], &["kafka.bootstrap.servers"]).await;
    let no_topic = ["show", "--topic", "no-such-topic", servers[0], servers[1]];
    refuse(&no_topic, &["no-such-topic"]).await;
    let type_ = ["show", "--table", &other, "--error-type", "SEMANTIK_ERROR"];
    refuse(&type_, &["SEMANTIK_ERROR", "SEMANTIC_ERROR"]).await;
    let topic = broker.new_topic("self_dlq", 1).await;
    let itself = [
        "redrive", "--topic", &topic, "--to", &topic, servers[0], servers[1],
    ];
    refuse(&itself, &["produced into it again"]).await;
}
