//! The driver: the process that knows a cluster's executors, and runs jobs for those who submit them.
//!
//! [`cluster`] keeps the executors and gives queries their turns; [`jobs`] keeps the jobs and runs them as
//! processes of its machine; [`server`] listens.

pub mod cluster;
pub mod jobs;
pub mod server;
