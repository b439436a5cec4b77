//! Runs `check_table` as a child process over tables that the Python package and Weir wrote.

mod checks;
mod runs;

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::files::TempLake;
use weir_tests::process::{Finished, Process};
use weir_tests::python::Python;

use crate::bronze::expect_parts;

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
