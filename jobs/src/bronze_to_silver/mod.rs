//! Makes typed, checked and deduplicated silver rows of one day's load of bronze records.
//!
//! What the job guarantees:
//! - every bronze row of the load is in silver, is a duplicate of a row there, or is in quarantine with
//!   the rule it breaks; the counts are read back from the tables and must add up;
//! - a second run over the same load leaves the tables as the first one did, wherever the first was
//!   killed: each table changes in one commit that replaces what the load touches;
//! - another writer of silver, or of the load's quarantine, is noticed, and the job starts over.
//!
//! A row that lost its place stays lost within the look-back: see `settle`.

mod arguments;
mod entity;
mod layered;
mod run;
mod settle;

use std::ffi::OsString;
use std::process::ExitCode;

pub use arguments::Arguments;
pub use entity::Entity;
pub use layered::Layered;
pub use run::run;

/// The job's name, in its outcome.
pub const NAME: &str = "bronze_to_silver";

/// The job as a program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::program::main(
        arguments,
        |arguments: &Arguments| arguments.max_runtime,
        run,
    )
}
