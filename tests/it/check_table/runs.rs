//! What a run exits with, shows and keeps, and what it refuses.

use serde_json::{Value, json};
use weir_tests::python::python_or_skip;

use super::{Checked, expect_refused, run};
use crate::bronze::expect_parts;

#[tokio::test(flavor = "multi_thread")]
async fn severity_decides_the_exit_code_and_the_screen_shows_the_report() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let held = "name: held, type: row_count, min: 1";
    let broken = "name: has_id, type: not_null, column: id";
    let (warn, info) = (
        format!("{broken}, severity: warn"),
        format!("{broken}, severity: info"),
    );
    for (check, code, status, list) in [
        (broken, 3, "checks_failed", "failed"),
        (&warn, 0, "succeeded", "warned"),
        (&info, 0, "succeeded", "noted"),
    ] {
        let finished = checked.run(&[held, check], &[]).await;
        assert_eq!(finished.status.code(), Some(code), "{finished}");
        let outcome = finished.last_json();
        assert_eq!(outcome["job"], "check_table");
        assert_eq!(outcome["status"], status, "{outcome}");
        assert_eq!(outcome[list], json!(["has_id"]), "{outcome}");
        assert_eq!(outcome["passed"], 1, "{outcome}");
        assert_eq!(outcome["suite"], "suite");
        let squeezed = finished.stdout.replace(' ', "");
        expect_parts(
            &squeezed,
            &[
                "suitesuiteoverversion1of",
                "|check|severity|status|rows|broken|fraction|observed|examples|message|",
                "|held|error|passed|5|NULL|NULL|5||NULL|",
                r#"|5|1|0.200000|NULL|{"id":null}|1of5rows|"#,
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_checks_the_version_it_is_told_and_appends_its_report() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let report_table = checked.lake.table_url("report");
    let checks = [
        "name: rows, type: row_count, equals: 3",
        "name: ids, type: unique, columns: [id, day], severity: warn",
    ];
    let given = ["--report", &report_table];
    let old = [&given[..], &["--version", "0"]].concat();
    let (report, first) = checked.report(0, &checks, &old).await;
    assert_eq!(report["table_version"], 0);
    let (report, second) = checked.report(3, &checks, &given).await;
    assert_eq!(report["table_version"], 1);
    assert_ne!(first["run_id"], second["run_id"]);
    let rows = python.read_rows(&report_table, &[]).await;
    assert_eq!(rows.len(), 4, "{rows:?}");
    let row = |run: &Value, check: &str| {
        let found = rows
            .iter()
            .find(|row| row["run_id"] == run["run_id"] && row["check"] == check);
        found.unwrap().clone()
    };
    assert_eq!(row(&first, "rows")["status"], "passed");
    let ids = row(&second, "ids");
    let table = checked.table();
    for (column, value) in [
        ("table", json!(table)),
        ("table_version", json!(1)),
        ("suite", json!("suite")),
        ("type", json!("unique")),
        ("column", json!("id,day")),
        ("severity", json!("warn")),
        ("status", json!("failed")),
        ("rows", json!(5)),
        ("broken", json!(2)),
        ("fraction", json!(0.4)),
        (
            "examples",
            json!(r#"[{"id":3,"day":"2026-01-31","(rows)":2}]"#),
        ),
        ("message", json!("2 of 5 rows")),
    ] {
        assert_eq!(ids[column], value, "{column}: {ids}");
    }
    assert_eq!(row(&second, "rows")["message"], "5 rows, more than 3");
    assert!(
        ids["checked_at"].as_str().unwrap().ends_with("+00:00"),
        "{ids}"
    );
    let summary = python.read_delta(&report_table).await;
    assert!(summary.partition_columns.is_empty());
    assert_eq!(summary.version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_arguments_and_suite_are_usage_errors_that_name_them() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let usage = "invalid_argument";
    let good = "name: a, type: row_count, min: 1";
    for (check, parts) in [
        (
            "name: a, type: not_null, column: ids",
            &["suite.yaml", "\"a\"", "\"ids\"", "\"id\"?"][..],
        ),
        (
            "name: a, type: sql, predicate: amout > 0",
            &["\"a\"", "\"amout\"", "\"amount\"?"],
        ),
        (
            "name: a, type: sql, predicate: 'id >'",
            &["\"a\"", "predicate"],
        ),
        (
            "name: a, type: sql, predicate: sum(id) > 0",
            &["\"a\"", "more than one row"],
        ),
        (
            "name: a, type: sql, predicate: ID > 0",
            &["\"ID\"", "\"id\"?"],
        ),
        (
            "name: a, type: row_count, min: 1, where: stats = 'new'",
            &["where", "\"stats\""],
        ),
        (
            "name: a, type: row_count, equal: 1",
            &["\"equal\"", "\"equals\"?"],
        ),
        (
            "name: a, type: query, sql: select 1",
            &["unknown type \"query\""],
        ),
    ] {
        let finished = checked.run(&[check], &[]).await;
        expect_refused(&finished, 2, usage, parts);
    }
    let table = checked.table();
    let to = format!("name: a, type: references, column: sku, table: '{table}', to: sk");
    expect_refused(
        &checked.run(&[&to], &[]).await,
        2,
        usage,
        &["\"a\"", "\"sk\"", "\"sku\"?"],
    );
    for (more, code, kind, parts) in [
        (&["--version", "9"][..], 1, "not_found", &["version 9"][..]),
        (&["--version", "newest"], 2, usage, &["--version", "newest"]),
        (&["--output", "xml"], 2, usage, &["xml", "json"]),
        (&["--report", &table], 2, usage, &["--report"]),
        (
            &["--conf", "weir.driver.maxResultSiz=1"],
            2,
            usage,
            &["maxResultSize\"?"],
        ),
        (&["--conf", "x"], 2, usage, &["--conf", "KEY=VALUE"]),
        (&["--dry-run"], 2, usage, &["--dry-run"]),
    ] {
        expect_refused(&checked.run(&[good], more).await, code, kind, parts);
    }
    let suite = checked.suite(&[good]);
    let nowhere = checked.lake.table_url("nowhere");
    let finished = run(&["--table", &nowhere, "--suite", &suite]).await;
    expect_refused(&finished, 1, "not_found", &["nowhere"]);
    let finished = run(&["--table", &table, "--suite", "/no/suite.toml"]).await;
    expect_refused(&finished, 2, usage, &["/no/suite.toml"]);
    let finished = run(&["--table", &table, "--suite", &suite, "--as-of", "soon"]).await;
    expect_refused(&finished, 2, usage, &["--as-of", "2026-01-31T00:00:00Z"]);
    let finished = run(&["--table", &table]).await;
    expect_refused(&finished, 2, usage, &["--suite"]);
}
