//! Delta tables: the sink a streaming query drains into, the same write for a batch job, batch writes
//! that replace rows, and reads.
//!
//! A write is three named steps. *Repartition*: optional, by the partition columns. *Write*:
//! [`DeltaWriteExec`] writes Parquet files under names no other attempt uses, and returns each as an
//! `add` action. *Commit*: [`DeltaSink`] puts all of a batch's files into the log with one conditional
//! put that also carries `txn(query, batch)`, so that a batch is in the table once, however often and
//! by whomever it is committed. A crash before the put leaves orphan files nobody reads.
//!
//! What the module guarantees:
//! - a table feature it cannot honour is refused by name before anything is read;
//! - a commit that lost a race commits the same files again, and never recomputes them;
//! - a commit that replaces rows is refused when another one since changed what it replaces;
//! - after any error the log is read again before a batch is taken for uncommitted.

mod codec;
mod commit;
mod data_type;
mod decimal_stats;
mod entry;
mod error;
mod exec;
mod explain;
mod features;
mod file_predicate;
mod file_stats;
mod live;
mod location;
mod log_action;
mod normalize;
mod open_files;
mod options;
mod overwrite;
mod partition;
mod plain;
mod predicate;
mod present;
mod read;
mod refresh;
mod replace;
mod row_check;
mod schema;
mod sink;
mod spec;
mod table;
mod task;
mod transaction;
mod written_files;

#[cfg(test)]
mod tests;

pub use codec::DeltaWriteCodec;
pub use exec::DeltaWriteExec;
pub use explain::explain_reads;
pub use options::{READ_OPTIONS, WRITE_OPTIONS};
pub use overwrite::PlanRunner;
pub use read::{read_table, read_version};
pub use refresh::refreshed;
pub use sink::{AppendMode, DeltaSink};
