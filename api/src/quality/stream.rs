//! Rules over the rows of a stream: the plan that tells rows apart where they are written.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit};
use weir_plan::dead_letters::{LETTER, LetterRule, carry_record, letter_column};
use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

use super::expectation::{Action, Expectations};
use crate::dataframe::DataFrame;

/// The plan of `rows` with their last column [`LETTER`], and without `hidden` ones, which only the rules look at; and the rules as the
/// runtime takes them. `letters`: there is a place for dead letters, which keep their whole record.
///
/// # Errors
/// As [`Expectations::apply`]; `InvalidPlan` for a hidden column that is not there; `Unsupported` for rows whose record is not known.
fn contracted(
    rules: &Expectations,
    rows: &DataFrame,
    hidden: &[String],
    letters: bool,
) -> Result<(LogicalPlan, Vec<LetterRule>)> {
    rules.check(rows)?;
    let columns = rows.columns();
    for name in hidden {
        if !columns.contains(name) {
            let hint = did_you_mean(name, columns.iter().map(String::as_str));
            return Err(Error::invalid_plan(format!(
                "no column {name:?} to leave out of the table{hint}"
            )));
        }
    }
    if columns.iter().any(|name| name == LETTER) {
        return Err(Error::invalid_plan(format!(
            "the rows have a column {LETTER:?}; rename it"
        )));
    }
    let mut specs = Vec::with_capacity(rules.rules.len());
    let mut messages = Vec::with_capacity(rules.rules.len());
    for rule in &rules.rules {
        if let Some(message) = &rule.message {
            check_message(&rule.name, message, rows)?;
        }
        messages.push(rule.message.clone());
        specs.push(LetterRule {
            name: rule.name.clone(),
            action: rule.action,
            error_type: rule.error_type,
            reason: rule.reason_text(),
        });
    }
    let has = |action| specs.iter().any(|rule: &LetterRule| rule.action == action);
    let failing = rules
        .rules
        .iter()
        .filter(|rule| rule.action == Action::Fail);
    let shown = match has(Action::Fail) {
        true => rules.example(failing, rows),
        false => lit(ScalarValue::Null),
    };
    let plan = carry_record(rows.plan(), letters && has(Action::Quarantine))?;
    let conditions = rules.rules.iter().map(|rule| rule.condition.clone());
    let letter = letter_column(&plan, &specs, conditions.collect(), &messages, shown)?;
    let mut kept: Vec<Expr> = rows
        .plan()
        .schema()
        .iter()
        .filter(|(_, field)| !hidden.contains(field.name()))
        .map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())))
        .collect();
    kept.push(letter);
    let plan = LogicalPlanBuilder::from(plan).project(kept)?.build()?;
    Ok((plan, specs))
}

/// The rules of rows.
pub(crate) type RulesOf = Arc<dyn Fn(&DataFrame) -> Result<Expectations> + Send + Sync>;

/// The plan of `rows` with `rules`, if there are any: as [`contracted`].
pub(crate) fn ruled(
    rows: &DataFrame,
    rules: Option<&RulesOf>,
    hidden: &[String],
    letters: bool,
) -> Result<(LogicalPlan, Option<Vec<LetterRule>>)> {
    match rules {
        None => Ok((rows.plan().clone(), None)),
        Some(rules) => {
            let (plan, rules) = contracted(&rules(rows)?, rows, hidden, letters)?;
            Ok((plan, Some(rules)))
        }
    }
}

fn check_message(rule: &str, message: &Expr, rows: &DataFrame) -> Result<()> {
    let found = message.get_type(rows.schema());
    let found = found.map_err(|error| Error::from(error).context(format!("rule {rule:?}")))?;
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        other => Err(Error::invalid_plan(format!(
            "the message of rule {rule:?} is of type {other}; it takes a text"
        ))),
    }
}
