//! What a query demands of its rows, and what becomes of those that do not keep it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use serde::Serialize;
use tracing::warn;
use weir_plan::dead_letters::{Action, CheckCounts, LetterRule, LetterSink, rows_schema};
use weir_plan::{Diverted, Error, ErrorKind, Result};

/// The part of a batch's rows that may be dead letters before that is more than a few bad records: 0.1%.
pub const MAX_DLQ_RATE: f64 = 0.001;

/// The rules of a query's rows; the last column of its plan is [`LETTER`](weir_plan::dead_letters::LETTER).
#[derive(Debug, Clone)]
pub struct Contract {
    /// The rules, in order.
    pub rules: Vec<LetterRule>,
    /// Where dead letters go; some rule of [`Action::Quarantine`] makes them.
    pub letters: Option<Arc<dyn LetterSink>>,
    /// The part of a batch's rows, from 0 to 1, of which more are too many.
    pub max_rate: f64,
    /// What happens then.
    pub over_rate: OverRate,
}

/// What happens to a batch of which more rows are dead letters than `maxDlqRate` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OverRate {
    /// It is committed; log, progress and summary say so.
    #[default]
    Warn,
    /// The query fails, and nothing of the batch is committed: neither rows nor letters.
    Fail,
}

impl FromStr for OverRate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim().to_lowercase().as_str() {
            "warn" => Ok(Self::Warn),
            "fail" => Ok(Self::Fail),
            _ => Err(Error::invalid_argument(format!(
                "{text:?} is not known; it takes warn or fail"
            ))),
        }
    }
}

impl Contract {
    /// The rules, checked against the place their letters go to.
    ///
    /// # Errors
    /// `InvalidArgument` for letters without a place to go, and for a place without rules that make letters.
    pub fn check(&self) -> Result<()> {
        let quarantines = |rule: &&LetterRule| rule.action == Action::Quarantine;
        match (self.rules.iter().find(quarantines), &self.letters) {
            (Some(rule), None) => Err(Error::invalid_argument(format!(
                "rule {:?} makes dead letters, and there is no place for them: set option \"dlqTable\" or \"dlqTopic\", or give it \
                 another action",
                rule.name
            ))),
            (None, Some(letters)) => Err(Error::invalid_argument(format!(
                "there is a place for dead letters, {}, and no rule makes any: give a rule the action quarantine",
                letters.location()
            ))),
            _ => Ok(()),
        }
    }

    /// The part of the rows that are letters.
    pub(crate) fn rate(diverted: &Diverted) -> f64 {
        match diverted.counts.rows {
            0 => 0.0,
            rows => diverted.rows as f64 / rows as f64,
        }
    }

    pub(crate) fn is_over(&self, diverted: &Diverted) -> bool {
        Self::rate(diverted) > self.max_rate
    }

    /// Called before a batch is prepared.
    ///
    /// # Errors
    /// `Compute` when too many rows are letters and the query is to fail then.
    pub(crate) fn check_rate(&self, diverted: &Diverted) -> Result<()> {
        if self.over_rate == OverRate::Warn || !self.is_over(diverted) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Compute,
            format!(
                "{}; nothing of it was committed, and the next start runs it again: correct the producer or the rules, or raise \
                 option \"maxDlqRate\"",
                self.too_many(diverted)
            ),
        ))
    }

    /// Says of a closed batch that too many of its rows were letters.
    pub(crate) fn warn_if_over(&self, batch: weir_plan::BatchId, diverted: &Diverted) {
        if self.is_over(diverted) {
            warn!(%batch, dead_letters = diverted.rows, "{}", self.too_many(diverted));
        }
    }

    fn too_many(&self, diverted: &Diverted) -> String {
        let counts = &diverted.counts;
        let most = counts.rules.values().max_by_key(|count| count.failed);
        let example = most.and_then(|count| count.example.as_deref());
        format!(
            "{} of {} rows of the batch are dead letters, more than maxDlqRate allows ({}): {}; such as {}",
            diverted.rows,
            counts.rows,
            Percent(self.max_rate),
            counts.shown(),
            example.unwrap_or("none that is known"),
        )
    }

    /// Refuses a batch whose letters were prepared for another place than this query's.
    ///
    /// # Errors
    /// `CheckpointMismatch`, naming both.
    pub(crate) fn sink_of<'a>(
        contract: Option<&'a Self>,
        diverted: &Diverted,
        batch: weir_plan::BatchId,
    ) -> Result<Option<&'a Arc<dyn LetterSink>>> {
        if diverted.files.is_empty() {
            return Ok(None);
        }
        let own = contract.and_then(|contract| contract.letters.as_ref());
        match own {
            Some(letters) if letters.location() == diverted.location => Ok(Some(letters)),
            own => Err(Error::new(
                ErrorKind::CheckpointMismatch,
                format!(
                    "batch {batch} was prepared with {} dead letters for {}, and this start has {}; start it once with that place to \
                     finish the batch",
                    diverted.rows,
                    diverted.location,
                    own.map_or_else(|| "no place for them".to_owned(), |own| own.location()),
                ),
            )),
        }
    }

    /// One entry per rule, those of `counts` that are rules no more at the end.
    pub(crate) fn rule_progress(
        contract: Option<&Self>,
        counts: &CheckCounts,
    ) -> Vec<RuleProgress> {
        let rules = contract.map_or(&[][..], |contract| &contract.rules);
        let own = rules
            .iter()
            .map(|rule| (rule.name.clone(), Some(rule.action)));
        let gone = counts.rules.keys();
        let gone = gone.filter(|name| !rules.iter().any(|rule| rule.name == **name));
        own.chain(gone.map(|name| (name.clone(), None)))
            .map(|(name, action)| {
                let count = counts.rules.get(&name).cloned().unwrap_or_default();
                RuleProgress {
                    name,
                    action,
                    passed: counts.rows.saturating_sub(count.failed),
                    failed: count.failed,
                    example: count.example,
                }
            })
            .collect()
    }
}

/// The schema of the rows that a sink is given: those of `plan`, told apart by `contract`.
pub(crate) fn written_schema(plan: &LogicalPlan, contract: Option<&Contract>) -> Result<SchemaRef> {
    let schema = plan.schema().inner();
    match contract {
        None => Ok(Arc::clone(schema)),
        Some(_) => Ok(Arc::new(rows_schema(schema)?)),
    }
}

/// What the rules of a batch found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectationsProgress {
    /// Rows that were looked at: written, dead letters and dropped ones.
    pub num_checked_rows: u64,
    /// Rows that are dead letters.
    pub num_dead_letter_rows: u64,
    /// Rows left out.
    pub num_dropped_rows: u64,
    /// The part of the rows that are dead letters, from 0 to 1.
    pub dead_letter_rate: f64,
    /// Whether that is more than `maxDlqRate`.
    pub over_max_dlq_rate: bool,
    /// Where dead letters go, if anywhere.
    pub dead_letters: Option<String>,
    /// One entry per rule.
    pub rules: Vec<RuleProgress>,
}

/// One rule over the rows of a batch, or of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleProgress {
    /// Its name.
    pub name: String,
    /// What happens to a row that breaks it; null for a rule of an earlier start that is none any more.
    pub action: Option<Action>,
    /// Rows for which it is true.
    pub passed: u64,
    /// Rows for which it is false or null.
    pub failed: u64,
    /// One of them: the place of its record, and what is wrong with it.
    pub example: Option<String>,
}

impl ExpectationsProgress {
    pub(crate) fn new(contract: Option<&Contract>, diverted: &Diverted) -> Self {
        Self {
            num_checked_rows: diverted.counts.rows,
            num_dead_letter_rows: diverted.rows,
            num_dropped_rows: diverted.counts.dropped,
            dead_letter_rate: Contract::rate(diverted),
            over_max_dlq_rate: contract.is_some_and(|contract| contract.is_over(diverted)),
            dead_letters: Some(diverted.location.clone()).filter(|place| !place.is_empty()),
            rules: Contract::rule_progress(contract, &diverted.counts),
        }
    }
}

/// A part of one, as a percentage.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As short as it is exact to a millionth: 0.1%.
        let text = format!("{:.4}", self.0 * 100.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(over_rate: OverRate) -> Contract {
        Contract {
            rules: Vec::new(),
            letters: None,
            max_rate: MAX_DLQ_RATE,
            over_rate,
        }
    }

    fn diverted(letters: u64, rows: u64) -> Diverted {
        let mut diverted = Diverted {
            rows: letters,
            ..Diverted::default()
        };
        diverted.counts.rows = rows;
        let count = diverted.counts.rules.entry("given".to_owned());
        let count = count.or_default();
        count.failed = letters;
        count.example = Some("orders-0@7: missing".to_owned());
        diverted
    }

    #[test]
    fn rate_is_over_only_beyond_the_limit_and_fails_only_if_asked_to() {
        assert!(!contract(OverRate::Warn).is_over(&diverted(1, 1000)));
        assert!(contract(OverRate::Warn).is_over(&diverted(2, 1000)));
        assert!(!contract(OverRate::Warn).is_over(&diverted(0, 0)));
        contract(OverRate::Warn)
            .check_rate(&diverted(9, 9))
            .unwrap();
        contract(OverRate::Fail)
            .check_rate(&diverted(1, 1000))
            .unwrap();
        let error = contract(OverRate::Fail).check_rate(&diverted(2, 1000));
        let error = error.unwrap_err().to_string();
        for part in ["2 of 1000", "0.1%", "given 2", "orders-0@7: missing"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn batch_prepared_for_another_place_is_not_finished_here() {
        let mut diverted = diverted(1, 1);
        diverted.location = "delta file:///dlq".to_owned();
        assert!(
            Contract::sink_of(None, &diverted, weir_plan::BatchId(3))
                .unwrap()
                .is_none()
        );
        diverted.files.push("a file".to_owned());
        let error = Contract::sink_of(None, &diverted, weir_plan::BatchId(3)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckpointMismatch, "{error}");
        assert!(error.to_string().contains("file:///dlq"), "{error}");
    }
}
