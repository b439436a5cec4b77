//! What `kafka_to_bronze` promises beside its rows: `--dry-run` writes nothing, secrets stay secret.

use std::fs;

use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::process::Finished;

use crate::bronze::{Bronze, RUN_WITHIN, expect_parts};

const SECRET: &str = "hunter2-zwiebelkuchen";

fn record(n: usize) -> Record {
    Record::of(format!("v{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_prints_ranges_and_batches_and_writes_nothing() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("dry", 2).await;
    broker.producer().produce_n(&topic, 2, 30, record).await;
    let job = Bronze::new(broker, &lake, &[&topic]).arg("--max-offsets-per-trigger", 10);
    let dry = job.clone().flag("--dry-run");
    let finished = dry.run().await.expect_success();
    let outcome = finished.last_json();
    assert_eq!(outcome["status"], "dry_run", "{outcome}");
    assert_eq!(outcome["batches"], 3, "{outcome}");
    assert_eq!(outcome["rows"], 0, "{outcome}");
    assert_eq!(outcome["remaining_lag"], 30, "{outcome}");
    assert_eq!(outcome["end_offsets"][&topic]["1"], 15, "{outcome}");
    let lines = [
        format!("{topic}\t0\t0\t15\t15"),
        format!("{topic}\t1\t0\t15\t15"),
        "30 records at most, in 3 batches".to_owned(),
    ];
    expect_parts(&finished.stdout, &lines.each_ref().map(String::as_str));
    job.expect_untouched();

    // After a run that was killed, it says what comes first, and changes nothing of it.
    let killed = job.clone().fault("kill", "prepared:1").start();
    killed.wait(RUN_WITHIN).await;
    let before = (content(&job.checkpoint_path()), content(&job.table_path()));
    let finished = dry.run().await.expect_success();
    expect_parts(
        &finished.stdout,
        &["first: batch 1, prepared by run", "10 records at most"],
    );
    assert_eq!(
        before,
        (content(&job.checkpoint_path()), content(&job.table_path()))
    );

    assert_eq!(job.drain().await["rows"], 20);
    let finished = dry.run().await.expect_success();
    expect_parts(&finished.stdout, &["0 records at most, in 0 batches"]);
}

/// Every file below `directory`, with its bytes.
fn content(directory: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files_under(directory, "")
        .into_iter()
        .map(|file| (file.clone(), fs::read(file).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_no_output_and_no_file() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("secret", 1).await;
    broker.producer().produce_n(&topic, 1, 10, record).await;
    let by_file = lake.file("kafka.properties");
    let secret_file = lake.file("secret");
    fs::write(&secret_file, format!("{SECRET}\n")).unwrap();
    let properties = format!(
        "# a comment\nssl.key.password=@file:{}\n",
        secret_file.display()
    );
    fs::write(&by_file, properties).unwrap();
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--kafka", "sasl.password=@env:WEIR_TEST_SECRET")
        .arg("--kafka", "sasl.username=weir")
        .arg("--kafka-config", by_file.display())
        .env("WEIR_TEST_SECRET", SECRET)
        .env("WEIR_LOG", "trace");
    let expect_hidden = |finished: &Finished| {
        assert!(!finished.stdout.contains(SECRET), "{}", finished.stdout);
        assert!(!finished.stderr.contains(SECRET), "{}", finished.stderr);
        for (file, bytes) in content(lake.path()) {
            let hidden = !String::from_utf8_lossy(&bytes).contains(SECRET);
            assert!(hidden || file == secret_file, "{}", file.display());
        }
    };
    let dry = job.clone().flag("--dry-run").run().await.expect_success();
    expect_hidden(&dry);
    let finished = job.run().await.expect_success();
    assert!(finished.stderr.contains("TRACE"), "the log is on");
    assert_eq!(finished.last_json()["rows"], 10);
    expect_hidden(&finished);

    // A log-in that fails: this broker knows no passwords.
    let refused = job
        .clone()
        .arg("--kafka", "security.protocol=SASL_PLAINTEXT")
        .arg("--kafka", "sasl.mechanism=PLAIN");
    let finished = refused.run().await.expect_failure();
    assert_eq!(finished.last_json()["status"], "failed");
    expect_hidden(&finished);
    // Nor in a message about a value that is malformed.
    let malformed = job
        .arg("--kafka", "sasl.mechanism=@env:WEIR_TEST_SECRET")
        .arg("--kafka", "security.protocol=SASL_PLAINTEXT");
    let finished = malformed.run().await.expect_failure();
    expect_hidden(&finished);
}
