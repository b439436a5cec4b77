//! The cluster service: which executors there are, and whose query's turn it is.
//!
//! What it guarantees:
//! - an executor belongs to the cluster while it sends ([`weir_rpc::HEARTBEAT`]); one that is silent, or whose
//!   connection ends, is told to every session at once;
//! - an executor of another version of Weir is refused, and told both versions;
//! - a query takes a slot on each executor of its session; sessions take turns, however many queries each
//!   of them has waiting, and a query that waits for many executors is not overtaken for ever;
//! - what a session holds is free when its connection ends, however it ends.
//!
//! It keeps nothing on disk: executors and sessions connect again, and say what they run.

mod book;
mod service;

pub use service::{Cluster, cluster_server};
