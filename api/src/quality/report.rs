//! How many rows each rule kept and broke.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::logical_expr::{Expr, ExprFunctionExt, lit};
use weir_plan::functions::examples;
use weir_plan::{Error, Result};

use super::expectation::{Action, Expectations};
use crate::dataframe::{DataFrame, draw};
use crate::functions::count;
use crate::session::Session;

/// What [`Checked::report`](super::Checked::report) found. Prints as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityReport {
    /// Rows of the input.
    pub rows: u64,
    /// Rows of [`Checked::valid`](super::Checked::valid); with `quarantined` and `dropped` it makes
    /// `rows`. A row that breaks a rule of [`Action::Fail`] alone counts here: no query gives it.
    pub valid: u64,
    /// Rows of [`Checked::quarantined`](super::Checked::quarantined).
    pub quarantined: u64,
    /// Rows left out.
    pub dropped: u64,
    /// Each rule, in order.
    pub rules: Vec<RuleReport>,
}

/// One rule of a [`QualityReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReport {
    /// The rule's name.
    pub rule: String,
    /// What happens to a row that breaks it.
    pub action: Action,
    /// Rows for which it is true.
    pub passed: u64,
    /// Rows for which it is false or null.
    pub failed: u64,
    /// Some of these, as JSON: the columns that the rule is about, the least by their text.
    pub examples: Vec<String>,
}

impl QualityReport {
    const COLUMNS: [&'static str; 5] = ["rule", "action", "passed", "failed", "examples"];

    /// The rules as rows, to be written or shown: `rule`, `action`, `passed`, `failed`, `examples`.
    ///
    /// # Errors
    /// `Internal` if the columns do not fit together.
    pub fn to_dataframe(&self, session: &Session) -> Result<DataFrame> {
        let text = |of: fn(&RuleReport) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.rules.iter().map(of)))
        };
        let number = |of: fn(&RuleReport) -> u64| -> ArrayRef {
            let numbers = self.rules.iter().map(of);
            Arc::new(Int64Array::from_iter_values(
                numbers.map(|number| i64::try_from(number).unwrap_or(i64::MAX)),
            ))
        };
        let mut shown = ListBuilder::new(StringBuilder::new());
        for rule in &self.rules {
            shown.append_value(rule.examples.iter().map(Some));
        }
        let item = Field::new_list_field(DataType::Utf8, true);
        let types = [
            DataType::Utf8,
            DataType::Utf8,
            DataType::Int64,
            DataType::Int64,
            DataType::List(Arc::new(item)),
        ];
        let fields: Vec<Field> = Self::COLUMNS
            .into_iter()
            .zip(types)
            .map(|(name, data_type)| Field::new(name, data_type, false))
            .collect();
        let columns = vec![
            text(|rule| &rule.rule),
            text(|rule| rule.action.as_str()),
            number(|rule| rule.passed),
            number(|rule| rule.failed),
            Arc::new(shown.finish()),
        ];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::internal("cannot make the report").with_source(error))?;
        let inner = session.datafusion().read_batch(batch)?;
        Ok(DataFrame::from_datafusion(session, inner))
    }
}

impl fmt::Display for QualityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<Vec<String>> = self
            .rules
            .iter()
            .map(|rule| {
                vec![
                    rule.rule.clone(),
                    rule.action.to_string(),
                    rule.passed.to_string(),
                    rule.failed.to_string(),
                    rule.examples.join(", "),
                ]
            })
            .collect();
        let names = Self::COLUMNS.map(str::to_owned);
        writeln!(f, "{}", draw(&names, &cells))?;
        write!(
            f,
            "{} rows: {} valid, {} quarantined, {} dropped",
            self.rows, self.valid, self.quarantined, self.dropped
        )
    }
}

/// False or null. Not `IS NOT TRUE`: the engine's two planners differ on whether that can be null, and
/// refuse the plan when it is computed once for several aggregates.
fn broken(condition: &Expr) -> Expr {
    (!condition.clone()).or(condition.clone().is_null())
}

/// Counts in one aggregation, the conditions computed once.
pub(super) async fn compute(
    rules: &Expectations,
    rows: &DataFrame,
    examples_max: u32,
) -> Result<QualityReport> {
    let any = |wanted: Action| {
        rules
            .rules
            .iter()
            .filter(|rule| rule.action == wanted)
            .map(|rule| broken(&rule.condition))
            .reduce(Expr::or)
            .unwrap_or_else(|| lit(false))
    };
    let quarantined = any(Action::Quarantine);
    let dropped = any(Action::Drop).and(!quarantined.clone());
    let where_ = |aggregate: Expr, condition: Expr| aggregate.filter(condition).build();
    let mut aggregates = vec![
        count(lit(1)).alias("rows"),
        where_(count(lit(1)), quarantined)?.alias("quarantined"),
        where_(count(lit(1)), dropped)?.alias("dropped"),
    ];
    for (at, rule) in rules.rules.iter().enumerate() {
        let broken = broken(&rule.condition);
        let row = rules.example([rule], rows);
        aggregates.push(where_(count(lit(1)), broken.clone())?.alias(format!("failed_{at}")));
        aggregates.push(where_(examples(row, examples_max), broken)?.alias(format!("shown_{at}")));
    }
    let found = rows.clone().agg(aggregates)?.collect().await?;
    let Some(found) = found.first().filter(|batch| batch.num_rows() == 1) else {
        return Err(Error::internal("an aggregation over all rows gave no row"));
    };
    let number = |column: usize| {
        let numbers = found.column(column).as_primitive::<Int64Type>();
        u64::try_from(numbers.value(0)).unwrap_or_default()
    };
    let (all, quarantined, dropped) = (number(0), number(1), number(2));
    let rules = rules
        .rules
        .iter()
        .enumerate()
        .map(|(at, rule)| {
            let failed = number(3 + 2 * at);
            let shown = found.column(4 + 2 * at).as_list::<i32>().value(0);
            let shown = shown.as_string::<i32>().iter().flatten();
            RuleReport {
                rule: rule.name.clone(),
                action: rule.action,
                passed: all.saturating_sub(failed),
                failed,
                examples: shown.map(str::to_owned).collect(),
            }
        })
        .collect();
    Ok(QualityReport {
        rows: all,
        valid: all.saturating_sub(quarantined + dropped),
        quarantined,
        dropped,
        rules,
    })
}
