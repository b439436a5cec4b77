//! The consumer group that a stream commits its offsets to, as Kafka's own tools and `weir lag` see it.

use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use serde_json::json;
use weir::prelude::*;
use weir_tests::files::TempLake;
use weir_tests::kafka::{broker_or_skip, group_command_or_skip, unique_topic};

use super::{aged, committed, consumer, lag, partitions, record, report};
use crate::bronze::{Bronze, expect_parts};

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
