//! How a job ends: one line of JSON, last on stdout, and an exit code.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use weir::program::{complain, print_line};
use weir::{Error, ErrorKind, QuerySummary, exit_code};

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
}

/// The result line of a streaming job. Its field names are an interface: they do not change.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The job's name.
    pub job: &'static str,
    /// Why it ended.
    pub status: Status,
    /// What failed.
    pub error: Option<Failure>,
    /// The query's id, the same over all runs on one checkpoint.
    pub query_id: Option<String>,
    /// Batches closed by this run.
    pub batches: u64,
    /// Rows written by this run.
    pub rows: u64,
    /// Where this run began: `{"topic":{"partition":offset}}`.
    pub start_offsets: Value,
    /// Where it ended, exclusive.
    pub end_offsets: Value,
    /// Records in the topics beyond that; null when it could not be found out.
    pub remaining_lag: Option<u64>,
    /// The table's version; null without a table.
    pub delta_version: Option<u64>,
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

impl Outcome {
    /// The outcome of a job that has done nothing yet.
    #[must_use]
    pub fn new(job: &'static str, status: Status) -> Self {
        Self {
            job,
            status,
            error: None,
            query_id: None,
            batches: 0,
            rows: 0,
            start_offsets: Value::Null,
            end_offsets: Value::Null,
            remaining_lag: None,
            delta_version: None,
            duration_ms: 0,
        }
    }

    /// The outcome of a job that failed with `error`.
    #[must_use]
    pub fn failed(job: &'static str, error: &Error) -> Self {
        let mut outcome = Self::new(job, Status::Failed);
        outcome.error = Some(Failure {
            kind: error.kind().as_str(),
            message: error.to_string(),
        });
        outcome
    }

    /// With what a query has done.
    #[must_use]
    pub fn with_summary(mut self, query_id: String, summary: QuerySummary) -> Self {
        self.query_id = Some(query_id);
        self.batches = summary.batches;
        self.rows = summary.output_rows;
        self.start_offsets = only(summary.start_offsets);
        self.end_offsets = only(summary.end_offsets);
        self.delta_version = summary.sink_version;
        self
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

    /// 0 done, 1 failed, 2 usage, 4 data loss, 75 worth retrying, 124 `--max-runtime` passed, 143
    /// stopped by SIGTERM.
    #[must_use]
    pub fn exit_code(&self, kind: Option<ErrorKind>) -> ExitCode {
        ExitCode::from(match self.status {
            Status::Succeeded | Status::DryRun => 0,
            Status::Failed => kind.map_or(1, exit_code),
            Status::Stopped => 143,
            Status::TimedOut => 124,
        })
    }
}

/// A job's one source.
fn only(mut offsets: Vec<Value>) -> Value {
    offsets.pop().unwrap_or(Value::Null)
}
