//! The executor: the process that runs the tasks of queries.
//!
//! An executor is stateless: it is sent a task's plan, streams its rows to whoever asks, and forgets both
//! when the query's connections end. What it guarantees is about failures, since whoever waits for its
//! rows cannot see what went wrong here:
//! - a task that panics reports an error; its rows never end early as if they were complete;
//! - an executor of a cluster leaves it only when none of the queries it was given to runs any longer,
//!   or when it is told to hurry ([`belong`]).

mod attempts;
mod channels;
mod connections;
mod guard;
mod membership;
mod memory;
mod plans;
mod registries;
mod server;
mod stores;
mod sweep;
mod worker;

pub use channels::Channels;
pub use connections::is_broken_connection;
pub use membership::{Membership, belong};
pub use server::{Announcement, Executor};
pub use worker::{
    ATTEMPT_HEADER, DATAFUSION_SETTINGS_HEADER, MEMORY_HEADER, SCHEMA_REGISTRY_SETTINGS_HEADER,
    SESSION_HEADER, STORAGE_SETTINGS_HEADER, VERSION,
};
