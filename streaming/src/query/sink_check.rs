//! Whether a sink still holds what its checkpoint says was committed.
//!
//! A table that was deleted, or replaced by another one, beside a checkpoint that stayed would be
//! filled from where the checkpoint stands: with the new records alone, and nobody told.

use weir_plan::{Error, ErrorKind, QueryId, Result};

use super::QuerySpec;
use crate::log::CommitsEntry;

/// Refuses a sink that does not hold the newest batch that was `closed`.
///
/// # Errors
/// `CheckpointMismatch`, naming both; and what the sink reports.
pub(super) async fn check_sink_holds(
    spec: &QuerySpec,
    query_id: QueryId,
    closed: &CommitsEntry,
) -> Result<()> {
    // A batch without rows leaves no trace in the sink.
    let Some(version) = closed.sink_version else {
        return Ok(());
    };
    let held = spec.sink.committed_batch(query_id).await?;
    if held.is_some_and(|held| held >= closed.batch_id) {
        return Ok(());
    }
    let batch = closed.batch_id;
    Err(Error::new(
        ErrorKind::CheckpointMismatch,
        format!(
            "{} {} does not hold batch {batch}, which checkpoint {} says is in its version \
             {version}: it was deleted or replaced; restore it, or start a new checkpoint to fill \
             the new one from the beginning",
            spec.sink.kind(),
            spec.sink.location(),
            spec.checkpoint.location(),
        ),
    ))
}
