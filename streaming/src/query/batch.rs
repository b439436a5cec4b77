//! One batch, from its logged ranges to its close: run, prepare, commit, close.
//!
//! The steps are functions of what is logged, so that a recovered batch enters in the middle: a
//! planned one at *run*, a prepared one at *commit*.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use weir_plan::dead_letters::{Diversion, LetterSink};
use weir_plan::functions::bind_pinned;
use weir_plan::logical::WriteNode;
use weir_plan::manifest::collect_manifest;
use weir_plan::{
    BatchId, CommitRequest, Committed, Error, ErrorKind, Result, StreamSource, WriteStep, Written,
};

use super::QuerySpec;
use crate::bind::bind_tables;
use crate::checkpoint::Checkpoint;
use crate::contract::Contract;
use crate::log::{CommitsEntry, OffsetsEntry, PreparedEntry, Writer};
use crate::progress::{BatchStep, PhaseDurations, QueryEvent};
use crate::runner::BatchJob;

/// What every batch of a run shares.
pub(super) struct BatchContext {
    pub(super) spec: QuerySpec,
    pub(super) checkpoint: Checkpoint,
    pub(super) sources: Vec<Arc<dyn StreamSource>>,
    pub(super) writer: Writer,
    pub(super) stop: CancellationToken,
}

impl BatchContext {
    pub(super) fn emit(&self, event: &QueryEvent) {
        for listener in &self.spec.listeners {
            listener.on_event(event);
        }
    }

    fn step(&self, batch: &OffsetsEntry, step: BatchStep) {
        self.emit(&QueryEvent::Step {
            batch_id: batch.batch_id,
            step,
        });
    }

    /// `work`, which a stop request drops: only for what leaves nothing behind but orphan files.
    pub(super) async fn unless_stopped<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.stop.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, format!("stopped {doing}")))
            }
        }
    }

    /// Writes `offsets/N`: from here on the batch reads these ranges, in this process or another.
    pub(super) async fn log_offsets(
        &self,
        batch: &OffsetsEntry,
        took: &mut PhaseDurations,
    ) -> Result<()> {
        let begun = Instant::now();
        self.checkpoint.log_offsets(batch).await?;
        took.wal_commit = millis(begun);
        self.step(batch, BatchStep::OffsetsLogged);
        Ok(())
    }

    /// Runs the batch over its logged ranges and writes `prepared/N`. A stop request abandons it:
    /// what it wrote is orphaned, and the next start runs it again.
    pub(super) async fn run_and_prepare(
        &self,
        batch: &OffsetsEntry,
        took: &mut PhaseDurations,
    ) -> Result<PreparedEntry> {
        let doing = format!(
            "during batch {}, which the next start runs again over the same offsets",
            batch.batch_id
        );
        let begun = Instant::now();
        let job = self.unless_stopped(&doing, self.plan(batch)).await?;
        took.query_planning = millis(begun);

        let begun = Instant::now();
        let running = self.spec.runner.run(job);
        let output = self.unless_stopped(&doing, running).await?;
        took.add_batch = millis(begun);

        let begun = Instant::now();
        let mut written = collect_manifest(&output.rows)?;
        if let (Some(contract), Some(diverted)) = (&self.spec.contract, &mut written.diverted) {
            if let Some(letters) = &contract.letters {
                diverted.location = letters.location();
            }
            let rate = contract.check_rate(diverted);
            rate.map_err(|error| error.context(format!("batch {}", batch.batch_id)))?;
        }
        let prepared = PreparedEntry {
            batch_id: batch.batch_id,
            written,
            input_rows: output.input_rows,
            writer: self.writer.clone(),
        };
        self.checkpoint.log_prepared(&prepared).await?;
        took.prepare = millis(begun);
        self.step(batch, BatchStep::Prepared);
        Ok(prepared)
    }

    /// Commits what `prepared/N` lists and writes `commits/N`. Never computes anything again.
    pub(super) async fn commit_and_close(
        &self,
        batch: &OffsetsEntry,
        prepared: &PreparedEntry,
        recovered: bool,
        took: &mut PhaseDurations,
    ) -> Result<Committed> {
        self.commit_letters(batch, prepared, recovered, took)
            .await?;
        let begun = Instant::now();
        let request = CommitRequest {
            query_id: self.checkpoint.query_id(),
            batch_id: batch.batch_id,
            written: &prepared.written,
            recovered,
            info: self.commit_info(batch),
        };
        let committed = self.spec.sink.commit(request).await?;
        took.sink_commit = millis(begun);
        if committed.already {
            debug!(batch = %batch.batch_id, "the table held the batch already");
        }
        self.step(batch, BatchStep::SinkCommitted);

        let begun = Instant::now();
        self.checkpoint
            .log_commit(&CommitsEntry {
                batch_id: batch.batch_id,
                sink_version: committed.version,
                writer: self.writer.clone(),
            })
            .await?;
        took.commit_offsets = millis(begun);
        self.step(batch, BatchStep::Closed);
        // An attempt that was killed may have staged what the others did not.
        if recovered || self.letters_of(prepared).is_ok_and(|own| own.is_some()) {
            self.tidy_letters(batch.batch_id).await;
        }

        // History is bounded; a purge that fails is made up for by the next one.
        let purged = self
            .checkpoint
            .purge(batch.batch_id, self.spec.retain_batches);
        if let Err(error) = purged.await {
            warn!(%error, "old checkpoint entries could not be deleted");
        }
        Ok(committed)
    }

    /// Commits the batch's dead letters, before its rows: a row that is in neither place would be lost.
    async fn commit_letters(
        &self,
        batch: &OffsetsEntry,
        prepared: &PreparedEntry,
        recovered: bool,
        took: &mut PhaseDurations,
    ) -> Result<()> {
        let Some((letters, written)) = self.letters_of(prepared)? else {
            return Ok(());
        };
        let begun = Instant::now();
        let request = CommitRequest {
            query_id: self.checkpoint.query_id(),
            batch_id: batch.batch_id,
            written: &written,
            recovered,
            info: self.commit_info(batch),
        };
        letters.commit(request).await.map_err(|error| {
            error.context(format!(
                "the dead letters of batch {}, which the next start commits before its rows",
                batch.batch_id
            ))
        })?;
        took.dead_letters_commit = millis(begun);
        self.step(batch, BatchStep::DeadLettersCommitted);
        Ok(())
    }

    /// What was staged for a closed batch takes room and nothing else: that it stays is no failure.
    pub(super) async fn tidy_letters(&self, batch: BatchId) {
        let contract = self.spec.contract.as_ref();
        let Some(letters) = contract.and_then(|contract| contract.letters.as_ref()) else {
            return;
        };
        if let Err(error) = letters.closed(batch).await {
            warn!(%error, "staged dead letters could not be deleted");
        }
    }

    /// The dead letters of a prepared batch, as their place wrote them.
    fn letters_of(
        &self,
        prepared: &PreparedEntry,
    ) -> Result<Option<(&Arc<dyn LetterSink>, Written)>> {
        let Some(diverted) = &prepared.written.diverted else {
            return Ok(None);
        };
        let sink = Contract::sink_of(self.spec.contract.as_ref(), diverted, prepared.batch_id)?;
        Ok(sink.map(|sink| {
            let written = Written {
                files: diverted.files.clone(),
                rows: diverted.rows,
                bytes: diverted.bytes,
                diverted: None,
            };
            (sink, written)
        }))
    }

    async fn plan(&self, batch: &OffsetsEntry) -> Result<BatchJob> {
        let mut tables = Vec::with_capacity(self.sources.len());
        for (source, logged) in self.sources.iter().zip(&batch.sources) {
            tables.push((Arc::clone(source), source.read(&logged.range).await?));
        }
        let plan = match &self.spec.evolving {
            None => self.spec.plan.clone(),
            Some(rows) => {
                let plan = rows.plan(&batch.parameters);
                plan.map_err(|error| error.context(rows.describe(&batch.parameters)))?
            }
        };
        let plan = bind_tables(plan, &tables)?;
        let plan = bind_pinned(plan, &batch.parameters)?;
        let plan = self.spec.runner.refresh(plan).await?;
        let schema = Arc::clone(plan.schema().inner());
        let step = match &self.spec.contract {
            None => self.spec.sink.write_step(schema).await?,
            Some(contract) => self.diverting_step(batch, schema, contract).await?,
        };
        Ok(BatchJob {
            plan: WriteNode::plan(step, plan)?,
            timestamp: timestamp(batch)?,
        })
    }

    async fn diverting_step(
        &self,
        batch: &OffsetsEntry,
        schema: SchemaRef,
        contract: &Contract,
    ) -> Result<Arc<dyn WriteStep>> {
        let diversion = Diversion {
            rules: contract.rules.clone(),
            query_id: self.checkpoint.query_id(),
            batch_id: batch.batch_id,
            timestamp_ms: batch.batch_timestamp_ms,
        };
        let letters = match &contract.letters {
            Some(letters) => Some(letters.write_step(batch.batch_id).await?),
            None => None,
        };
        let sink = &self.spec.sink;
        sink.diverting_step(schema, diversion, letters).await
    }

    /// Facts for the table's own history: if a checkpoint is lost, the table still says up to where
    /// it holds the source.
    fn commit_info(&self, batch: &OffsetsEntry) -> BTreeMap<String, serde_json::Value> {
        let offsets: Vec<_> = self
            .sources
            .iter()
            .zip(&batch.sources)
            .map(|(source, logged)| {
                json!({
                    "source": logged.description,
                    "startOffset": source.display_offset(&logged.range.start),
                    "endOffset": source.display_offset(&logged.range.end),
                })
            })
            .collect();
        BTreeMap::from([
            ("weirBatchId".to_owned(), json!(batch.batch_id)),
            ("weirRunId".to_owned(), json!(self.writer.run_id)),
            ("weirSources".to_owned(), json!(offsets)),
        ])
    }
}

/// The logged time of a batch.
pub(super) fn timestamp(batch: &OffsetsEntry) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(batch.batch_timestamp_ms).ok_or_else(|| {
        Error::new(
            ErrorKind::CorruptCheckpoint,
            format!(
                "offsets/{} has batch time {}, which is no time",
                batch.batch_id, batch.batch_timestamp_ms
            ),
        )
    })
}

pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
