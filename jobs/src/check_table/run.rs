//! Runs the job: a suite and a table to a report, the report to an outcome.

use chrono::Utc;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir::prelude::*;
use weir::program::print_line;
use weir::{Error, ErrorKind, Result};

use super::arguments::{Arguments, Output};
use super::judge::{Judged, Measured, Status as Verdict, judge};
use super::report::Report;
use super::row_checks::is_of_check;
use super::suite::{Kind, Severity, Suite};
use super::table::{Bound, Table};
use super::{NAME, key_checks, row_checks};
use crate::outcome::{Details, Failure, Status};
use crate::program::{Ended, unless_stopped};

/// What the job's result line says.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// This run, in the report.
    pub run_id: Option<String>,
    /// The table, as it was given.
    pub table: Option<String>,
    /// The version that was checked.
    pub table_version: Option<u64>,
    /// The suite's name.
    pub suite: Option<String>,
    /// Checks of the suite.
    pub checks: u64,
    /// Checks that hold.
    pub passed: u64,
    /// The names of those that do not, of severity `error`.
    pub failed: Vec<String>,
    /// The same, of severity `warn`.
    pub warned: Vec<String>,
    /// The same, of severity `info`.
    pub noted: Vec<String>,
    /// The names of those that could not be evaluated.
    pub not_evaluated: Vec<String>,
}

impl Details for Summary {
    const JOB: &'static str = NAME;
}

/// Checks the table and reports. The error's kind goes with a failed outcome.
pub async fn run(arguments: Arguments, stop: CancellationToken) -> Ended<Summary> {
    let (mut outcome, kind) = unless_stopped(stop, check(&arguments)).await;
    if outcome.status != Status::Succeeded {
        return (outcome, kind);
    }
    // What could not be evaluated goes first: the run does not know all it was asked for.
    if !outcome.details.not_evaluated.is_empty() {
        let names = outcome.details.not_evaluated.join(", ");
        outcome.status = Status::Failed;
        outcome.error = Some(Failure {
            kind: ErrorKind::Compute.as_str(),
            message: format!("checks that could not be evaluated: {names}; the report says why"),
        });
        return (outcome, Some(ErrorKind::Compute));
    }
    if !outcome.details.failed.is_empty() {
        outcome.status = Status::ChecksFailed;
    }
    (outcome, None)
}

async fn check(arguments: &Arguments) -> Result<Summary> {
    let suite = Suite::read(&arguments.suite)?;
    if arguments.report.as_ref() == Some(&arguments.table) {
        return Err(Error::invalid_argument(format!(
            "--report is the table that is checked, {:?}; give the report a table of its own",
            arguments.table
        )));
    }
    // Names in SQL are the table's as they are spelt, as they are in a check's keys.
    let mut builder = Session::builder()
        .app_name(NAME)
        .config("datafusion.sql_parser.enable_ident_normalization", false);
    for (key, value) in arguments.settings()? {
        builder = builder.config(key, value);
    }
    let session = builder.create().await?;
    let checked_at = Utc::now();
    let as_of = arguments.as_of.unwrap_or(checked_at);
    let table = Table::open(&session, &arguments.table, arguments.version, as_of).await?;
    let bound = suite.checks.iter().map(|check| Bound::new(&table, check));
    let bound = bound.collect::<Result<Vec<_>>>()?;
    // Every name is looked up before anything is computed.
    let mut others = Vec::new();
    for check in &bound {
        others.push(match key_checks::referenced(&session, check, as_of).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
            found => Ok(found?),
        });
    }
    let mut by_row = measure_rows(&table, &bound).await?.into_iter();
    let mut checks = Vec::new();
    for (check, other) in bound.iter().zip(others) {
        let measured = match (&check.check.kind, other) {
            (_, Err(error)) => Err(error),
            (Kind::Unique { columns }, _) => key_checks::unique(&table, check, columns).await,
            (Kind::References { columns, to, .. }, Ok(Some(other))) => {
                key_checks::references(&table, check, columns, &other, to).await
            }
            _ => by_row
                .next()
                .unwrap_or_else(|| Err(Error::internal("a check was not measured"))),
        };
        match measured {
            Err(error) if !is_of_check(&error) => return Err(error),
            measured => checks.push(judge(check.check, measured, as_of)),
        }
    }
    let report = Report {
        run_id: Uuid::new_v4().to_string(),
        checked_at,
        as_of,
        table: table.url,
        version: table.version,
        suite: suite.name,
        checks,
    };
    match arguments.output {
        Output::Table => print_line(report.screen(&session).await?)?,
        Output::Json => print_line(report.json())?,
    }
    if let Some(url) = &arguments.report {
        report.append(&session, url).await?;
    }
    Ok(summary(&report))
}

/// The checks that share one pass, in the suite's order.
async fn measure_rows(table: &Table, bound: &[Bound<'_>]) -> Result<Vec<Result<Measured>>> {
    let by_row = |check: &&Bound<'_>| {
        !matches!(
            check.check.kind,
            Kind::Unique { .. } | Kind::References { .. }
        )
    };
    let by_row: Vec<Bound<'_>> = bound.iter().filter(by_row).cloned().collect();
    row_checks::measure(table, &by_row).await
}

fn summary(report: &Report) -> Summary {
    let names = |wanted: &dyn Fn(&Judged) -> bool| -> Vec<String> {
        let wanted = report.checks.iter().filter(|check| wanted(check));
        wanted.map(|check| check.name.clone()).collect()
    };
    let failed = |severity: Severity| {
        names(&|check| check.status == Verdict::Failed && check.severity == severity)
    };
    Summary {
        run_id: Some(report.run_id.clone()),
        table: Some(report.table.clone()),
        table_version: Some(report.version),
        suite: Some(report.suite.clone()),
        checks: report.checks.len() as u64,
        passed: names(&|check| check.status == Verdict::Passed).len() as u64,
        failed: failed(Severity::Error),
        warned: failed(Severity::Warn),
        noted: failed(Severity::Info),
        not_evaluated: names(&|check| check.status == Verdict::Error),
    }
}
