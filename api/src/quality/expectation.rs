//! Rules and what to do about rows that break them.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use weir_plan::dead_letters::ErrorType;
use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

use super::apply::Checked;
use crate::dataframe::DataFrame;
use crate::functions::col;

pub use weir_plan::dead_letters::Action;

/// A named rule of a row.
#[derive(Debug, Clone)]
pub struct Expectation {
    pub(super) name: String,
    pub(super) condition: Expr,
    pub(super) action: Action,
    reason: Option<String>,
    pub(super) error_type: ErrorType,
    pub(super) message: Option<Expr>,
}

impl Expectation {
    /// The rule that `condition` is true; broken, a row is only counted ([`Action::Warn`], as by
    /// `@dlt.expect`).
    #[must_use]
    pub fn new(name: impl Into<String>, condition: Expr) -> Self {
        Self {
            name: name.into(),
            condition,
            action: Action::default(),
            reason: None,
            error_type: ErrorType::default(),
            message: None,
        }
    }

    /// The rule that a record could be decoded: `error` is null, the column in which a permissive decoder says why it could not
    /// (`columnNameOfError`, or the corrupt record itself). The letter of one that could not be has error type
    /// [`ErrorType::SchemaViolation`] and that text for its message.
    #[must_use]
    pub fn decoded(name: impl Into<String>, error: Expr) -> Self {
        Self::new(name, error.clone().is_null())
            .error_type(ErrorType::SchemaViolation)
            .message(error)
            .reason("the record cannot be decoded")
    }

    /// What happens to a row that breaks it.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    /// What column `reason` of a quarantined row says, instead of the condition.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// What a dead letter says is wrong with it; [`ErrorType::SemanticError`] unless set.
    #[must_use]
    pub fn error_type(mut self, error_type: ErrorType) -> Self {
        self.error_type = error_type;
        self
    }

    /// A text of the row's own that its dead letter has for a message; where it is null, the reason is.
    #[must_use]
    pub fn message(mut self, message: Expr) -> Self {
        self.message = Some(message);
        self
    }

    pub(super) fn reason_text(&self) -> String {
        match &self.reason {
            Some(reason) => reason.clone(),
            None => format!("not true: {}", self.condition.human_display()),
        }
    }
}

/// Rules of the rows of one dataframe.
#[derive(Debug, Clone)]
pub struct Expectations {
    pub(super) rules: Vec<Expectation>,
    identified_by: Vec<String>,
}

impl Expectations {
    /// The rules, in the order in which they are reported.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = Expectation>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            identified_by: Vec::new(),
        }
    }

    /// Columns that examples show, beside those that the rule is about.
    #[must_use]
    pub fn identified_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.identified_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The rules over `rows`. Nothing is computed before one of the results is written or counted.
    ///
    /// # Errors
    /// `InvalidArgument` without rules, and for a name that is empty or given twice; `InvalidPlan`
    /// for a condition that is no boolean or names a column that does not exist, and for rows that
    /// have a column `rule`, `rules` or `reason` already when a rule puts rows into quarantine.
    pub fn apply(&self, rows: DataFrame) -> Result<Checked> {
        self.check(&rows)?;
        Checked::new(self.clone(), rows)
    }

    /// The columns of an example of `rules`: what identifies a row, and what the rules look at.
    pub(super) fn example<'a>(
        &self,
        rules: impl IntoIterator<Item = &'a Expectation>,
        rows: &DataFrame,
    ) -> Expr {
        let seen: BTreeSet<&str> = rules
            .into_iter()
            .flat_map(|rule| rule.condition.column_refs())
            .map(|column| column.name.as_str())
            .collect();
        let mut names = self.identified_by.clone();
        // In the order of the rows' columns, not of a set.
        names.extend(
            rows.columns()
                .into_iter()
                .filter(|name| seen.contains(name.as_str()) && !self.identified_by.contains(name)),
        );
        if names.is_empty() {
            // A condition without a column; an empty struct is no struct to DataFusion.
            names.extend(rows.columns().into_iter().take(1));
        }
        named_struct(
            names
                .into_iter()
                .flat_map(|name| [lit(name.clone()), col(name)])
                .collect(),
        )
    }

    pub(super) fn check(&self, rows: &DataFrame) -> Result<()> {
        if self.rules.is_empty() {
            return Err(Error::invalid_argument(
                "there is no rule to apply; give at least one expectation",
            ));
        }
        let columns = rows.columns();
        let unknown = |name: &str| {
            let hint = did_you_mean(name, columns.iter().map(String::as_str));
            Error::invalid_plan(format!("no column {name:?}{hint}"))
        };
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            let place = format!("rule {:?}", rule.name);
            if rule.name.trim().is_empty() {
                return Err(Error::invalid_argument("a rule has no name"));
            }
            if !names.insert(rule.name.as_str()) {
                return Err(Error::invalid_argument(format!(
                    "{place} is there twice; give each rule a name of its own"
                )));
            }
            for column in rule.condition.column_refs() {
                if !columns.contains(&column.name) {
                    return Err(unknown(&column.name).context(place));
                }
            }
            let found = rule.condition.get_type(rows.schema());
            match found.map_err(|error| Error::from(error).context(&place))? {
                DataType::Boolean => {}
                other => {
                    return Err(Error::invalid_plan(format!(
                        "{place} is of type {other}; it takes a condition"
                    )));
                }
            }
        }
        match self
            .identified_by
            .iter()
            .find(|name| !columns.contains(name))
        {
            Some(name) => Err(unknown(name).context("identified_by")),
            None => Ok(()),
        }
    }
}
