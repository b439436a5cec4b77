//! A suite as the rules of a stream's rows.

use weir::datafusion::logical_expr::Expr;
use weir::quality::{Action, Expectation};
use weir::{DataFrame, Error, Result};

use super::row_checks::broken;
use super::suite::{Check, Kind, Severity, Suite};
use super::table::{Bound, Table};

/// The checks of `suite` as rules of `rows`: a row that breaks one of severity `error` is a dead letter, of another one it is
/// counted, unless the check has an `action`. A row of which `bad` is not null is none of theirs.
///
/// # Errors
/// `InvalidArgument`, naming the suite and the check, for a check that looks at more than one row, and for one that the
/// rows do not fit.
pub(crate) fn expectations(
    suite: &Suite,
    rows: &DataFrame,
    bad: Option<&Expr>,
) -> Result<Vec<Expectation>> {
    let table = Table {
        url: "of this stream".to_owned(),
        version: 0,
        rows: rows.clone(),
    };
    let rules = suite.checks.iter().map(|check| rule(&table, check, bad));
    rules.collect()
}

fn rule(table: &Table, check: &Check, bad: Option<&Expr>) -> Result<Expectation> {
    refuse_more_than_a_row(check)?;
    let bound = Bound::new(table, check)?;
    let broken = broken(table, &bound)
        .map_err(|error| Error::invalid_argument(check.place.clone()).with_source(error))?;
    let action = check.action.unwrap_or(match check.severity {
        Severity::Error => Action::Quarantine,
        Severity::Warn | Severity::Info => Action::Warn,
    });
    // Null is let pass where the check says so, as over a table.
    let condition = match bad {
        None => broken.is_not_true(),
        Some(bad) => bad.clone().is_not_null().or(broken.is_not_true()),
    };
    let rule = Expectation::new(&check.name, condition).action(action);
    let rule = rule.reason(reason(check));
    Ok(match check.error_type {
        Some(error_type) => rule.error_type(error_type),
        None => rule,
    })
}

fn refuse_more_than_a_row(check: &Check) -> Result<()> {
    let what = match &check.kind {
        Kind::Unique { .. } | Kind::References { .. } | Kind::RowCount { .. } | Kind::Freshness { .. } => {
            format!("type {:?} looks at more than one row", check.kind.type_name())
        }
        _ if !check.allowed.is_none() => {
            "mostly and tolerance are about a whole table, and a stream's rows are told apart one by one".to_owned()
        }
        _ => return Ok(()),
    };
    Err(Error::invalid_argument(format!(
        "{}: {what}; check the table with check_table instead",
        check.place
    )))
}

/// What a dead letter says.
fn reason(check: &Check) -> String {
    match &check.kind {
        Kind::NotNull { column } => format!("{column} is null"),
        Kind::Range { column, .. } => format!("{column} is out of its range"),
        Kind::InSet { column, .. } => format!("{column} is none of the values allowed"),
        Kind::Matches { column, pattern } => format!("{column} does not match {pattern}"),
        Kind::Sql { predicate } => format!("not true: {predicate}"),
        other => other.type_name().to_owned(),
    }
}
