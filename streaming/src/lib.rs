//! The micro-batch runtime: exactly once from replayable sources to transactional sinks.
//!
//! For every batch: `offsets/N` is logged, its tasks write files, `prepared/N` is logged, the sink
//! commits from it, `commits/N` closes it. The runtime is handed its sources, its sink, its
//! checkpoint store and a [`BatchRunner`]; it names no connector and no cluster.

mod bind;
pub mod checkpoint;
mod contract;
pub mod log;
mod progress;
mod query;
mod runner;
pub mod store;
#[cfg(test)]
mod testing;
mod trigger;

pub use contract::{Contract, ExpectationsProgress, MAX_DLQ_RATE, OverRate, RuleProgress};
pub use progress::{
    BatchStep, PhaseDurations, QueryEvent, QueryListener, QueryProgress, SinkProgress,
    SourceProgress,
};
pub use query::{
    Clock, DryRun, EvolvingRows, QuerySpec, QuerySummary, StreamingQuery, SystemClock,
};
pub use runner::{BatchJob, BatchOutput, BatchRunner};
pub use store::CheckpointStore;
pub use trigger::Trigger;
