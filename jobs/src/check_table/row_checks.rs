//! Checks of single rows, and of what an aggregate over all rows says: one pass for all of them.

use chrono::{DateTime, Utc};
use weir::Result;
use weir::datafusion::arrow::array::{Array, AsArray, RecordBatch};
use weir::datafusion::arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use weir::datafusion::arrow::util::display::array_value_to_string;
use weir::datafusion::functions::core::expr_fn::named_struct;
use weir::datafusion::logical_expr::{
    Case, Expr, ExprFunctionExt, ExprSchemable, Operator, binary_expr,
};
use weir::prelude::*;
use weir::quality::examples;
use weir::{DataFrame, Error, ErrorKind};

use super::conditions::{not_in, outside, text_column, wrong_type};
use super::judge::{EXAMPLES, Measured};
use super::suite::Kind;
use super::table::{Bound, Table};

/// Measures `checks` together; if that fails, one by one, so that the one to blame is found and the
/// others are not lost.
///
/// # Errors
/// What is no fault of a check: a table that cannot be read.
pub(super) async fn measure(table: &Table, checks: &[Bound<'_>]) -> Result<Vec<Result<Measured>>> {
    let plans: Vec<Result<Plan>> = checks.iter().map(|check| Plan::new(table, check)).collect();
    let sound: Vec<&Plan> = plans.iter().flatten().collect();
    let mut measured = match run(table, &sound).await {
        Ok(measured) => measured.into_iter().map(Ok).collect(),
        Err(error) if !is_of_check(&error) => return Err(error),
        Err(_) => {
            let mut each = Vec::new();
            for plan in sound {
                match run(table, &[plan]).await {
                    Ok(mut one) => each.push(one.pop().ok_or_else(no_row)),
                    Err(error) if is_of_check(&error) => each.push(Err(error)),
                    Err(error) => return Err(error),
                }
            }
            each
        }
    }
    .into_iter();
    let mut results = Vec::new();
    for plan in plans {
        match plan {
            Ok(_) => results.push(measured.next().unwrap_or_else(|| Err(no_row()))),
            Err(error) => results.push(Err(error)),
        }
    }
    Ok(results)
}

/// Whether an error is of the check that was evaluated, and says nothing about the others.
pub(super) fn is_of_check(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Compute
            | ErrorKind::InvalidPlan
            | ErrorKind::InvalidArgument
            | ErrorKind::Unsupported
            | ErrorKind::NotFound
            | ErrorKind::Internal
    )
}

/// What is true of the rows that break `check`, of those that it is about.
///
/// # Errors
/// As [`measure`], for a check of single rows.
pub(super) fn broken(table: &Table, check: &Bound<'_>) -> Result<Expr> {
    Plan::new(table, check)?.broken.ok_or_else(no_row)
}

/// The rows that a check is about.
pub(super) fn matching(table: &Table, check: &Bound<'_>) -> Result<Option<Expr>> {
    let Some(filter) = &check.filter else {
        return Ok(None);
    };
    boolean(table, "where", filter)?;
    Ok(Some(filter.clone()))
}

fn boolean(table: &Table, key: &str, condition: &Expr) -> Result<()> {
    match condition.get_type(table.rows.schema())? {
        DataType::Boolean => Ok(()),
        other => Err(Error::invalid_plan(format!(
            "{key} is of type {other}; it takes a condition"
        ))),
    }
}

fn no_row() -> Error {
    Error::internal("an aggregation over all rows gave no row")
}

/// What one check computes.
struct Plan {
    /// The rows it is about, and those that break it.
    matching: Expr,
    broken: Option<Expr>,
    /// The columns that an example shows.
    shown: Vec<String>,
    observed: Observed,
}

enum Observed {
    Nothing,
    Rows,
    /// The least and the greatest value of a column.
    Ends(String),
    /// The greatest time of a column.
    Latest(Expr),
}

impl Plan {
    fn new(table: &Table, check: &Bound<'_>) -> Result<Self> {
        let matching = matching(table, check)?.unwrap_or_else(|| lit(true));
        let mut shown = check.check.kind.columns().to_vec();
        let mut observed = Observed::Nothing;
        let broken = match &check.check.kind {
            Kind::NotNull { column } => Some(col(column).is_null()),
            Kind::Range { column, .. } => {
                observed = Observed::Ends(column.clone());
                Some(outside(table, &check.check.kind)?)
            }
            Kind::InSet { column, values } => Some(not_in(table, column, values)?),
            Kind::Matches { column, pattern } => {
                text_column(table, column)?;
                let text = col(column).cast("string")?;
                let pattern = lit(pattern.clone());
                Some(binary_expr(text, Operator::RegexNotMatch, pattern))
            }
            Kind::Sql { .. } => {
                let predicate = check.predicate.clone().ok_or_else(no_row)?;
                boolean(table, "predicate", &predicate)?;
                let names = predicate.column_refs();
                shown = table.rows.columns();
                shown.retain(|name| names.iter().any(|column| column.name == *name));
                // Null breaks it, as it breaks a CHECK constraint of a Delta table.
                Some((!predicate.clone()).or(predicate.is_null()))
            }
            Kind::RowCount { .. } => {
                observed = Observed::Rows;
                None
            }
            Kind::Freshness { column, .. } => {
                match table.type_of(column)? {
                    DataType::Timestamp(..) | DataType::Date32 => {}
                    other => return Err(wrong_type(column, &other, "timestamps and dates")),
                }
                observed = Observed::Latest(col(column).cast("timestamp")?);
                None
            }
            other => {
                return Err(Error::internal(format!(
                    "{} is no check of rows",
                    other.type_name()
                )));
            }
        };
        // A condition may fail on rows that `where` leaves out: it is computed for no others.
        let broken = broken.map(|broken| match &check.filter {
            Some(_) => {
                let cases = vec![(Box::new(matching.clone()), Box::new(broken))];
                Expr::Case(Case::new(None, cases, None))
            }
            None => broken,
        });
        if shown.is_empty() {
            shown.extend(table.rows.columns().into_iter().take(1));
        }
        Ok(Self {
            matching,
            broken,
            shown,
            observed,
        })
    }

    fn aggregates(&self, at: usize) -> Result<Vec<Expr>> {
        let matching = || col(format!("__matching_{at}"));
        let broken = || matching().and(col(format!("__broken_{at}")));
        let of = |aggregate: Expr, rows: Expr| aggregate.filter(rows).build();
        let mut found = vec![of(count(lit(1)), matching())?.alias(format!("rows_{at}"))];
        if self.broken.is_some() {
            let row = example(self.shown.iter().map(|name| (name.as_str(), col(name))));
            found.push(of(count(lit(1)), broken())?.alias(format!("broken_{at}")));
            found.push(of(examples(row, EXAMPLES), broken())?.alias(format!("examples_{at}")));
        }
        match &self.observed {
            Observed::Nothing | Observed::Rows => {}
            Observed::Ends(column) => {
                found.push(of(min(col(column)), matching())?.alias(format!("min_{at}")));
                found.push(of(max(col(column)), matching())?.alias(format!("max_{at}")));
            }
            Observed::Latest(time) => {
                found.push(of(max(time.clone()), matching())?.alias(format!("max_{at}")));
            }
        }
        Ok(found)
    }

    fn read(&self, row: &RecordBatch, at: usize) -> Result<Measured> {
        let rows = number(row, &format!("rows_{at}"))?;
        let mut measured = Measured {
            rows: Some(rows),
            ..Measured::default()
        };
        if self.broken.is_some() {
            measured.broken = Some(number(row, &format!("broken_{at}"))?);
            measured.examples = texts(row, &format!("examples_{at}"))?;
        }
        match &self.observed {
            Observed::Nothing => {}
            Observed::Rows => measured.observed = Some(rows.to_string()),
            Observed::Ends(_) => {
                let low = text(row, &format!("min_{at}"))?;
                let high = text(row, &format!("max_{at}"))?;
                measured.observed = low.zip(high).map(|(low, high)| format!("{low} .. {high}"));
            }
            Observed::Latest(_) => {
                let times = column(row, &format!("max_{at}"))?;
                let times = times.as_primitive::<TimestampMicrosecondType>();
                let latest = times.is_valid(0).then(|| times.value(0));
                measured.latest = latest.and_then(DateTime::<Utc>::from_timestamp_micros);
                measured.observed = measured.latest.map(|time| time.to_rfc3339());
            }
        }
        Ok(measured)
    }
}

async fn run(table: &Table, plans: &[&Plan]) -> Result<Vec<Measured>> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let row = only_row(aggregated(table, plans)?).await?;
    let plans = plans.iter().enumerate();
    plans.map(|(at, plan)| plan.read(&row, at)).collect()
}

/// The one query of `plans`.
fn aggregated(table: &Table, plans: &[&Plan]) -> Result<DataFrame> {
    // Conditions are columns first, so that each is computed once for all of its aggregates.
    let mut columns: Vec<Expr> = table.rows.columns().into_iter().map(col).collect();
    let mut aggregates = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        columns.push(plan.matching.clone().alias(format!("__matching_{at}")));
        if let Some(broken) = &plan.broken {
            columns.push(broken.clone().alias(format!("__broken_{at}")));
        }
        aggregates.extend(plan.aggregates(at)?);
    }
    table.rows.clone().select(columns)?.agg(aggregates)
}

/// The struct that an example is made of.
pub(super) fn example<'a>(fields: impl IntoIterator<Item = (&'a str, Expr)>) -> Expr {
    let fields = fields.into_iter();
    named_struct(
        fields
            .flat_map(|(name, value)| [lit(name), value])
            .collect(),
    )
}

/// The row of an aggregation.
pub(super) async fn only_row(frame: DataFrame) -> Result<RecordBatch> {
    let batches = frame.collect().await?;
    let row = batches.into_iter().find(|batch| batch.num_rows() == 1);
    row.ok_or_else(no_row)
}

fn column<'a>(row: &'a RecordBatch, name: &str) -> Result<&'a dyn Array> {
    let column = row.column_by_name(name);
    column
        .map(AsRef::as_ref)
        .ok_or_else(|| Error::internal(format!("an aggregation gave no column {name:?}")))
}

/// A number; a sum over no rows is 0.
pub(super) fn number(row: &RecordBatch, name: &str) -> Result<u64> {
    let numbers = column(row, name)?.as_primitive::<Int64Type>();
    let number = if numbers.is_valid(0) {
        numbers.value(0)
    } else {
        0
    };
    Ok(u64::try_from(number).unwrap_or_default())
}

pub(super) fn texts(row: &RecordBatch, name: &str) -> Result<Vec<String>> {
    let list = column(row, name)?.as_list::<i32>().value(0);
    let texts = list.as_string::<i32>().iter().flatten();
    Ok(texts.map(str::to_owned).collect())
}

fn text(row: &RecordBatch, name: &str) -> Result<Option<String>> {
    let values = column(row, name)?;
    if values.is_null(0) {
        return Ok(None);
    }
    let text = array_value_to_string(values, 0);
    Ok(Some(text.map_err(|error| {
        Error::internal("cannot show a value").with_source(error)
    })?))
}

#[cfg(test)]
mod tests {
    use weir::ExplainMode;

    use super::*;
    use crate::check_table::suite::Suite;

    const SUITE: &str = "checks:
  - {name: a, type: not_null, column: id, where: amount > 0}
  - {name: b, type: range, column: amount, min: 0}
  - {name: c, type: in_set, column: status, values: [new]}
  - {name: d, type: matches, column: status, pattern: a}
  - {name: e, type: sql, predicate: id > amount}
  - {name: f, type: freshness, column: at, max_age: 1h}
  - {name: g, type: row_count, min: 1}
";

    #[tokio::test]
    async fn all_checks_of_rows_are_one_pass_over_the_columns_they_name() {
        let directory = tempfile::tempdir().unwrap();
        let suite = directory.path().join("suite.yaml");
        std::fs::write(&suite, SUITE).unwrap();
        let suite = Suite::read(&suite.display().to_string()).unwrap();
        let url = directory.path().join("table").display().to_string();
        let session = Session::builder()
            .master("local[2]")
            .create()
            .await
            .unwrap();
        let rows = "select 1 as id, 2 as amount, 'new' as status, now() as at, 'x' as unused";
        let rows = session.sql(rows).await.unwrap();
        rows.write().format("delta").save(&url).await.unwrap();
        let table = Table::open(&session, &url, None, Utc::now()).await.unwrap();
        let checks: Vec<Bound<'_>> = suite
            .checks
            .iter()
            .map(|check| Bound::new(&table, check).unwrap())
            .collect();
        let plans: Vec<Plan> = checks
            .iter()
            .map(|check| Plan::new(&table, check).unwrap())
            .collect();
        let frame = aggregated(&table, &plans.iter().collect::<Vec<_>>()).unwrap();
        let plan = frame.explain_string(ExplainMode::Simple).await.unwrap();
        assert_eq!(plan.matches("DataSourceExec").count(), 1, "{plan}");
        assert!(!plan.contains("unused"), "{plan}");
    }
}
