//! The driver: the process that runs jobs for those who submit them.
//!
//! [`jobs`] keeps the jobs and runs them as processes of its machine; [`server`] listens; [`status`] is how
//! errors cross the wire.

pub mod jobs;
pub mod server;
pub mod status;
