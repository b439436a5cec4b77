use super::*;
use crate::files::TempLake;
use crate::process::eventually;
use crate::spark;

const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_bronze_table_reads_back_as_the_ledger_says() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let url = write_sample(&python, &lake, &[]).await;

    let summary = python.read_delta(&url).await;

    summary.expect_exactly(&sample_ledger(60));
    assert_eq!(summary.version, 2);
    assert_eq!(summary.partition_columns, ["topic", "load_date"]);
    assert_eq!(
        summary.column_type("message_value_raw"),
        Some(&Value::from("binary"))
    );
    python
        .read_delta_version(&url, 0)
        .await
        .expect_exactly(&sample_ledger(20));
}

#[tokio::test]
async fn rows_are_read_with_their_nulls_and_bytes() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let url = write_sample(&python, &lake, &[]).await;

    let rows = python
        .read_rows(
            &url,
            &[
                "partition",
                "offset",
                "message_value",
                "message_value_raw",
                "kafka_timestamp",
            ],
        )
        .await;

    assert_eq!(rows.len(), 120);
    let row = |offset: i64| {
        rows.iter()
            .find(|row| row["offset"] == offset)
            .expect("a row")
    };
    assert_eq!(row(1)["message_value"], "wert-ü-1");
    assert_eq!(
        row(1)["kafka_timestamp"],
        "2026-01-31T23:59:59.123457+00:00"
    );
    assert_eq!(row(3)["message_value_raw"], "ff0003");
    assert_eq!(row(7)["message_value"], Value::Null);
    assert_eq!(row(7)["message_value_raw"], Value::Null);
}

#[tokio::test]
async fn a_doubled_offset_is_a_violation_of_its_version_only() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let url = write_sample(&python, &lake, &["--duplicate"]).await;

    let report = python.check_versions(&url, Offsets::Distinct).await;

    assert_eq!((report.versions_checked, report.latest), (3, Some(2)));
    assert_eq!(
        report.violations,
        [
            "version 2: orders[0] holds 61 rows of 60 distinct offsets",
            "version 2: orders[1] holds 61 rows of 60 distinct offsets",
        ]
    );
}

#[tokio::test]
async fn a_missing_offset_is_a_violation_when_offsets_must_be_dense() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let url = write_sample(&python, &lake, &["--hole"]).await;

    python
        .check_versions(&url, Offsets::Distinct)
        .await
        .expect_no_violation();
    let report = python.check_versions(&url, Offsets::DensePrefix).await;

    assert_eq!(report.violations.len(), 2, "{:?}", report.violations);
    assert_eq!(
        report.violations[0],
        "version 2: orders[0] has holes: 59 offsets from 0 to 59"
    );
}

#[tokio::test]
async fn a_watcher_checks_versions_that_appear_after_it_began() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let watcher = python
        .watch_versions(&lake.table_url("bronze"), Offsets::DensePrefix)
        .await;

    write_sample(&python, &lake, &[]).await;
    let report = watcher.finish().await;

    report.expect_no_violation();
    assert_eq!((report.versions_checked, report.rows), (3, 120));
}

#[tokio::test]
async fn spark_and_python_read_the_same() {
    let Some(spark) = spark::spark_or_skip() else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let url = write_sample(&python, &lake, &[]).await;

    let by_spark: DeltaSummary =
        serde_json::from_value(spark.read_delta(&url).await).expect("a summary");

    assert_eq!(by_spark, python.read_delta(&url).await);
}

#[tokio::test]
async fn a_killed_watcher_is_gone_at_once() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let mut process = python.script("check_versions.py", &["no-such-table", "--watch"]);

    process.stderr_line("watching", WITHIN).await;
    process.kill();

    eventually(WITHIN, || !process.is_running()).await;
}

async fn write_sample(python: &Python, lake: &TempLake, args: &[&str]) -> String {
    let url = lake.table_url("bronze");
    std::fs::create_dir_all(lake.table("bronze")).expect("a directory for the table");
    let mut all = vec![url.as_str()];
    all.extend(args);
    python
        .script("write_sample.py", &all)
        .wait(WITHIN)
        .await
        .expect_success();
    url
}

/// What write_sample.py writes, up to an offset.
fn sample_ledger(end: u8) -> Ledger {
    let mut ledger = Ledger::default();
    for (partition, offset) in
        (0..2).flat_map(|partition| (0..end).map(move |offset| (partition, offset)))
    {
        let key = format!("k-{offset}");
        let value = match offset {
            _ if offset % 7 == 0 => None,
            _ if offset % 3 == 0 => Some(vec![0xff, 0x00, offset]),
            _ => Some(format!("wert-ü-{offset}").into_bytes()),
        };
        let key = (offset % 5 != 0).then_some(key.as_bytes());
        ledger.enter(
            "orders",
            partition,
            i64::from(offset),
            key,
            value.as_deref(),
        );
    }
    ledger
}
