//! Where a query stands, read from its checkpoint by one that is not the query.

use std::sync::Arc;

use weir_plan::{BatchId, Error, ErrorKind, QueryId, Result, SourceOffset};

use super::{Checkpoint, Recovery, find_metadata};
use crate::log::OffsetsEntry;
use crate::store::CheckpointStore;

/// How often a checkpoint is looked at that a running query changes between two looks.
const LOOKS: u32 = 5;

/// Where a query stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// The query.
    pub query_id: QueryId,
    /// The last batch that is closed; `None` before the first.
    pub batch: Option<BatchId>,
    /// The batch that was planned and is not closed: it runs, or a run that died left it.
    pub unfinished: Option<BatchId>,
    /// Per source, in the order of the plan: its kind, and the position before which everything is in
    /// the sink. `None` before a run has found out where the query begins.
    pub sources: Vec<(String, Option<SourceOffset>)>,
}

impl Position {
    /// Reads the checkpoint in `store`, and writes nothing. A query may be running on it.
    ///
    /// # Errors
    /// `NotFound` when there is no checkpoint; as [`Checkpoint::recover`] for one that is damaged.
    pub async fn read(store: Arc<dyn CheckpointStore>) -> Result<Self> {
        let Some(metadata) = find_metadata(store.as_ref()).await? else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "no checkpoint at {}: check the place, or start the query first",
                    store.location()
                ),
            ));
        };
        let checkpoint = Checkpoint { store, metadata };
        let mut looks = 1;
        loop {
            match checkpoint.position().await {
                // The query has gone on meanwhile: to one that looks, its entries come and go.
                Err(error)
                    if looks < LOOKS
                        && matches!(
                            error.kind(),
                            ErrorKind::Fenced | ErrorKind::CheckpointMismatch
                        ) =>
                {
                    looks += 1;
                }
                position => return position,
            }
        }
    }
}

impl Checkpoint {
    async fn position(&self) -> Result<Position> {
        let (batch, unfinished, offsets) = match self.recover().await? {
            Recovery::Fresh => {
                let start = self.start().await?;
                (None, None, start.map(|start| start.sources))
            }
            Recovery::Closed(batch) => {
                let ends = offsets(&batch, |range| &range.end);
                (Some(batch.batch_id), None, Some(ends))
            }
            Recovery::Rerun(batch) | Recovery::Commit(batch, _) => {
                let starts = offsets(&batch, |range| &range.start);
                (
                    batch.batch_id.previous(),
                    Some(batch.batch_id),
                    Some(starts),
                )
            }
        };
        let mut offsets = offsets.map(Vec::into_iter);
        let sources = self.metadata.sources.iter().map(|kind| {
            let offset = offsets.as_mut().and_then(Iterator::next);
            (kind.clone(), offset)
        });
        Ok(Position {
            query_id: self.query_id(),
            batch,
            unfinished,
            sources: sources.collect(),
        })
    }
}

fn offsets(
    batch: &OffsetsEntry,
    side: impl Fn(&weir_plan::SourceRange) -> &SourceOffset,
) -> Vec<SourceOffset> {
    let sources = batch.sources.iter();
    sources.map(|source| side(&source.range).clone()).collect()
}
