//! A session on executors: plans are cut into stages, whose tasks run in other processes.
//!
//! The session's own process coordinates: it cuts the plan, sends each task to an executor, takes the
//! rows of the last stage, and commits. Nothing else has to be told when it dies: its connections end,
//! and its tasks with them.
//!
//! Executors are processes that the session starts (`local-cluster`), or those of a driver (`weir://`), which
//! tells the session whose executors come and go, and when it is a query's turn.
//!
//! *Recovery is by query.* A query that lost an executor is run again, whole, on those that live, a
//! bounded number of times; rows reach the user or a sink from one complete attempt only.

mod attachment;
mod executors;
mod leaves;
mod local;
mod merge;
mod metrics;
mod partitions;
mod planning;
mod recovery;
mod routing;
mod whole;

pub(super) use attachment::{Turn, attach};
pub use executors::ExecutorAddress;
pub(super) use executors::Executors;
pub(super) use local::start_local;
pub(crate) use metrics::with_task_metrics;
pub(super) use planning::{begin_when_memory_is_released, distribute, set_batch_rows};
pub(super) use recovery::complete;
pub(super) use routing::choose_first_executor;
