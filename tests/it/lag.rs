//! How far a consumer is behind: `weir lag`, and the consumer group that a stream commits its offsets to.

use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use weir::prelude::*;
use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{Broker, Record, broker_or_skip, group_command_or_skip, unique_topic};
use weir_tests::process::{Finished, Process, built_program};
use weir_tests::s3::{S3Server, SECRET_KEY};

use crate::bronze::{Bronze, RUN_WITHIN, expect_parts};

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

#[tokio::test(flavor = "multi_thread")]
async fn kafkas_clients_and_weir_lag_see_where_a_drain_has_got_to() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("lag", 3).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 3, 30, record).await;
    let group = unique_topic("group");
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--max-offsets-per-trigger", 12)
        .arg("--kafka", format!("group.id={group}"));
    job.clone().flag("--dry-run").run().await.expect_success();
    assert_eq!(
        committed(broker, &group, &topic, 3).await,
        [Offset::Invalid; 3]
    );
    let outcome = job.drain().await;
    assert_eq!(outcome["group_id"], group.as_str(), "{outcome}");
    assert_eq!(outcome["offset_commit_failures"], 0, "{outcome}");
    assert_eq!(
        committed(broker, &group, &topic, 3).await,
        [Offset::Offset(10); 3]
    );

    let of_group = ["--group", &group, "--output", "json"];
    let read = report(&lag(broker.bootstrap(), &of_group).await, 0);
    assert_eq!(read["total_lag"], 0, "{read}");
    assert_eq!(read["max_seconds_behind"], 0.0, "{read}");

    producer.produce_n(&topic, 3, 9, aged(100)).await;
    producer.produce(&topic, 1, record(0)).await;
    let checkpoint = ["--checkpoint", &job.checkpoint, "--output", "json"];
    let mut seen = Vec::new();
    for whose in [of_group, checkpoint] {
        for (threshold, code) in [
            (&[][..], 0),
            (&["--threshold", "10"], 0),
            (&["--threshold", "9"], 3),
            (&["--max-seconds", "50"], 3),
            (&["--max-seconds", "10000", "--threshold", "10"], 0),
        ] {
            let arguments = [&whose[..], threshold].concat();
            let report = report(&lag(broker.bootstrap(), &arguments).await, code);
            assert_eq!(report["over_threshold"], code == 3, "{report}");
            assert_eq!(report["total_lag"], 10, "{report}");
            assert_eq!(report["max_lag"], 4, "{report}");
            assert_eq!(report["isolation_level"], "read_committed", "{report}");
            let age = report["max_seconds_behind"].as_f64().unwrap();
            assert!(age >= 100.0, "{report}");
            seen.push(partitions(&report));
        }
    }
    for partitions in &seen {
        assert_eq!(
            *partitions,
            [
                json!([topic, 0, 10, 13, 3, "ok"]),
                json!([topic, 1, 10, 14, 4, "ok"]),
                json!([topic, 2, 10, 13, 3, "ok"]),
            ]
        );
    }
    let table = lag(broker.bootstrap(), &["--group", &group, "--threshold", "3"]).await;
    assert_eq!(table.status.code(), Some(3), "{table}");
    expect_parts(
        &table.stdout,
        &[
            "COMMITTED",
            "total lag 10",
            "last stable offsets",
            "over --threshold 3",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kafkas_own_command_shows_the_offsets_and_the_lag_of_a_drain() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(command) = group_command_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("lag.command", 2).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 2, 20, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    let outcome = job.drain().await;
    let group = outcome["group_id"].as_str().unwrap();
    producer.produce_n(&topic, 2, 6, record).await;
    producer.produce(&topic, 1, record(0)).await;

    let rows = command.describe(broker, group).await;
    let wanted = [
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
    ];
    let rows: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| {
            let value = |name: &&str| row.iter().find(|(own, _)| own == name).unwrap().1.as_str();
            wanted.iter().map(value).collect()
        })
        .collect();
    assert_eq!(
        rows,
        [
            [topic.as_str(), "0", "10", "13", "3"],
            [topic.as_str(), "1", "10", "14", "4"]
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_on_executors_report_their_lag_and_commit_to_groups_of_their_own() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("lag.progress", 2).await;
    broker.producer().produce_n(&topic, 2, 20, record).await;
    let session = Session::builder()
        .master("local-cluster[2,1]")
        .config(
            "weir.executor.program",
            env!("CARGO_BIN_EXE_weir-test-node"),
        )
        .create()
        .await
        .unwrap();
    let drain = async |name: &str, options: &[(&str, &str)]| {
        let mut reader = session
            .read_stream()
            .format("kafka")
            .option("kafka.bootstrap.servers", broker.bootstrap())
            .option("subscribe", &topic)
            .option("startingOffsets", "earliest")
            .option("maxOffsetsPerTrigger", 8);
        for (key, value) in options {
            reader = reader.option(*key, value);
        }
        let query = reader
            .load()
            .await
            .unwrap()
            .write_stream()
            .format("delta")
            .option("checkpointLocation", lake.checkpoint_url(name))
            .trigger(Trigger::AvailableNow)
            .start(&lake.table_url(name))
            .await
            .unwrap();
        query.await_termination().await.unwrap();
        query
    };

    let query = drain("own", &[]).await;
    let progress = query.recent_progress();
    let first = serde_json::to_value(&progress[0].sources[0]).unwrap();
    assert_eq!(
        first["offsetsBehindLatest"],
        json!({ topic.as_str(): {"0": 6, "1": 6} })
    );
    assert_eq!(first["metrics"]["avgOffsetsBehindLatest"], "6.0");
    assert_eq!(first["metrics"]["maxOffsetsBehindLatest"], "6");
    assert_eq!(first["metrics"]["totalOffsetsBehindLatest"], "12");
    let last = serde_json::to_value(&progress[2].sources[0]).unwrap();
    assert_eq!(last["metrics"]["maxOffsetsBehindLatest"], "0");
    let group = format!("weir-{}", query.id());
    assert_eq!(last["groupId"], group.as_str());
    assert_eq!(
        committed(broker, &group, &topic, 2).await,
        [Offset::Offset(10); 2]
    );

    let query = drain("prefixed", &[("groupIdPrefix", "acme")]).await;
    let group = format!("acme-{}", query.id());
    assert_eq!(query.summary().group_ids, [Some(group.clone())]);
    assert_eq!(
        committed(broker, &group, &topic, 2).await,
        [Offset::Offset(10); 2]
    );

    let query = drain("none", &[("commitOffsetsOnCheckpoints", "false")]).await;
    assert_eq!(query.summary().group_ids, [None]);
    let group = format!("weir-{}", query.id());
    assert_eq!(
        committed(broker, &group, &topic, 2).await,
        [Offset::Invalid; 2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn group_that_others_consume_in_is_left_alone_and_the_drain_goes_on() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("lag.members", 1).await;
    broker.producer().produce_n(&topic, 1, 20, record).await;
    let group = unique_topic("members");
    let member = consumer(broker, &group);
    member.subscribe(&[&topic]).unwrap();
    // It is a member once it has partitions; it stays one by polling.
    let member = tokio::task::spawn_blocking(move || {
        while member.assignment().unwrap().count() == 0 {
            drop(member.poll(Duration::from_millis(50)));
        }
        member
    });
    let member = member.await.unwrap();
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--max-offsets-per-trigger", 5)
        .arg("--kafka", format!("group.id={group}"));
    let finished = job.run().await.expect_success();
    drop(member);
    let outcome = finished.last_json();
    assert_eq!(outcome["rows"], 20, "{outcome}");
    let failures = outcome["offset_commit_failures"].as_u64().unwrap();
    assert!((1..=4).contains(&failures), "{outcome}");
    let warnings: Vec<&str> = finished
        .stderr
        .lines()
        .filter(|line| line.contains("WARN"))
        .collect();
    assert_eq!(warnings.len(), 1, "{finished}");
    expect_parts(
        warnings[0],
        &[&group, "kafka.group.id", "commitOffsetsOnCheckpoints"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_grew_shrank_or_went_are_told_apart() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let producer = broker.producer();
    let mut topics = Vec::new();
    for name in ["grown", "trimmed", "recreated", "deleted"] {
        let topic = broker.new_topic(&format!("lag.{name}"), 1).await;
        producer.produce_n(&topic, 1, 10, record).await;
        topics.push(topic);
    }
    let [grown, trimmed, recreated, deleted] = &topics[..] else {
        unreachable!()
    };
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let group = unique_topic("odd");
    let job = Bronze::new(broker, &lake, &names).arg("--kafka", format!("group.id={group}"));
    job.drain().await;

    broker.add_partitions(grown, 2).await;
    // One that has not seen the topic with one partition.
    let producer = broker.producer();
    producer.produce(grown, 1, record(0)).await;
    producer.produce_n(trimmed, 1, 10, record).await;
    broker.delete_records(trimmed, 0, 14).await;
    broker.delete_topic(deleted).await;
    broker.delete_topic(recreated).await;
    broker.create_topic(recreated, 1, &[]).await;
    producer.produce_n(recreated, 1, 12, record).await;

    let checkpoint = ["--checkpoint", &job.checkpoint, "--output", "json"];
    let found = report(&lag(broker.bootstrap(), &checkpoint).await, 4);
    let mut expected = vec![
        json!([grown, 0, 10, 10, 0, "ok"]),
        json!([grown, 1, null, 1, 1, "uncommitted"]),
        json!([trimmed, 0, 10, 20, 10, "lost"]),
        json!([recreated, 0, 10, 12, 12, "recreated"]),
        json!([deleted, 0, 10, null, null, "deleted"]),
    ];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(partitions(&found), expected);
    assert_eq!(found["lost"], 4, "{found}");
    assert_eq!(found["data_loss"], true, "{found}");
    assert_eq!(found["total_lag"], 23, "{found}");

    // One topic alone; a group knows no topic ids, and brokers drop what it had of a deleted topic.
    for topic in [grown, trimmed] {
        let one = ["--group", &group, "--topic", topic, "--output", "json"];
        let code = if topic == trimmed { 4 } else { 0 };
        let found = report(&lag(broker.bootstrap(), &one).await, code);
        assert_eq!(
            partitions(&found),
            expected
                .iter()
                .filter(|row| row[0] == topic.as_str())
                .cloned()
                .collect::<Vec<_>>()
        );
    }
    let table = lag(broker.bootstrap(), &["--checkpoint", &job.checkpoint]).await;
    assert_eq!(table.status.code(), Some(4), "{table}");
    expect_parts(
        &table.stdout,
        &[
            "lost (4 offsets)",
            "records that were not read are gone in 3 partitions",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn open_transaction_holds_the_end_back_and_markers_have_no_age() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("lag.transactions", 1).await;
    let transactional = broker.transactional_producer(&topic).await;
    transactional.begin();
    transactional.produce_n(&topic, 1, 5, record).await;
    transactional.commit().await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    job.drain().await;
    let json = ["--checkpoint", &job.checkpoint, "--output", "json"];
    let uncommitted = ["--conf", "kafka.isolation.level=read_uncommitted"];

    // Aborted: there is a lag, of nothing that has an age.
    transactional.begin();
    transactional.produce_n(&topic, 1, 4, aged(500)).await;
    transactional.abort().await;
    let found = report(&lag(broker.bootstrap(), &json).await, 0);
    assert_eq!(partitions(&found), [json!([topic, 0, 6, 11, 5, "ok"])]);
    assert_eq!(found["max_seconds_behind"], 0.0, "{found}");
    let arguments = [&json[..], &uncommitted].concat();
    let found = report(&lag(broker.bootstrap(), &arguments).await, 0);
    assert!(
        found["max_seconds_behind"].as_f64().unwrap() >= 500.0,
        "{found}"
    );
    job.drain().await;

    // Open: nothing can be read, and the report says what is held back.
    transactional.begin();
    transactional.produce_n(&topic, 1, 7, record).await;
    let found = report(&lag(broker.bootstrap(), &json).await, 0);
    assert_eq!(partitions(&found), [json!([topic, 0, 11, 11, 0, "ok"])]);
    assert_eq!(found["partitions"][0]["high_watermark"], 18, "{found}");
    let table = lag(broker.bootstrap(), &["--checkpoint", &job.checkpoint]).await;
    expect_parts(&table.stdout, &["7 offsets lie beyond the ends"]);
    let found = report(&lag(broker.bootstrap(), &arguments).await, 0);
    assert_eq!(partitions(&found), [json!([topic, 0, 11, 18, 7, "ok"])]);
    assert_eq!(found["isolation_level"], "read_uncommitted", "{found}");
    transactional.abort().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_on_a_store_counts_from_the_last_closed_batch() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let lake = TempLake::on(&server);
    let topic = broker.new_topic("lag.s3", 2).await;
    broker.producer().produce_n(&topic, 2, 60, record).await;
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--max-offsets-per-trigger", 20)
        .envs(server.environment());
    let killed = job.clone().fault("kill", "prepared:1").start();
    killed.wait(RUN_WITHIN).await;
    let before = files_under(&lake.checkpoint("bronze"), "");

    let secret = lake.path().join("secret");
    std::fs::write(&secret, SECRET_KEY).unwrap();
    let mut arguments = vec!["--checkpoint".to_owned(), job.checkpoint.clone()];
    arguments.extend(["--output".to_owned(), "json".to_owned()]);
    for (key, value) in server.settings() {
        let value = match value.as_str() {
            SECRET_KEY => format!("@file:{}", secret.display()),
            _ => value,
        };
        arguments.extend(["--conf".to_owned(), format!("{key}={value}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let finished = lag(broker.bootstrap(), &arguments).await;
    let found = report(&finished, 0);
    assert_eq!(
        partitions(&found),
        [
            json!([topic, 0, 10, 30, 20, "ok"]),
            json!([topic, 1, 10, 30, 20, "ok"])
        ]
    );
    assert_eq!(found["checkpoint"], job.checkpoint.as_str(), "{found}");
    assert!(!format!("{finished}").contains(SECRET_KEY));
    assert_eq!(before, files_under(&lake.checkpoint("bronze"), ""));
    job.drain().await;
    let found = report(&lag(broker.bootstrap(), &arguments).await, 0);
    assert_eq!(found["total_lag"], 0, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_reports_what_comes_in_and_exits_as_it_last_was() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("lag.watched", 1).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 10, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]);
    job.drain().await;
    let watch = ["--watch", "--interval", "100ms", "--threshold", "5"];
    let json = ["--checkpoint", &job.checkpoint, "--output", "json"];
    let mut watching = start(broker.bootstrap(), &[&json[..], &watch].concat());
    watching.stdout_line("\"total_lag\":0", RUN_WITHIN).await;
    producer.produce_n(&topic, 1, 6, record).await;
    let line = watching.stdout_line("\"total_lag\":6", RUN_WITHIN).await;
    let over: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(over["over_threshold"], true, "{line}");
    watching.terminate();
    let finished = watching.wait(RUN_WITHIN).await;
    assert_eq!(finished.status.code(), Some(3), "{finished}");

    let mut watching = start(broker.bootstrap(), &[&json[..], &watch].concat());
    watching.stdout_line("\"total_lag\":6", RUN_WITHIN).await;
    job.drain().await;
    watching.stdout_line("\"total_lag\":0", RUN_WITHIN).await;
    watching.terminate();
    let finished = watching.wait(RUN_WITHIN).await;
    assert_eq!(finished.status.code(), Some(0), "{finished}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named_with_what_to_do() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("lag.mistakes", 1).await;
    broker.producer().produce_n(&topic, 1, 1, record).await;
    let group = unique_topic("mistakes");
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--kafka", format!("group.id={group}"));
    job.drain().await;
    let nowhere = lake.checkpoint_url("nowhere");
    let of_group = ["--group", group.as_str()];
    for (arguments, code, parts) in [
        (&[][..], 2, &["--group", "--checkpoint"][..]),
        (&["--group", "g", "--checkpoint", "c"], 2, &["--checkpoint"]),
        (&["--group", " "], 2, &["--group is empty"]),
        (
            &["--group", "no.such.group"],
            1,
            &["no.such.group", "committed nothing"],
        ),
        (
            &["--checkpoint", &nowhere],
            1,
            &["no checkpoint at", "nowhere"],
        ),
        (&["--checkpoint", "hdfs://a/b"], 1, &["hdfs"]),
        (
            &[&of_group[..], &["--topic", "no.such.topic"]].concat(),
            1,
            &["no.such.topic", "does not exist"],
        ),
        (
            &[&of_group[..], &["--threshold", "-1"]].concat(),
            2,
            &["--threshold"],
        ),
        (
            &[&of_group[..], &["--interval", "1s"]].concat(),
            2,
            &["--watch"],
        ),
        (
            &[&of_group[..], &["--watch", "--interval", "0s"]].concat(),
            2,
            &["--interval is 0"],
        ),
        (
            &[&of_group[..], &["--conf", "security.protocol=SSL"]].concat(),
            2,
            &["security.protocol", "kafka.*"],
        ),
        (
            &[&of_group[..], &["--conf", "kafka.fetch.colour=red"]].concat(),
            2,
            &["kafka.fetch.colour", "no property"],
        ),
        (
            &[&of_group[..], &["--conf", "kafka.group.id=other"]].concat(),
            2,
            &["kafka.group.id"],
        ),
        (
            &[&of_group[..], &["--conf", "kafka.bootstrap.servers=b:1"]].concat(),
            2,
            &["b:1", "give it once"],
        ),
        (
            &[&of_group[..], &["--conf", "weir.storage.aws_region=x"]].concat(),
            2,
            &["weir.storage.aws_region", "--checkpoint"],
        ),
        (
            &[
                &of_group[..],
                &["--conf", "kafka.sasl.password=@env:WEIR_NO_SUCH"],
            ]
            .concat(),
            2,
            &["WEIR_NO_SUCH"],
        ),
        (
            &[
                "--checkpoint",
                &job.checkpoint,
                "--conf",
                "weir.storage.colour=red",
            ],
            2,
            &["colour"],
        ),
    ] {
        let finished = lag(broker.bootstrap(), arguments).await;
        assert_eq!(
            finished.status.code(),
            Some(code),
            "{arguments:?}{finished}"
        );
        expect_parts(&finished.stderr, parts);
        assert!(finished.stdout.is_empty(), "{finished}");
    }
    // Asking has made nothing.
    assert!(!lake.checkpoint("nowhere").exists());

    // Nobody listens there.
    let finished = lag("127.0.0.1:1", &of_group).await;
    assert_eq!(finished.status.code(), Some(75), "{finished}");
    expect_parts(&finished.stderr, &["127.0.0.1:1", "could be reached"]);
}
