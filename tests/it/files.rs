//! Parquet files and JSON lines, written and read back by Weir and by Python's libraries.

mod bad;
mod json;
mod kill;
mod layout;
mod parquet;
mod prune;
mod write;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use weir::DataFrame;
use weir::prelude::*;
use weir_tests::python::Python;

const READ_WITHIN: Duration = Duration::from_secs(60);

async fn sql(session: &Session, query: &str) -> DataFrame {
    session.sql(query).await.unwrap()
}

/// What `show` prints of all rows, sorted by the first columns.
async fn sorted(rows: DataFrame) -> String {
    let columns: Vec<_> = rows.columns().into_iter().map(col).collect();
    let rows = rows.order_by(columns).unwrap();
    rows.show_string(100, None).await.unwrap()
}

async fn explained(rows: &DataFrame) -> String {
    rows.explain_string(ExplainMode::Simple).await.unwrap()
}

/// The rows of a directory as Python reads them, sorted by field `n`.
async fn by_python(python: &Python, format: &str, directory: &Path) -> Vec<Value> {
    let process = python.script("files.py", &["read", format, directory.to_str().unwrap()]);
    let finished = process.wait(READ_WITHIN).await.expect_success();
    let lines = finished.stdout.lines();
    let mut rows: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.sort_by_key(|row| row["n"].as_i64());
    rows
}

/// A Parquet file's codecs, row groups and columns, as pyarrow tells them.
async fn described(python: &Python, file: &Path) -> Value {
    let process = python.script("files.py", &["describe", file.to_str().unwrap()]);
    process.wait(READ_WITHIN).await.expect_success().last_json()
}

fn path(directory: &Path) -> &str {
    directory.to_str().unwrap()
}
