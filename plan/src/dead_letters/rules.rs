//! A rule as the write tasks know it: what happens to a row that breaks it, and what its letter says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::options::did_you_mean;

/// What happens to a row that breaks a rule. Of several broken rules the strictest counts: `Fail`,
/// then `Quarantine`, then `Drop`, then `Warn`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It stays; the report counts it.
    #[default]
    Warn,
    /// It is left out.
    Drop,
    /// It goes to quarantine; of a stream, to the dead letters.
    Quarantine,
    /// The query fails.
    Fail,
}

impl Action {
    const NAMES: [&'static str; 4] = ["warn", "drop", "quarantine", "fail"];

    /// Its name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Drop => "drop",
            Self::Quarantine => "quarantine",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let lower = text.to_lowercase();
        [Self::Warn, Self::Drop, Self::Quarantine, Self::Fail]
            .into_iter()
            .find(|action| action.as_str() == lower)
            .ok_or_else(|| {
                Error::invalid_argument(format!(
                    "unknown action {text:?}{}",
                    did_you_mean(&lower, Self::NAMES)
                ))
            })
    }
}

/// What is wrong with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorType {
    /// Its bytes are not of the schema: they cannot be decoded.
    SchemaViolation,
    /// It was decoded, and what it says breaks a rule.
    #[default]
    SemanticError,
    /// A value could not be computed from it.
    ComputeError,
}

impl ErrorType {
    const ALL: [Self; 3] = [
        Self::SchemaViolation,
        Self::SemanticError,
        Self::ComputeError,
    ];

    /// Its name, as it stands in a letter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SchemaViolation => "SCHEMA_VIOLATION",
            Self::SemanticError => "SEMANTIC_ERROR",
            Self::ComputeError => "COMPUTE_ERROR",
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let upper = text.to_uppercase();
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == upper);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            Error::invalid_argument(format!(
                "unknown error type {text:?}{}",
                did_you_mean(&upper, names)
            ))
        })
    }
}

/// A rule of a stream's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterRule {
    /// Its name.
    pub name: String,
    /// What happens to a row that breaks it.
    pub action: Action,
    /// What a letter says that is wrong.
    pub error_type: ErrorType,
    /// What a letter says about it, where the row has no message of its own.
    pub reason: String,
}
