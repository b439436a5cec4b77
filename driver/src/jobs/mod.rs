//! The job service: programs are stored, queued, run as processes of the driver's machine, and followed.
//!
//! What it guarantees:
//! - a job that was accepted is on disk before its submitter hears of it; after `kill -9` of the driver it
//!   is queued again, started again (`supervise`), or known to be lost;
//! - a job's processes do not outlive it: what it forked ends with it, and with the driver;
//! - the output of a job is kept in a file and takes no memory, however slowly it is read.

mod output;
mod process;
mod programs;
mod run;
mod service;
mod spec;
mod store;

pub use programs::ProgramDigest;
pub use run::{JobSettings, Jobs};
pub use service::job_server;
