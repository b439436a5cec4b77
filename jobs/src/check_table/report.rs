//! The report: on the screen, as JSON, as rows of a Delta table.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use weir::datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use weir::prelude::*;
use weir::{DataFrame, Error, Result};

use super::judge::Judged;

/// What a run found.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) run_id: String,
    pub(super) checked_at: DateTime<Utc>,
    pub(super) as_of: DateTime<Utc>,
    pub(super) table: String,
    pub(super) version: u64,
    pub(super) suite: String,
    pub(super) checks: Vec<Judged>,
}

impl Report {
    /// The report as one JSON value.
    pub(super) fn json(&self) -> Value {
        let checks: Vec<Value> = self.checks.iter().map(check_json).collect();
        json!({
            "run_id": self.run_id,
            "checked_at": self.checked_at.to_rfc3339(),
            "as_of": self.as_of.to_rfc3339(),
            "table": self.table,
            "table_version": self.version,
            "suite": self.suite,
            "checks": checks,
        })
    }

    /// The report as a table for people.
    ///
    /// # Errors
    /// `Internal` when it cannot be drawn.
    pub(super) async fn screen(&self, session: &Session) -> Result<String> {
        let number = |of: fn(&Judged) -> Option<u64>| {
            self.text(move |check| of(check).map(|number| number.to_string()))
        };
        let columns = vec![
            ("check", self.text(|check| Some(check.name.clone()))),
            (
                "severity",
                self.text(|check| Some(check.severity.as_str().to_owned())),
            ),
            (
                "status",
                self.text(|check| Some(check.status.as_str().to_owned())),
            ),
            ("rows", number(|check| check.measured.rows)),
            ("broken", number(|check| check.measured.broken)),
            (
                "fraction",
                self.text(|check| Some(format!("{:.6}", check.fraction()?))),
            ),
            (
                "observed",
                self.text(|check| check.measured.observed.clone()),
            ),
            (
                "examples",
                self.text(|check| Some(check.measured.examples.join(", "))),
            ),
            ("message", self.text(|check| check.message.clone())),
        ];
        let table = frame(session, columns)?
            .show_string(self.checks.len(), None)
            .await?;
        Ok(format!(
            "suite {} over version {} of {}\n{table}",
            self.suite, self.version, self.table
        ))
    }

    /// Adds the report to the Delta table at `url`, one row for each check.
    ///
    /// # Errors
    /// `SchemaMismatch` for a table of something else, and what the write reports.
    pub(super) async fn append(&self, session: &Session, url: &str) -> Result<()> {
        let same = |value: &str| self.text(|_| Some(value.to_owned()));
        let number = |of: &dyn Fn(&Judged) -> Option<u64>| -> ArrayRef {
            let numbers = self.checks.iter().map(of);
            let numbers =
                numbers.map(|number| number.and_then(|number| i64::try_from(number).ok()));
            Arc::new(Int64Array::from_iter(numbers))
        };
        let micros = self.checked_at.timestamp_micros();
        let times = TimestampMicrosecondArray::from(vec![micros; self.checks.len()]);
        let fractions = Float64Array::from_iter(self.checks.iter().map(Judged::fraction));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("run_id", same(&self.run_id)),
            ("checked_at", Arc::new(times.with_timezone("UTC"))),
            ("table", same(&self.table)),
            ("table_version", number(&|_| Some(self.version))),
            ("suite", same(&self.suite)),
            ("check", self.text(|check| Some(check.name.clone()))),
            ("type", self.text(|check| Some(check.type_name.to_owned()))),
            ("column", self.text(column)),
            (
                "severity",
                self.text(|check| Some(check.severity.as_str().to_owned())),
            ),
            (
                "status",
                self.text(|check| Some(check.status.as_str().to_owned())),
            ),
            ("rows", number(&|check| check.measured.rows)),
            ("broken", number(&|check| check.measured.broken)),
            ("fraction", Arc::new(fractions)),
            (
                "observed",
                self.text(|check| check.measured.observed.clone()),
            ),
            (
                "examples",
                self.text(|check| Some(examples_json(check).to_string())),
            ),
            ("message", self.text(|check| check.message.clone())),
        ];
        let writer = frame(session, columns)?.write().format("delta");
        writer.mode(SaveMode::Append).save(url).await
    }

    fn text(&self, of: impl Fn(&Judged) -> Option<String>) -> ArrayRef {
        Arc::new(StringArray::from_iter(self.checks.iter().map(of)))
    }
}

fn frame(session: &Session, columns: Vec<(&str, ArrayRef)>) -> Result<DataFrame> {
    // Nullable all of them: a table keeps its first schema, and which values miss differs by run.
    let columns = columns
        .into_iter()
        .map(|(name, values)| (name, values, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|error| Error::internal("cannot make the report").with_source(error))?;
    let rows = session.datafusion().read_batch(batch)?;
    Ok(DataFrame::from_datafusion(session, rows))
}

fn column(check: &Judged) -> Option<String> {
    (!check.columns.is_empty()).then(|| check.columns.join(","))
}

fn check_json(check: &Judged) -> Value {
    json!({
        "check": check.name,
        "type": check.type_name,
        "column": column(check),
        "severity": check.severity.as_str(),
        "status": check.status.as_str(),
        "rows": check.measured.rows,
        "broken": check.measured.broken,
        "fraction": check.fraction(),
        "observed": check.measured.observed,
        "examples": examples_json(check),
        "message": check.message,
    })
}

fn examples_json(check: &Judged) -> Value {
    let examples = check.measured.examples.iter();
    // Each is JSON already.
    let parsed = examples.map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    Value::Array(parsed.collect())
}
