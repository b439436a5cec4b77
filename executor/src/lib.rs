//! The executor: the process that runs the tasks of queries.
//!
//! An executor is stateless: it is sent a task's plan, streams its rows to whoever asks, and forgets both
//! when the query's connections end. What it guarantees is about failures, since whoever waits for its
//! rows cannot see what went wrong here:
//! - a task that panics reports an error; its rows never end early as if they were complete;
//! - a peer that does not answer is noticed within [`PEER_SILENCE`], in both directions, so that nobody
//!   waits for a process that was paused or cut off.

mod channels;
mod guard;
mod plans;
mod server;
mod stores;
mod worker;

pub use channels::{Channels, PEER_SILENCE, PEER_SILENCE_CHECK};
pub use server::{Announcement, Executor};
pub use worker::{DATAFUSION_SETTINGS_HEADER, STORAGE_SETTINGS_HEADER, VERSION};
