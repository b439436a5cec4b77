//! Adds up silver's orders by day and product category.
//!
//! What the job guarantees:
//! - every row of silver in the range is in exactly one row of gold, also when the product dimension
//!   does not know its product; counts and revenue are read back from gold and must agree with silver;
//! - a dimension that would double or hide rows (a product_id twice, a null one) is refused before
//!   anything is written;
//! - a second run over the same silver leaves gold as the first one did, wherever the first was killed:
//!   the range is replaced in one commit;
//! - another writer of the same dates of gold is noticed, and the job starts over from silver as it is
//!   then.

mod arguments;
mod dimension;
mod gold;
mod revenue;
mod run;

use std::ffi::OsString;
use std::process::ExitCode;

pub use arguments::Arguments;
pub use gold::Gold;
pub use run::run;

/// The job's name, in its outcome.
pub const NAME: &str = "silver_to_gold";

/// The job as a program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::program::main(
        arguments,
        |arguments: &Arguments| arguments.max_runtime,
        run,
    )
}
