//! The entries of a checkpoint: what each holds, and how it is written and read.
//!
//! | entry | written | holds |
//! |---|---|---|
//! | `metadata` | once | the query's id, its sources' kinds, its sink |
//! | `start` | once | where the first batch begins |
//! | `offsets/N` | before batch N runs | everything its rows depend on |
//! | `prepared/N` | after its tasks wrote, before the commit | everything the commit needs |
//! | `commits/N` | after the commit | the table version |

mod codec;
mod entries;

pub use codec::{decode, encode};
pub use entries::{
    BatchEntry, CommitsEntry, LoggedSource, Metadata, OffsetsEntry, PreparedEntry, SinkIdentity,
    StartEntry, Writer,
};
