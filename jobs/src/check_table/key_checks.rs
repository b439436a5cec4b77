//! Checks that bring rows together by key: one query each.

use chrono::{DateTime, Utc};
use weir::datafusion::common::JoinType;
use weir::datafusion::logical_expr::{Expr, ExprFunctionExt};
use weir::prelude::*;
use weir::quality::examples;
use weir::{DataFrame, Error, Result};

use super::judge::{EXAMPLES, Measured};
use super::row_checks::{example, matching, number, only_row, texts};
use super::suite::Kind;
use super::table::{Bound, Table};

/// How many rows have a key, and what an example calls it.
const COUNT: &str = "(rows)";

fn all_given(names: &[String]) -> Expr {
    let given = names.iter().map(|name| col(name).is_not_null());
    given.reduce(Expr::and).unwrap_or_else(|| lit(true))
}

fn matching_rows(table: &Table, check: &Bound<'_>) -> Result<DataFrame> {
    match matching(table, check)? {
        Some(filter) => table.rows.clone().filter(filter),
        None => Ok(table.rows.clone()),
    }
}

/// The rows whose key another row has, too. A key with a null in it equals none, as in SQL's UNIQUE.
pub(super) async fn unique(
    table: &Table,
    check: &Bound<'_>,
    columns: &[String],
) -> Result<Measured> {
    let repeated = || col(COUNT).gt(lit(1)).and(all_given(columns));
    let of = |aggregate: Expr| aggregate.filter(repeated()).build();
    let shown = columns.iter().map(String::as_str).chain([COUNT]);
    let row = example(shown.map(|name| (name, col(name))));
    let keys = matching_rows(table, check)?
        .group_by(columns.iter().map(col))
        .agg([count(lit(1)).alias(COUNT)])?;
    let found = only_row(keys.agg([
        sum(col(COUNT)).alias("rows"),
        of(sum(col(COUNT)))?.alias("broken"),
        of(count(lit(1)))?.alias("keys"),
        of(examples(row, EXAMPLES))?.alias("examples"),
    ])?)
    .await?;
    let keys = number(&found, "keys")?;
    Ok(Measured {
        rows: Some(number(&found, "rows")?),
        broken: Some(number(&found, "broken")?),
        observed: Some(format!("{keys} keys of several rows")),
        examples: texts(&found, "examples")?,
        latest: None,
    })
}

/// The table that `check` refers to, and that it has the columns.
///
/// # Errors
/// `InvalidArgument`, naming the check, for a column it lacks; what opening it reports.
pub(super) async fn referenced(
    session: &Session,
    check: &Bound<'_>,
    as_of: DateTime<Utc>,
) -> Result<Option<Table>> {
    let Kind::References {
        table, to, version, ..
    } = &check.check.kind
    else {
        return Ok(None);
    };
    let other = Table::open(session, table, *version, as_of).await?;
    other.check_columns(&check.check.place, to)?;
    Ok(Some(other))
}

/// The rows whose key the other table lacks. A key with a null in it refers to nothing, as in SQL's
/// FOREIGN KEY.
pub(super) async fn references(
    table: &Table,
    check: &Bound<'_>,
    columns: &[String],
    other: &Table,
    to: &[String],
) -> Result<Measured> {
    for (column, to) in columns.iter().zip(to) {
        let (own, theirs) = (table.type_of(column)?, other.type_of(to)?);
        if own.is_numeric() != theirs.is_numeric() {
            return Err(Error::invalid_plan(format!(
                "column {column:?} is of type {own}, and {to:?} of {} is of type {theirs}",
                other.url
            )));
        }
    }
    // Names of its own on each side: the tables may share theirs.
    let renamed = |frame: DataFrame, side: &str, names: &[String]| {
        let columns = names.iter().enumerate();
        frame.select(columns.map(|(at, name)| col(name).alias(format!("{side}_{at}"))))
    };
    let names = |side: &str| -> Vec<String> {
        (0..columns.len())
            .map(|at| format!("{side}_{at}"))
            .collect()
    };
    let (own, theirs) = (names("own"), names("theirs"));
    let rows = renamed(matching_rows(table, check)?, "own", columns)?;
    let keys = renamed(other.rows.clone(), "theirs", to)?.distinct()?;
    let joined = rows.into_datafusion().join(
        keys.into_datafusion(),
        JoinType::Left,
        &own.iter().map(String::as_str).collect::<Vec<_>>(),
        &theirs.iter().map(String::as_str).collect::<Vec<_>>(),
        None,
    )?;
    let joined = DataFrame::from_datafusion(table.rows.session(), joined);
    let broken = || all_given(&own).and(col(&theirs[0]).is_null());
    let of = |aggregate: Expr| aggregate.filter(broken()).build();
    let shown = columns.iter().zip(&own);
    let row = example(shown.map(|(name, own)| (name.as_str(), col(own))));
    let found = only_row(joined.agg([
        count(lit(1)).alias("rows"),
        of(count(lit(1)))?.alias("broken"),
        of(examples(row, EXAMPLES))?.alias("examples"),
    ])?)
    .await?;
    Ok(Measured {
        rows: Some(number(&found, "rows")?),
        broken: Some(number(&found, "broken")?),
        observed: Some(format!("version {} of {}", other.version, other.url)),
        examples: texts(&found, "examples")?,
        latest: None,
    })
}
