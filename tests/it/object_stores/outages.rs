//! A store that goes away while a batch is written.

use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::ledger::Ledger;
use weir_tests::python::python_or_skip;
use weir_tests::s3::S3Server;

use crate::bronze::{Bronze, RUN_WITHIN, expect_error, unpause};

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_killed_and_comes_back_is_waited_for() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let Some(mut server) = S3Server::start_or_skip().await else {
        return;
    };
    let python = python.with_environment(server.environment());
    let lake = TempLake::on(&server);
    let topic = broker.new_topic("s3.outage", 2).await;
    let mut produced = Ledger::default();
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--max-offsets-per-trigger", 100)
        .envs(server.environment())
        .env("WEIR_LOG", "warn,object_store=info");
    // Before the data files, before the commit, before the batch is closed.
    for step in ["offsets_logged", "prepared", "sink_committed"] {
        let more = broker.producer().produce_n(&topic, 2, 200, record).await;
        produced.merge(&more);
        let mut paused = job.clone().fault("pause", step).start();
        paused.stderr_line("PAUSED", RUN_WITHIN).await;
        server.kill();
        unpause(&mut paused);
        paused.stderr_line("backing off", RUN_WITHIN).await;
        server.run();
        paused.wait(RUN_WITHIN).await.expect_success();
    }
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_stays_away_fails_the_run_and_the_next_one_completes_it() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let Some(mut server) = S3Server::start_or_skip().await else {
        return;
    };
    let python = python.with_environment(server.environment());
    let lake = TempLake::on(&server);
    let topic = broker.new_topic("s3.away", 2).await;
    let produced = broker.producer().produce_n(&topic, 2, 600, record).await;
    // Each of the runs ends at its first batch.
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--max-offsets-per-trigger", 100)
        .arg("--conf", "weir.storage.max_retries=1")
        .envs(server.environment());
    for step in ["offsets_logged", "prepared", "sink_committed"] {
        let mut paused = job.clone().fault("pause", step).start();
        paused.stderr_line("PAUSED", RUN_WITHIN).await;
        server.kill();
        unpause(&mut paused);
        let finished = paused.wait(RUN_WITHIN).await;
        assert_eq!(finished.status.code(), Some(75), "{step}: {finished}");
        expect_error(&finished.last_json(), "unavailable", &["out of reach"]);
        server.run();
    }
    job.drain().await;
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}
