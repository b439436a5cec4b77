//! When a query looks for new records, and when it ends.

use std::time::Duration;

/// Spark's triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Everything that is there when the query starts, in batches within the source's limits; then
    /// the query ends.
    AvailableNow,
    /// One batch of everything that is there, without regard to limits; then the query ends.
    Once,
    /// A batch every interval (at once if the last one took longer), until the query is stopped.
    ProcessingTime(Duration),
}
