//! The job's command line.

use chrono::{DateTime, Utc};
use clap::{Parser, ValueEnum};
use weir::{Error, Result};

use crate::value::{look_up, resolve_pair};

/// Check a Delta table against a suite of expectations, and report.
///
/// The last line on stdout is the outcome as JSON. Exit codes: 0 no check of severity error failed,
/// 1 failed (also when a check could not be evaluated), 2 usage (the suite included), 3 a check of
/// severity error failed, 75 store out of reach (worth retrying), 143 stopped by a signal.
///
/// A value may be @env:NAME or @file:PATH (numbers and choices may not).
#[derive(Debug, Clone, Parser)]
// --version is the table's here.
#[command(name = "check_table", verbatim_doc_comment)]
pub struct Arguments {
    /// The table: a directory, or a URL (file://, s3://).
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub table: String,

    /// The suite: a file that ends in .yaml, .yml or .toml.
    #[arg(long, value_name = "FILE", value_parser = look_up)]
    pub suite: String,

    /// The table's version to check [default: the newest]. All checks see one version.
    #[arg(long, value_name = "N")]
    pub version: Option<u64>,

    /// A Delta table the report is appended to; made if it is not there.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub report: Option<String>,

    /// How the report is printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,

    /// The time that is now for freshness and now() in SQL, RFC 3339 [default: when the job starts].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub as_of: Option<DateTime<Utc>>,

    /// A setting of the session.
    #[arg(long, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,
}

/// How `--output` prints the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// One line of JSON, before the outcome.
    Json,
}

impl Arguments {
    /// The session's settings.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that cannot be resolved.
    pub fn settings(&self) -> Result<Vec<(String, String)>> {
        let pairs = self.conf.iter();
        pairs.map(|pair| resolve_pair("--conf", pair)).collect()
    }
}

fn parse_time(text: &str) -> Result<DateTime<Utc>> {
    let text = look_up(text)?;
    match DateTime::parse_from_rfc3339(text.trim()) {
        Ok(time) => Ok(time.with_timezone(&Utc)),
        Err(_) => Err(Error::invalid_argument(
            "it takes a time like 2026-01-31T00:00:00Z",
        )),
    }
}
