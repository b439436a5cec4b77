//! Drains Kafka topics into a bronze Delta table: every record, as it was, exactly once.
//!
//! The rows are the records: where they stand in Kafka, when they were written, their key and value
//! as text where they are text and as bytes where they are not. Nothing is parsed and nothing is
//! dropped, so everything after can be computed again from here. Asked to, the job decodes values into columns; what cannot be decoded
//! is a dead letter with all its bytes, or the end of the job.

mod arguments;
mod columns;
mod decoding;
mod drained;
mod dry_run;
mod run;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use weir::QueryListener;

pub use arguments::{Arguments, ValueAs};
pub use decoding::{Format, OnBreaking};
pub use drained::Drained;
pub use run::run;

/// The job's name, in its outcome.
pub const NAME: &str = "kafka_to_bronze";

/// The job as a program. `listeners` hear the query's events (tests use them to stop it at a step).
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    listeners: Vec<Arc<dyn QueryListener>>,
) -> ExitCode {
    crate::program::main(
        arguments,
        |arguments: &Arguments| arguments.max_runtime,
        |arguments, stop| run(arguments, stop, listeners),
    )
}
