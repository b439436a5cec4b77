//! Row rules: which rows are good enough, what happens to the others, and how many there were.
//!
//! ```no_run
//! use weir::prelude::*;
//! use weir::quality::{Action, Expectation, Expectations};
//!
//! # async fn job(orders: weir::DataFrame) -> weir::Result<()> {
//! let rules = Expectations::new([
//!     Expectation::new("has_id", col("order_id").is_not_null()).action(Action::Quarantine),
//!     Expectation::new("amount_not_negative", col("amount").gt_eq(lit(0))).action(Action::Drop),
//!     Expectation::new("known_country", col("country").is_not_null()),
//! ]);
//! let checked = rules.apply(orders)?;
//! checked.valid().write().format("delta").save("/lake/silver/orders").await?;
//! checked.quarantined().write().format("delta").save("/lake/quarantine/orders").await?;
//! println!("{}", checked.report(5).await?);
//! # Ok(())
//! # }
//! ```
//!
//! Of a stream, the same rules are given to the writer ([`DataStreamWriter::expectations`](crate::DataStreamWriter::expectations)), which
//! tells its rows apart as it writes them: what breaks a rule of [`Action::Quarantine`] becomes a dead letter.
//!
//! What the module guarantees:
//! - a rule is kept only where its condition is true: false and null both break it. That is what the
//!   CHECK constraints of Delta tables do (the protocol's "CHECK Constraints": the expression must
//!   return `true` for every row), and what `EXPECT ... ON VIOLATION DROP ROW` does;
//! - the rows of the input are those of `valid`, those of `quarantined` and those dropped: each is in
//!   exactly one of them;
//! - each condition is computed once per row and query, and so is what it is computed from.

mod apply;
mod expectation;
mod report;
mod stream;
#[cfg(test)]
mod tests;

pub use apply::Checked;
pub use expectation::{Action, Expectation, Expectations};
pub use report::{QualityReport, RuleReport};
pub(crate) use stream::{RulesOf, ruled};
pub use weir_plan::dead_letters::ErrorType;
pub use weir_plan::functions::examples;
