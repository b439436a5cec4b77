//! How a job ends: one line of JSON, last on stdout, and an exit code.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use weir::program::{complain, print_line};
use weir::{Error, ErrorKind, exit_code};

/// Why a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything is done; there may have been nothing to do.
    Succeeded,
    /// What would be done was printed.
    DryRun,
    /// See the error.
    Failed,
    /// SIGTERM or SIGINT.
    Stopped,
    /// `--max-runtime` passed.
    TimedOut,
    /// A check of severity `error` failed.
    ChecksFailed,
    /// Everything is done, and of some batch more records are dead letters than there may be.
    TooManyDeadLetters,
}

/// What a job's result line says beside how it ended; its field names are an interface: they do not
/// change.
pub trait Details: Serialize + Default {
    /// The job's name.
    const JOB: &'static str;
}

/// A job's result line.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome<D> {
    /// The job's name.
    pub job: &'static str,
    /// Why it ended.
    pub status: Status,
    /// What failed.
    pub error: Option<Failure>,
    /// What it did.
    #[serde(flatten)]
    pub details: D,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
}

/// An error in an [`Outcome`].
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Its kind ([`ErrorKind::as_str`]).
    pub kind: &'static str,
    /// Its text.
    pub message: String,
}

impl<D: Details> Outcome<D> {
    /// The outcome of a job that did `details`.
    #[must_use]
    pub fn new(status: Status, details: D) -> Self {
        Self {
            job: D::JOB,
            status,
            error: None,
            details,
            duration_ms: 0,
        }
    }

    /// The outcome of a job that has done nothing yet.
    #[must_use]
    pub fn empty(status: Status) -> Self {
        Self::new(status, D::default())
    }

    /// The outcome of a job that failed with `error`.
    #[must_use]
    pub fn failed(error: &Error) -> Self {
        let mut outcome = Self::empty(Status::Failed);
        outcome.error = Some(Failure {
            kind: error.kind().as_str(),
            message: error.to_string(),
        });
        outcome
    }

    /// Prints the line, or complains that it cannot; what was done stays done, so the caller exits
    /// with [`Self::exit_code`] either way.
    pub fn print(mut self, took: Duration) -> Self {
        self.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let printed = serde_json::to_string(&self)
            .map_err(|error| Error::internal("cannot encode the result").with_source(error))
            .and_then(print_line);
        if let Err(error) = printed {
            complain(format_args!("error: {error}"));
        }
        self
    }

    /// 0 done, 1 failed, 2 usage, 3 a check of severity `error` failed or too many records are dead letters, 4 data loss, 75 worth
    /// retrying, 124 `--max-runtime` passed, 143 stopped by SIGTERM.
    #[must_use]
    pub fn exit_code(&self, kind: Option<ErrorKind>) -> ExitCode {
        ExitCode::from(match self.status {
            Status::Succeeded | Status::DryRun => 0,
            Status::Failed => kind.map_or(1, exit_code),
            Status::ChecksFailed | Status::TooManyDeadLetters => 3,
            Status::Stopped => 143,
            Status::TimedOut => 124,
        })
    }
}
