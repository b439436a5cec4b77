//! Makes sessions of silver's clicks: a user's clicks without a long gap between them.
//!
//! What the job guarantees:
//! - a session belongs to the day it starts on (UTC) and is whole, however many days it runs on;
//! - an event of the day is in exactly one session: one of the day's, or one that began before; the counts
//!   are compared with silver and with the table read back, and must add up;
//! - a second run over the same silver leaves the table as the first one did, wherever the first was
//!   killed: the day is replaced in one commit;
//! - another writer of the same day is noticed, and the job starts over from silver as it is then.

mod arguments;
mod gap;
mod run;
mod sessionized;
mod sessions;

use std::ffi::OsString;
use std::process::ExitCode;

pub use arguments::Arguments;
pub use gap::Gap;
pub use run::run;
pub use sessionized::Sessionized;

/// The job's name, in its outcome.
pub const NAME: &str = "sessionize";

/// The job as a program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::program::main(
        arguments,
        |arguments: &Arguments| arguments.max_runtime,
        run,
    )
}
