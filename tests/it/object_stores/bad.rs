//! Stores that refuse, are not there, or are not named right: each error says what and where, and no
//! output holds a secret.

use weir::prelude::*;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::process::Finished;
use weir_tests::python::python_or_skip;
use weir_tests::s3::{S3Server, SECRET_KEY};

use crate::bronze::{Bronze, expect_error};

const OTHER_SECRET: &str = "hunter2-of-another-server";

#[track_caller]
fn expect_refused(finished: &Finished, code: i32, kind: &str, parts: &[&str]) {
    assert_eq!(finished.status.code(), Some(code), "{finished}");
    expect_error(&finished.last_json(), kind, parts);
    for secret in [SECRET_KEY, OTHER_SECRET] {
        assert!(!finished.stdout.contains(secret), "{}", finished.stdout);
        assert!(!finished.stderr.contains(secret), "{}", finished.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_that_refuses_or_is_not_there_is_named_and_put_right_the_job_runs() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let python = python.with_environment(server.environment());
    let lake = TempLake::on(&server);
    let topic = broker.new_topic("s3.bad", 1).await;
    let record = |n: usize| Record::of(format!("v{n}"));
    let produced = broker.producer().produce_n(&topic, 1, 20, record).await;
    let bucket = lake.url_of("").trim_end_matches('/').to_owned();
    let job = Bronze::new(broker, &lake, &[&topic])
        .arg("--conf", "weir.storage.max_retries=1")
        .envs(server.environment());

    let wrong = job.clone().env("AWS_SECRET_ACCESS_KEY", OTHER_SECRET);
    let parts = [bucket.as_str(), "refuses these credentials"];
    expect_refused(&wrong.run().await, 1, "storage", &parts);

    let elsewhere = ["s3://weir-no-such-bucket/t", "s3://weir-no-such-bucket/ck"];
    let missing = job.clone().replacing("--out", elsewhere[0]);
    let missing = missing.replacing("--checkpoint", elsewhere[1]);
    let parts = ["no bucket s3://weir-no-such-bucket"];
    expect_refused(&missing.run().await, 1, "not_found", &parts);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let unreachable = job.clone().env("AWS_ENDPOINT_URL", &nobody);
    let parts = [bucket.as_str(), "out of reach", nobody.as_str()];
    expect_refused(&unreachable.run().await, 75, "unavailable", &parts);

    let setting = format!("weir.storage.aws_secret_acces_key={OTHER_SECRET}");
    let misspelt = job.clone().arg("--conf", setting);
    let parts = [
        "aws_secret_acces_key",
        "did you mean \"aws_secret_access_key\"",
    ];
    expect_refused(&misspelt.run().await, 2, "invalid_argument", &parts);

    let named = format!("s3://key:{OTHER_SECRET}@lake/t");
    let in_url = job.clone().replacing("--out", &named);
    let parts = ["has credentials in it", "weir.storage."];
    expect_refused(&in_url.run().await, 2, "invalid_argument", &parts);

    let other = job.clone().replacing("--out", "hdfs://lake/t");
    let parts = ["hdfs://lake/t", "s3, s3a, gs"];
    expect_refused(&other.run().await, 1, "unsupported", &parts);

    let damaged = job
        .clone()
        .env("WEIR_CONF", format!("{{\"a\": {OTHER_SECRET}"));
    expect_refused(&damaged.run().await, 2, "invalid_argument", &["WEIR_CONF"]);

    job.drain().await;
    python
        .read_delta(&job.table)
        .await
        .expect_exactly(&produced);
}

#[tokio::test(flavor = "multi_thread")]
async fn table_that_is_not_there_and_files_on_s3_are_refused_by_name() {
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let lake = TempLake::on(&server);
    let builder = Session::builder().master("local[2]");
    let settings = server.settings().into_iter();
    let builder = settings.fold(builder, |builder, (key, value)| builder.config(key, value));
    let session = builder.create().await.unwrap();
    let table = lake.table_url("none");
    let error = session.read().delta(&table).await.unwrap_err();
    assert_eq!(error.kind(), weir::ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&table), "{error}");
    let error = session.read().delta("s3://weir-no-such-bucket/t").await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), weir::ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("no bucket"), "{error}");
    let error = session.read().parquet(&table).await.unwrap_err();
    assert_eq!(error.kind(), weir::ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(&table), "{error}");
    let named = format!("s3://key:{OTHER_SECRET}@lake/t");
    let error = session.read().parquet(&named).await.unwrap_err();
    assert!(!error.to_string().contains(OTHER_SECRET), "{error}");
}
