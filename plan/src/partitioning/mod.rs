//! Rows in as many partitions as the user asks for (`repartition`, `coalesce`), and small partitions put together where
//! nobody has said how many there are to be.
//!
//! DataFusion's optimizer places exchanges where nodes need them, and removes others; and on a cluster an exchange has as many partitions
//! as it is planned with *in each task* above it. A [`RepartitionNode`] is therefore planned as one node of Weir's
//! that nothing removes, and becomes an exchange when the optimizer is done:
//!
//! ```text
//!  PartitionsExec             takes the slots off; as many tasks as there are executors, but no more than partitions
//!    RepartitionExec          by the hash of the slot
//!      SlotExec               gives each row the slot of its partition
//! ```
//!
//! A slot is a number whose hash falls on a known partition of the exchange. Which numbers those are depends on how many partitions all tasks
//! above have together, which is known when the plan is distributed: [`fit_slots`].
//!
//! A task that shares partitions with others declares two at least, and leaves one empty if need be: what comes above one partition is
//! planned as if all rows were in it, and kept to one task.

mod coalesce;
mod exchange;
mod exec;
mod node;
mod range;
mod slot;
mod small;

pub(crate) use coalesce::CoalesceCodec;
pub use coalesce::CoalesceExec;
pub(crate) use exchange::exchanged;
pub use exchange::fit_slots;
pub(crate) use exec::PartitionsCodec;
pub use exec::PartitionsExec;
pub(crate) use node::RepartitionPlanner;
pub use node::{PARTITIONS_MAX, RepartitionNode};
pub use range::{RangeBounds, RangeNode, RangeSample};
pub(crate) use range::{RangeNumber, RangeNumberPayload};
pub(crate) use slot::SlotCodec;
pub use small::SmallPartitions;
pub(crate) use small::{SmallPartitionsCodec, without_small};
