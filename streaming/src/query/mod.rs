//! A streaming query: the micro-batch loop, and the handle by which a program holds it.

mod batch;
mod dry_run;
mod evolving;
mod handle;
mod offset_committer;
mod run;
mod sink_check;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::logical_expr::LogicalPlan;
use weir_plan::StreamSink;

use crate::contract::Contract;
use crate::progress::QueryListener;
use crate::runner::BatchRunner;
use crate::store::CheckpointStore;
use crate::trigger::Trigger;

pub use dry_run::DryRun;
pub use evolving::EvolvingRows;
pub use handle::{QuerySummary, StreamingQuery};

/// Where the runtime gets the time from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Everything a query is started with.
pub struct QuerySpec {
    /// A name for progress and logs.
    pub name: Option<String>,
    /// The dataframe's plan, over [`StreamTable`](weir_plan::StreamTable)s.
    pub plan: LogicalPlan,
    /// What makes the plan of each batch; `plan` is then that of a batch that is planned as the query starts.
    pub evolving: Option<Arc<dyn EvolvingRows>>,
    /// The rules of its rows; then the plan's last column tells rows apart.
    pub contract: Option<Contract>,
    /// Where its rows go.
    pub sink: Arc<dyn StreamSink>,
    /// Its checkpoint.
    pub checkpoint: Arc<dyn CheckpointStore>,
    /// When it looks for records, and when it ends.
    pub trigger: Trigger,
    /// How many batches the checkpoint's logs keep.
    pub retain_batches: u64,
    /// Who hears its events.
    pub listeners: Vec<Arc<dyn QueryListener>>,
    /// Who runs its plans.
    pub runner: Arc<dyn BatchRunner>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for QuerySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuerySpec")
            .field("name", &self.name)
            .field("sink", &self.sink)
            .field("checkpoint", &self.checkpoint)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}
