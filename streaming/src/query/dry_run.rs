//! What a query would read if it were started now, without writing anything.

use std::sync::Arc;

use serde_json::Value;
use weir_plan::{QueryId, ReadLimit, Result, SourceOffset, SourceRange};

use super::QuerySpec;
use super::evolving::open_sink;
use super::run::{ends, wanted_metadata};
use crate::bind::{check_streamable, sources_of};
use crate::checkpoint::{Checkpoint, Recovery};
use crate::trigger::Trigger;

/// The plan of a run that drains everything.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// The checkpoint's query; `None` before its first run.
    pub query_id: Option<QueryId>,
    /// What the last run left to finish first, in words.
    pub unfinished: Option<String>,
    /// Batches that would be planned.
    pub batches: u64,
    /// Records in them, at most: gaps and transaction markers count.
    pub records: u64,
    /// Per source: where the first of them begins.
    pub start_offsets: Vec<Value>,
    /// Per source: where the last of them ends.
    pub end_offsets: Vec<Value>,
}

impl DryRun {
    /// Asks the checkpoint, the sink and the sources what a start of `spec` would find.
    ///
    /// # Errors
    /// What starting it would report.
    pub async fn plan(spec: QuerySpec) -> Result<Self> {
        check_streamable(&spec.plan)?;
        let sources = sources_of(&spec.plan)?;
        let wanted = wanted_metadata(&spec, &sources, spec.clock.now());
        let checkpoint = Checkpoint::peek(Arc::clone(&spec.checkpoint), wanted.clone()).await?;
        let query_id = checkpoint.as_ref().map(Checkpoint::query_id);
        let opened = open_sink(
            &spec,
            query_id.unwrap_or(wanted.query_id),
            checkpoint.as_ref(),
        );
        opened.await?;
        if let Some(letters) = spec.contract.as_ref().and_then(|own| own.letters.as_ref()) {
            letters.open(query_id.unwrap_or(wanted.query_id)).await?;
        }
        let recovery = match &checkpoint {
            Some(checkpoint) => checkpoint.recover().await?,
            None => Recovery::Fresh,
        };
        let (reached, unfinished) = match &recovery {
            Recovery::Fresh => {
                let logged = match &checkpoint {
                    Some(checkpoint) => checkpoint.start().await?,
                    None => None,
                };
                let starts = match logged {
                    Some(start) => start.sources,
                    None => {
                        let mut starts = Vec::with_capacity(sources.len());
                        for source in &sources {
                            starts.push(source.initial_offset().await?);
                        }
                        starts
                    }
                };
                (starts, None)
            }
            Recovery::Closed(batch) => (ends(batch), None),
            Recovery::Rerun(batch) => (
                ends(batch),
                Some(format!(
                    "batch {}, planned by {}, runs again over its offsets",
                    batch.batch_id, batch.writer
                )),
            ),
            Recovery::Commit(batch, prepared) => (
                ends(batch),
                Some(format!(
                    "batch {}, prepared by {}, is committed",
                    batch.batch_id, prepared.writer
                )),
            ),
        };
        if let Some(rows) = &spec.evolving {
            let last = recovery.batch().map(|batch| &batch.parameters);
            rows.next(last).await?;
        }
        let mut plan = Self {
            query_id,
            unfinished,
            batches: 0,
            records: 0,
            start_offsets: Vec::new(),
            end_offsets: Vec::new(),
        };
        let limit = match spec.trigger {
            Trigger::Once => ReadLimit::AllAvailable,
            Trigger::AvailableNow | Trigger::ProcessingTime(_) => ReadLimit::SourceOptions,
        };
        for (source, reached) in sources.iter().zip(reached) {
            let latest = source.latest_offset(&reached).await?;
            let mut first: Option<SourceOffset> = None;
            let mut last = reached;
            let mut batches = 0;
            while let Some(range) = source.next_range(&last, &latest, limit).await? {
                plan.records += source.records(&range)?;
                batches += 1;
                let SourceRange { start, end } = range;
                first.get_or_insert(start);
                last = end;
                if spec.trigger == Trigger::Once {
                    break;
                }
            }
            // The sources' batches run side by side.
            plan.batches = plan.batches.max(batches);
            let first = first.unwrap_or_else(|| last.clone());
            plan.start_offsets.push(source.display_offset(&first));
            plan.end_offsets.push(source.display_offset(&last));
        }
        Ok(plan)
    }
}
