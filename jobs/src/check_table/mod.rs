//! Checks a Delta table against a suite of expectations, and reports.
//!
//! What the job guarantees:
//! - every check of a run sees one version of the table, which the report names;
//! - the checks of single rows cost one pass over the table together; `unique` and `references` one
//!   query each;
//! - a check that cannot be evaluated (its column is of a type it does not take, its SQL fails on a
//!   row) does not pass: its status is `error`, the others are evaluated and reported all the same,
//!   and the job fails. So does Great Expectations, where a validation goes on after an exception and
//!   the check that raised it has `success: false`.

mod arguments;
mod conditions;
mod judge;
mod key_checks;
mod report;
mod row_checks;
mod run;
mod stream;
mod suite;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

pub use arguments::{Arguments, Output};
pub use run::{Summary, run};
pub(crate) use stream::expectations;
pub(crate) use suite::Suite;

/// The job's name, in its outcome.
pub const NAME: &str = "check_table";

/// The job as a program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::program::main(arguments, |_: &Arguments| None, run)
}
