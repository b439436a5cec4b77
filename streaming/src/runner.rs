//! Who runs a batch's plan: in process, or on a cluster. The runtime does not know which.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use weir_plan::Result;

/// One execution of a plan.
#[derive(Debug, Clone)]
pub struct BatchJob {
    /// The plan, with a write at its root.
    pub plan: LogicalPlan,
    /// The time `current_timestamp()` and `current_date()` have in it: a batch that runs again
    /// sees the time it was planned at.
    pub timestamp: DateTime<Utc>,
}

/// What came out of a complete execution.
#[derive(Debug, Clone, Default)]
pub struct BatchOutput {
    /// The rows of the plan's root: a write's manifest.
    pub rows: Vec<RecordBatch>,
    /// Records read from streaming sources
    /// ([`STREAM_INPUT_ROWS`](weir_plan::STREAM_INPUT_ROWS) over all nodes).
    pub input_rows: u64,
}

/// Runs plans. Dropping the future of [`run`](Self::run) cancels the execution.
#[async_trait]
pub trait BatchRunner: Debug + Send + Sync {
    /// Runs `job` to its end.
    ///
    /// # Errors
    /// Whatever its nodes report; the rows of a failed attempt are never returned.
    async fn run(&self, job: BatchJob) -> Result<BatchOutput>;

    /// `plan` of a batch of a stream, whose other tables are to be read as they are now. Of tables that do not change, the same.
    ///
    /// # Errors
    /// What reading their logs reports, and `InvalidPlan` when they do not fit the plan any more.
    async fn refresh(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        Ok(plan)
    }
}
