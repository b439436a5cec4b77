//! Runs `check_table` as a child process over tables that the Python package and Weir wrote.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::files::TempLake;
use weir_tests::process::{Finished, Process};
use weir_tests::python::{Python, python_or_skip};

use crate::bronze::expect_parts;
use crate::stream::session;

const WITHIN: Duration = Duration::from_secs(120);
const NOW: &str = "2026-01-31T12:00:00Z";

/// A lake with the table `orders` of `make_checked.py`, and suites beside it.
struct Checked {
    lake: TempLake,
}

impl Checked {
    async fn new(python: &Python, more: &[&str]) -> Self {
        let lake = TempLake::new();
        let table = lake.table_url("orders");
        let arguments = [&[table.as_str()], more].concat();
        let made = python.script("make_checked.py", &arguments);
        made.wait(WITHIN).await.expect_success();
        Self { lake }
    }

    fn table(&self) -> String {
        self.lake.table_url("orders")
    }

    /// A suite of the checks in `lines`, each the inside of a YAML table.
    fn suite(&self, lines: &[&str]) -> String {
        let checks: String = lines
            .iter()
            .map(|line| format!("\n  - {{{line}}}"))
            .collect();
        let path = self.lake.file("suite.yaml");
        std::fs::write(&path, format!("checks:{checks}\n")).unwrap();
        path.display().to_string()
    }

    async fn run(&self, checks: &[&str], more: &[&str]) -> Finished {
        let (table, suite) = (self.table(), self.suite(checks));
        let given = ["--table", &table, "--suite", &suite, "--as-of", NOW];
        run(&[&given, more].concat()).await
    }

    /// The report of a run that ends with `code`, and the outcome.
    async fn report(&self, code: i32, checks: &[&str], more: &[&str]) -> (Value, Value) {
        let more = [&["--output", "json"], more].concat();
        let finished = self.run(checks, &more).await;
        assert_eq!(finished.status.code(), Some(code), "{finished}");
        let lines: Vec<&str> = finished.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{finished}");
        (
            serde_json::from_str(lines[0]).unwrap(),
            finished.last_json(),
        )
    }

    /// Each check alone, which must give status, rows and broken rows.
    async fn expect(&self, expected: &[(&str, &str, Option<u64>, Option<u64>)]) -> Value {
        let named: Vec<String> = expected
            .iter()
            .enumerate()
            .map(|(at, (check, ..))| format!("name: c{at}, severity: warn, {check}"))
            .collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let errors = expected.iter().any(|(_, status, ..)| *status == "error");
        let (report, outcome) = self.report(i32::from(errors), &named, &[]).await;
        for (at, (check, status, rows, broken)) in expected.iter().enumerate() {
            let found = &report["checks"][at];
            let found = (&found["status"], &found["rows"], &found["broken"]);
            let expected = (&json!(status), &json!(rows), &json!(broken));
            assert_eq!(found, expected, "{check}: {}", report["checks"][at]);
        }
        assert_eq!(outcome["checks"], expected.len(), "{outcome}");
        report
    }
}

async fn run(arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-test-node"));
    command
        .arg("check_table")
        .args(arguments)
        .stdin(Stdio::null());
    Process::spawn(command).wait(WITHIN).await
}

#[track_caller]
fn expect_refused(finished: &Finished, code: i32, kind: &str, parts: &[&str]) {
    assert_eq!(finished.status.code(), Some(code), "{finished}");
    let outcome = finished.last_json();
    assert_eq!(outcome["status"], "failed", "{outcome}");
    assert_eq!(outcome["error"]["kind"], kind, "{outcome}");
    expect_parts(outcome["error"]["message"].as_str().unwrap(), parts);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_rows_passes_or_fails_with_the_rows_that_break_it() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let all = Some(5);
    let report = checked
        .expect(&[
            ("type: not_null, column: day", "passed", all, Some(0)),
            ("type: not_null, column: id", "failed", all, Some(1)),
            (
                "type: not_null, column: id, where: status <> 'lost'",
                "passed",
                Some(3),
                Some(0),
            ),
            (
                "type: not_null, column: id, mostly: 0.8",
                "passed",
                all,
                Some(1),
            ),
            (
                "type: not_null, column: id, mostly: 0.81",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: not_null, column: id, tolerance: 0.2",
                "passed",
                all,
                Some(1),
            ),
            // Null is in any range, NaN in none.
            (
                "type: range, column: id, min: 1, max: 3",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: range, column: id, min: 1, exclusive_min: true",
                "failed",
                all,
                Some(1),
            ),
            ("type: range, column: id, max: 2.5", "failed", all, Some(2)),
            (
                "type: range, column: amount, min: -5",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: amount, max: 20",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: price, min: 0.1, max: 99.99",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: range, column: price, max: 99.99, exclusive_max: true",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: price, max: 99.985",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: day, min: 2026-01-31",
                "failed",
                all,
                Some(2),
            ),
            (
                "type: range, column: at, max: '2026-01-31T09:00:00Z'",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: at, max: '2026-01-31T11:00:00+01:00'",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: in_set, column: status, values: [new, paid, lost]",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: in_set, column: status, values: [new]",
                "failed",
                all,
                Some(2),
            ),
            (
                "type: in_set, column: id, values: [1, 2]",
                "failed",
                all,
                Some(2),
            ),
            (
                "type: matches, column: email, pattern: '@x[.]org$'",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: matches, column: status, pattern: '^[a-z]+$'",
                "passed",
                all,
                Some(0),
            ),
            // A condition that is null does not hold.
            (
                "type: sql, predicate: amount > -100",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: sql, predicate: 'coalesce(id > 0, true)'",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: sql, predicate: day <= current_date()",
                "failed",
                all,
                Some(1),
            ),
            // Rows that `where` leaves out are not even computed: these texts are no numbers.
            (
                "type: sql, predicate: 'cast(email as int) > 0', where: email is null",
                "failed",
                Some(1),
                Some(1),
            ),
            ("type: row_count, equals: 5", "passed", all, None),
            ("type: row_count, min: 6", "failed", all, None),
            (
                "type: row_count, max: 1, where: status = 'new'",
                "failed",
                Some(2),
                None,
            ),
            (
                "type: freshness, column: at, max_age: 2h",
                "passed",
                all,
                None,
            ),
            (
                "type: freshness, column: at, max_age: 1h 59m",
                "failed",
                all,
                None,
            ),
            (
                "type: freshness, column: day, max_age: 1m",
                "passed",
                all,
                None,
            ),
        ])
        .await;
    let checks = &report["checks"];
    assert_eq!(checks[1]["examples"], json!([{"id": null}]));
    assert_eq!(checks[1]["fraction"], json!(0.2));
    assert_eq!(checks[9]["examples"], json!([{"amount": "NaN"}]));
    assert_eq!(checks[6]["observed"], "1 .. 3");
    assert_eq!(checks[26]["observed"], "5");
    assert_eq!(checks[29]["observed"], "2026-01-31T10:00:00+00:00");
    assert_eq!(checks[30]["message"], "7200 s old, more than 7140 s");
    assert_eq!(report["table_version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_unique_or_refer_to_another_table_or_are_shown() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let products = checked.lake.table_url("products");
    let rows =
        "select * from (values ('p1', 1), ('p2', 2), ('p2', 2), ('p3', 3), (null, 4)) v(sku, n)";
    let rows = session().await.sql(rows).await.unwrap();
    rows.write().format("delta").save(&products).await.unwrap();
    let all = Some(5);
    let sku = format!("type: references, column: sku, table: '{products}'");
    let both = format!("type: references, columns: [sku, id], table: '{products}', to: [sku, n]");
    let mixed = format!("type: references, column: id, table: '{products}', to: sku");
    let pinned = format!("{sku}, version: 7");
    let but_p9 = format!("{sku}, where: id is not null");
    let missing = format!("{sku}.missing").replace("'.missing", ".missing'");
    let report = checked
        .expect(&[
            ("type: unique, column: sku", "passed", all, Some(0)),
            ("type: unique, column: id", "failed", all, Some(2)),
            ("type: unique, columns: [id, at]", "passed", all, Some(0)),
            (
                "type: unique, column: id, where: amount > -1",
                "passed",
                Some(3),
                Some(0),
            ),
            (
                "type: unique, column: id, tolerance: 0.4",
                "passed",
                all,
                Some(2),
            ),
            (&sku, "failed", all, Some(1)),
            (&but_p9, "passed", Some(4), Some(0)),
            (&both, "passed", all, Some(0)),
            (&mixed, "error", None, None),
            (&pinned, "error", None, None),
            (&missing, "error", None, None),
        ])
        .await;
    let checks = &report["checks"];
    assert_eq!(checks[1]["examples"], json!([{"id": 3, "(rows)": 2}]));
    assert_eq!(checks[5]["examples"], json!([{"sku": "p9"}]));
    expect_parts(
        checks[8]["message"].as_str().unwrap(),
        &["\"id\"", "Int64", &products],
    );
    expect_parts(checks[9]["message"].as_str().unwrap(), &["version 7"]);
    expect_parts(checks[10]["message"].as_str().unwrap(), &["no delta table"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_table_passes_checks_of_rows_and_is_judged_as_a_whole() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &["--empty"]).await;
    let table = checked.table();
    let itself = format!("type: references, column: sku, table: '{table}'");
    let none = Some(0);
    checked
        .expect(&[
            ("type: not_null, column: id", "passed", none, none),
            ("type: unique, column: id", "passed", none, none),
            ("type: range, column: amount, min: 0", "passed", none, none),
            (
                "type: in_set, column: status, values: [new]",
                "passed",
                none,
                none,
            ),
            (
                "type: matches, column: email, pattern: '@'",
                "passed",
                none,
                none,
            ),
            (
                "type: sql, predicate: id > 0, mostly: 1",
                "passed",
                none,
                none,
            ),
            (&itself, "passed", none, none),
            ("type: row_count, max: 0", "passed", none, None),
            ("type: row_count, min: 1", "failed", none, None),
            (
                "type: freshness, column: at, max_age: 7d",
                "failed",
                none,
                None,
            ),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_that_cannot_be_evaluated_is_an_error_and_the_others_are_reported() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let checks = [
        "name: good, type: not_null, column: day",
        "name: text_range, type: range, column: status, min: 1, severity: info",
        "name: bad_bound, type: range, column: day, min: 1",
        "name: bad_value, type: in_set, column: id, values: [one]",
        "name: number_matches, type: matches, column: id, pattern: a",
        "name: old_text, type: freshness, column: status, max_age: 1h",
        "name: no_condition, type: sql, predicate: id + 1",
        "name: no_filter, type: not_null, column: id, where: id + 1",
        "name: fails_on_a_row, type: sql, predicate: 'cast(email as int) > 0'",
        "name: broken, type: not_null, column: id",
    ];
    let (report, outcome) = checked.report(1, &checks, &[]).await;
    let statuses: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses[0], "passed");
    assert_eq!(statuses[1..9], ["error"; 8]);
    assert_eq!(statuses[9], "failed");
    for (at, parts) in [
        (1, ["\"status\"", "numbers, dates and timestamps"]),
        (2, ["\"day\"", "\"1\""]),
        (3, ["\"id\"", "one"]),
        (7, ["where", "Int64"]),
    ] {
        expect_parts(report["checks"][at]["message"].as_str().unwrap(), &parts);
    }
    assert_eq!(outcome["status"], "failed");
    assert_eq!(outcome["not_evaluated"].as_array().unwrap().len(), 8);
    assert_eq!(outcome["failed"], json!(["broken"]));
    let message = outcome["error"]["message"].as_str().unwrap();
    expect_parts(message, &["text_range", "fails_on_a_row"]);
}

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
