//! Which batch of a query a table holds: the newest `txn` action of an application.
//!
//! The entries of the log are looked at from the newest back, to where the answer is known already.
//! A running query finds its own last commit there at once, and a restarted one after a few entries.
//! Only a query new to a table with a long log has it replayed as a whole.

use deltalake::DeltaResult;
use deltalake::kernel::Transaction;
use deltalake::logstore::{LogStore as _, LogStoreRef};
use deltalake::table::state::DeltaTableState;
use serde::Deserialize;

/// Entries looked at one by one before the log is replayed as a whole, through its checkpoint.
const ENTRIES_MAX: u64 = 64;

/// What was found at an earlier version.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) app_id: String,
    /// The table's version.
    pub(super) at: u64,
    /// The application's version.
    pub(super) committed: Option<i64>,
}

#[derive(Deserialize)]
struct Line {
    txn: Option<Transaction>,
}

/// The version that `app_id` last committed, as of version `newest` of the table.
pub(super) async fn find(
    log_store: &LogStoreRef,
    newest: u64,
    app_id: &str,
    known: Option<&Known>,
) -> DeltaResult<Option<i64>> {
    let first = known.map_or(0, |known| known.at + 1);
    for (looked_at, version) in (first..=newest).rev().enumerate() {
        // An entry may have been cleaned up behind a checkpoint.
        let entry = match log_store.read_commit_entry(version).await? {
            Some(entry) if (looked_at as u64) < ENTRIES_MAX => entry,
            _ => return replay(log_store, newest, app_id).await,
        };
        if let Some(committed) = in_entry(&entry, app_id)? {
            return Ok(Some(committed));
        }
    }
    Ok(known.and_then(|known| known.committed))
}

fn in_entry(entry: &[u8], app_id: &str) -> DeltaResult<Option<i64>> {
    let mut committed = None;
    for line in String::from_utf8_lossy(entry).lines() {
        // Most lines are files; parsing them all would cost more than the commit.
        if !(line.contains("\"txn\"") && line.contains(app_id)) {
            continue;
        }
        let line: Line = serde_json::from_str(line)?;
        if let Some(txn) = line.txn.filter(|txn| txn.app_id == app_id) {
            committed = Some(txn.version);
        }
    }
    Ok(committed)
}

async fn replay(log_store: &LogStoreRef, newest: u64, app_id: &str) -> DeltaResult<Option<i64>> {
    DeltaTableState::try_new(log_store, Some(newest))
        .await?
        .transaction_version(log_store, app_id)
        .await
}
