//! What `weir lag` tells of topics, transactions and checkpoints, and of mistakes.

use serde_json::{Value, json};
use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{broker_or_skip, unique_topic};
use weir_tests::s3::{S3Server, SECRET_KEY};

use super::{aged, lag, partitions, record, report, start};
use crate::bronze::{Bronze, RUN_WITHIN, expect_parts};

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
