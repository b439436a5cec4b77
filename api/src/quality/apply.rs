//! Rules over rows: what is valid, what is quarantined.

use datafusion::common::ScalarValue;
use datafusion::functions_nested::expr_fn::{array_has, array_has_any, make_array};
use datafusion::logical_expr::{Case, Expr, lit};
use weir_plan::functions::{RowRule, broken_rules};
use weir_plan::{Error, Result};

use super::expectation::{Action, Expectation, Expectations};
use super::report::{self, QualityReport};
use crate::dataframe::DataFrame;
use crate::functions::col;

/// The list of broken rules, while rows are told apart.
const BROKEN: &str = "__weir_broken_rules";
/// Columns that a quarantined row has beside its own.
const ADDED: [&str; 3] = ["rule", "rules", "reason"];

/// What [`Expectations::apply`] makes of rows. Each part is a query of its own over the input.
#[derive(Debug, Clone)]
pub struct Checked {
    rules: Expectations,
    rows: DataFrame,
    valid: DataFrame,
    quarantined: DataFrame,
}

impl Checked {
    pub(super) fn new(rules: Expectations, rows: DataFrame) -> Result<Self> {
        let quarantines = names(&rules, |action| action == Action::Quarantine);
        let removes = names(&rules, |action| {
            matches!(action, Action::Quarantine | Action::Drop)
        });
        if let Some(taken) = rows.columns().into_iter().find(|name| {
            name == BROKEN || !quarantines.is_empty() && ADDED.contains(&name.as_str())
        }) {
            return Err(Error::invalid_plan(format!(
                "the rows have a column {taken:?}, which quarantined rows get; rename it first"
            )));
        }
        let flagged = flag(&rules, rows.clone())?;
        let fails = rules.rules.iter().any(|rule| rule.action == Action::Fail);
        let valid = if removes.is_empty() && !fails {
            rows.clone()
        } else {
            // Also without a rule that removes rows: what nothing looks at is not computed, and a
            // rule that fails has to be.
            let kept = match removes.as_slice() {
                [] => col(BROKEN).is_not_null(),
                removes => !broken_any(removes),
            };
            flagged.clone().filter(kept)?.drop([BROKEN])?
        };
        let quarantined = quarantine(&rules, &quarantines, flagged)?;
        Ok(Self {
            rules,
            rows,
            valid,
            quarantined,
        })
    }

    /// The rows that break no rule but of [`Action::Warn`], with their own columns.
    ///
    /// Running it fails with kind `Compute` once a row breaks a rule of [`Action::Fail`], so that
    /// nothing of it is written; the message names the rule, how many of the rows that were read
    /// together break it, and one of them.
    #[must_use]
    pub fn valid(&self) -> DataFrame {
        self.valid.clone()
    }

    /// The rows that break a rule of [`Action::Quarantine`]: their own columns, `rule` (the first such
    /// rule's name), `rules` (all rules that the row breaks, whatever their action) and `reason` (of
    /// `rule`). Fails as [`Self::valid`] does.
    #[must_use]
    pub fn quarantined(&self) -> DataFrame {
        self.quarantined.clone()
    }

    /// Counts, in one pass over the input, with up to `examples` examples for each rule: see
    /// [`QualityReport`]. Rules of [`Action::Fail`] are counted like the others.
    ///
    /// # Errors
    /// What the query reports.
    pub async fn report(&self, examples: u32) -> Result<QualityReport> {
        report::compute(&self.rules, &self.rows, examples).await
    }
}

/// The names of the rules whose action is `wanted`.
fn names(rules: &Expectations, wanted: impl Fn(Action) -> bool) -> Vec<String> {
    let wanted = rules.rules.iter().filter(|rule| wanted(rule.action));
    wanted.map(|rule| rule.name.clone()).collect()
}

/// `rows` with their broken rules in column [`BROKEN`].
fn flag(rules: &Expectations, rows: DataFrame) -> Result<DataFrame> {
    let conditions = rules.rules.iter().map(|rule| rule.condition.clone());
    let specs: Vec<RowRule> = rules
        .rules
        .iter()
        .map(|rule| RowRule {
            name: rule.name.clone(),
            fails: rule.action == Action::Fail,
        })
        .collect();
    let failing: Vec<_> = rules
        .rules
        .iter()
        .filter(|rule| rule.action == Action::Fail)
        .collect();
    // Only an error of such a rule shows a row.
    let row = if failing.is_empty() {
        lit(ScalarValue::Null)
    } else {
        rules.example(failing, &rows)
    };
    rows.with_column(BROKEN, broken_rules(&specs, row, conditions.collect())?)
}

fn broken_any(names: &[String]) -> Expr {
    array_has_any(
        col(BROKEN),
        make_array(names.iter().map(|name| lit(name.clone())).collect()),
    )
}

fn quarantine(
    rules: &Expectations,
    quarantines: &[String],
    flagged: DataFrame,
) -> Result<DataFrame> {
    // The first rule that puts the row here says why.
    let first = |text: &dyn Fn(&Expectation) -> String| {
        let cases = rules
            .rules
            .iter()
            .filter(|rule| quarantines.contains(&rule.name))
            .map(|rule| {
                let broken = array_has(col(BROKEN), lit(rule.name.clone()));
                (Box::new(broken), Box::new(lit(text(rule))))
            })
            .collect::<Vec<_>>();
        if cases.is_empty() {
            return lit(ScalarValue::Utf8(None));
        }
        Expr::Case(Case::new(None, cases, None))
    };
    let rows = if quarantines.is_empty() {
        flagged.filter(lit(false))?
    } else {
        flagged.filter(broken_any(quarantines))?
    };
    rows.with_column(ADDED[0], first(&|rule| rule.name.clone()))?
        .with_column(ADDED[1], col(BROKEN))?
        .with_column(ADDED[2], first(&Expectation::reason_text))?
        .drop([BROKEN])
}
