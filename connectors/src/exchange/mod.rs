//! Durable exchanges: the rows of a part of a query, kept as files so that what comes after need not compute them again.
//!
//! ```text
//!  <base>/<exchange>/<attempt>/00000-000.arrow     Arrow IPC, LZ4; columns c0, c1, ..
//! ```
//!
//! What the module guarantees:
//! - every execution of a partition writes into a directory of its own, and only files that the manifest of a complete attempt names are
//!   read: what a lost task left there is read by nobody;
//! - columns come back with their names, types, nullability and metadata, names that occur twice included;
//! - the number of rows is exact, for the planner;
//! - the files go with the last plan that reads them ([`ExchangeTable`]).
//!
//! What it does not keep is the order of the rows.

mod codec;
mod columns;
mod exec;
mod files;
mod sink;
mod table;
mod task;

pub use codec::ExchangeWriteCodec;
pub use exec::ExchangeWriteExec;
pub use files::removals;
pub use sink::{Exchange, exchange_base};
pub use table::ExchangeTable;
