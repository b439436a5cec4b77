//! From what was measured to whether a check holds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use weir::Result;

use super::suite::{Check, Kind, Severity};

/// How many rows that break a check are shown.
pub(super) const EXAMPLES: u32 = 5;

/// What a check saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measured {
    /// The rows it is about.
    pub(super) rows: Option<u64>,
    /// Those that break it; none for a check of the whole table.
    pub(super) broken: Option<u64>,
    /// What it found, for people.
    pub(super) observed: Option<String>,
    /// Rows that break it, as JSON.
    pub(super) examples: Vec<String>,
    /// The latest time, of a freshness check.
    pub(super) latest: Option<DateTime<Utc>>,
}

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Passed,
    Failed,
    /// It could not be evaluated.
    Error,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }
}

/// A check's result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) type_name: &'static str,
    pub(super) columns: Vec<String>,
    pub(super) severity: Severity,
    pub(super) status: Status,
    pub(super) measured: Measured,
    /// Why it failed, or could not be evaluated.
    pub(super) message: Option<String>,
}

impl Judged {
    /// The part of its rows that break it.
    pub(super) fn fraction(&self) -> Option<f64> {
        let (rows, broken) = (self.measured.rows?, self.measured.broken?);
        // Of no rows none are broken.
        Some(if rows == 0 {
            0.0
        } else {
            broken as f64 / rows as f64
        })
    }
}

/// `check` over what it measured; a failed measurement is no verdict.
pub(super) fn judge(check: &Check, measured: Result<Measured>, as_of: DateTime<Utc>) -> Judged {
    let (status, message, measured) = match measured {
        Err(error) => (Status::Error, Some(error.to_string()), Measured::default()),
        Ok(measured) => match fault(check, &measured, as_of) {
            Some(fault) => (Status::Failed, Some(fault), measured),
            None => (Status::Passed, None, measured),
        },
    };
    Judged {
        name: check.name.clone(),
        type_name: check.kind.type_name(),
        columns: check.kind.columns().to_vec(),
        severity: check.severity,
        status,
        measured,
        message,
    }
}

fn fault(check: &Check, measured: &Measured, as_of: DateTime<Utc>) -> Option<String> {
    let rows = measured.rows.unwrap_or_default();
    match &check.kind {
        Kind::RowCount { min, max } => match (min, max) {
            (Some(min), _) if rows < *min => Some(format!("{rows} rows, fewer than {min}")),
            (_, Some(max)) if rows > *max => Some(format!("{rows} rows, more than {max}")),
            _ => None,
        },
        Kind::Freshness { column, max_age } => {
            let Some(latest) = measured.latest else {
                return Some(format!("no row has a {column}"));
            };
            // What lies ahead is not old.
            let age = (as_of - latest).to_std().unwrap_or(Duration::ZERO);
            (age > *max_age)
                .then(|| format!("{} s old, more than {} s", age.as_secs(), max_age.as_secs()))
        }
        _ => {
            let broken = measured.broken.unwrap_or_default();
            (!check.allowed.permits(broken, rows)).then(|| format!("{broken} of {rows} rows"))
        }
    }
}
