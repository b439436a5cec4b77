//! Rows of a stream that break a rule: how they are found, counted and kept as dead letters, in the one pass that writes the others.
//!
//! ```text
//!  source ── record (topic .. headers), carried beside the rows ──▶ last projection: the rows, and one column more,
//!                                                                    letter = { record, broken rules, messages }
//!  write task: Diversion::sort(batch) ──▶ rows ──▶ files of the table
//!                                    └──▶ letters ──▶ files of the dead letters     (+ counts, all in one manifest)
//! ```
//!
//! What the module guarantees:
//! - a row that was read is written, is a dead letter, or is dropped by a rule that says so, and is counted as such;
//! - a letter holds its record as it came: key, value and headers byte for byte;
//! - the same batch gives the same letters whenever it runs: their time is the batch's.

mod carry;
mod counts;
mod letter;
mod rules;
mod sink;
mod sort;

pub use carry::{carry_record, letter_column};
pub use counts::{CheckCounts, RuleCount};
pub use letter::{LETTER_COLUMNS, header, letters_schema};
pub use rules::{Action, ErrorType, LetterRule};
pub use sink::LetterSink;
pub use sort::{Diversion, LETTER, Sorted, rows_schema};
