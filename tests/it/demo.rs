//! `weir demo` as a new user runs it: on its embedded broker, on a real one, and with mistakes in its arguments.

use std::time::Duration;

use weir_tests::files::TempLake;
use weir_tests::kafka::broker_or_skip;
use weir_tests::process::{Finished, Process, built_program};

use crate::bronze::expect_parts;

const WITHIN: Duration = Duration::from_mins(5);
const RECORDS: &str = "2000";

async fn demo(arguments: &[&str]) -> Finished {
    let arguments: Vec<&str> = ["demo"].iter().chain(arguments).copied().collect();
    Process::run(built_program("weir"), &arguments, &[])
        .wait(WITHIN)
        .await
}

/// What every successful demo shows: each table, the quarantine, the report, the account.
const SHOWN: [&str; 5] = ["bronze", "silver", "quarantine", "gold", "exactly once"];

#[tokio::test(flavor = "multi_thread")]
async fn demo_on_its_embedded_broker_accounts_for_every_record() {
    let finished = demo(&["--records", RECORDS]).await.expect_success();
    expect_parts(&finished.stdout, &SHOWN);
    expect_parts(&finished.stdout, &["not Apache Kafka"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_on_a_real_broker_accounts_for_every_record_and_deletes_its_topics() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let dir = lake.file("demo").display().to_string();
    let finished = demo(&[
        "--records",
        RECORDS,
        "--bootstrap-servers",
        broker.bootstrap(),
        "--dir",
        &dir,
    ])
    .await
    .expect_success();
    expect_parts(&finished.stdout, &SHOWN);
    let left: Vec<String> = broker
        .topics()
        .await
        .into_iter()
        .filter(|topic| topic.starts_with("weir-demo-"))
        .collect();
    assert!(left.is_empty(), "topics of the demo are left: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_arguments_are_named() {
    let lake = TempLake::new();
    std::fs::write(lake.file("something"), "").unwrap();
    let full = lake.path().display().to_string();
    for (arguments, named) in [
        (&["--records", "0"][..], "--records is 0"),
        (&["--records", "99999999999"], "--records is 99999999999"),
        (&["--seed", "x"], "'x' for '--seed"),
        (&["--dir", &full], "is not empty"),
        (&["--bootstrap-servers", "127.0.0.1:1"], "127.0.0.1:1"),
    ] {
        let finished = demo(arguments).await;
        assert!(!finished.status.success(), "{arguments:?} is taken");
        expect_parts(&finished.stderr, &[named]);
    }
}
