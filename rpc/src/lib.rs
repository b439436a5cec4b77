//! How Weir's processes talk: who may, over which connection, and how errors cross.
//!
//! What it guarantees:
//! - nothing listens beyond the loopback interface unless who connects has to show a token or a
//!   certificate ([`Listener`]);
//! - a peer that does not answer is noticed within [`PEER_SILENCE_CHECK`] + [`PEER_SILENCE`], in both
//!   directions, so that nobody waits for a process that was paused or cut off;
//! - a process that computes answers as quickly as one that does not ([`io`]);
//! - a secret is never shown: not by `Debug`, not in an error.

mod connect;
pub mod io;
mod listen;
mod security;
mod status;

pub use connect::{Connection, connect, connect_lazily};
pub use listen::{Listener, RpcServer, server};
pub use security::{Security, SecuritySource};
pub use status::{from_status, to_status};

use std::time::Duration;

/// How often a connection with a request under way is asked for a sign of life.
pub const PEER_SILENCE_CHECK: Duration = Duration::from_secs(2);

/// How long the answer may take before the connection, and every request on it, fails.
pub const PEER_SILENCE: Duration = Duration::from_secs(6);

/// How often a process that belongs to a cluster tells its driver that it lives. One that is silent for
/// [`PEER_SILENCE`] is given up.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Bytes in flight on one connection, and on one stream of it: what keeps a fast network busy.
const WINDOW_BYTES: u32 = 4 << 20;
