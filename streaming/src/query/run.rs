//! The loop: recover the last batch, then plan and run batches until the trigger says stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::info;
use weir_plan::functions::{PinnedParameters, pinned_parameters};
use weir_plan::{
    BatchId, Committed, Error, ErrorKind, QueryId, ReadLimit, Result, RunId, SourceOffset,
    SourceRange, StreamSource,
};

use super::QuerySpec;
use super::batch::{BatchContext, millis};
use super::evolving::{Evolution, open_sink};
use super::handle::Shared;
use super::offset_committer::OffsetCommitter;
use super::sink_check::check_sink_holds;
use crate::bind::{check_streamable, sources_of};
use crate::checkpoint::{Checkpoint, Recovery};
use crate::contract::ExpectationsProgress;
use crate::log::{
    LoggedSource, Metadata, OffsetsEntry, PreparedEntry, SinkIdentity, StartEntry, Writer,
};
use crate::progress::{
    PhaseDurations, QueryEvent, QueryProgress, SinkProgress, SourceProgress, lag_metrics,
};
use crate::trigger::Trigger;

/// The least time between two looks at a source that had nothing; Spark's
/// `spark.sql.streaming.pollingDelay`.
const POLL_DELAY_MIN: Duration = Duration::from_millis(10);

/// What a query does between batches.
const ASKING: &str = "between batches, while a source was asked for its offsets";

/// A query that has opened its checkpoint and its sink, and has not yet read anything.
pub(super) struct Run {
    context: BatchContext,
    parameters: PinnedParameters,
    evolution: Evolution,
    recovery: Recovery,
    shared: Arc<Shared>,
    committer: OffsetCommitter,
}

impl Run {
    /// Checks everything that can be checked before a record is read.
    pub(super) async fn open(
        spec: QuerySpec,
        run_id: RunId,
        stop: CancellationToken,
    ) -> Result<Self> {
        check_streamable(&spec.plan)?;
        if let Some(contract) = &spec.contract {
            contract.check()?;
        }
        let sources = sources_of(&spec.plan)?;
        let parameters = pinned_parameters(&spec.plan)?;
        let started = spec.clock.now();
        let wanted = wanted_metadata(&spec, &sources, started);
        let store = Arc::clone(&spec.checkpoint);
        let found = Checkpoint::peek(Arc::clone(&store), wanted.clone()).await?;
        let query_id = found.as_ref().map_or(wanted.query_id, Checkpoint::query_id);
        // Before the sink is opened, which then sees what another process commits meanwhile.
        let closed = match &found {
            Some(found) => found.last_commit().await?,
            None => None,
        };
        open_sink(&spec, query_id, found.as_ref()).await?;
        if let Some(letters) = spec.contract.as_ref().and_then(|own| own.letters.as_ref()) {
            let opened = letters.open(query_id).await;
            opened.map_err(|error| error.context("the place of dead letters"))?;
        }
        if let Some(closed) = closed {
            check_sink_holds(&spec, query_id, &closed).await?;
        }
        // Made only for a sink that takes the rows: a mistyped table does not claim the checkpoint.
        let checkpoint = match found {
            Some(found) => found,
            None => Checkpoint::open(store, wanted).await?,
        };
        let recovery = checkpoint.recover().await?;
        let shared = Arc::new(Shared::new(
            checkpoint.query_id(),
            run_id,
            spec.name.clone(),
        ));
        let committer = OffsetCommitter::start(checkpoint.query_id(), &sources);
        Ok(Self {
            committer,
            context: BatchContext {
                spec,
                checkpoint,
                sources,
                writer: Writer::this_process(run_id, started),
                stop,
            },
            parameters,
            evolution: Evolution::default(),
            recovery,
            shared,
        })
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Runs to the trigger's end, a stop request or an error.
    pub(super) async fn run(self) -> Result<()> {
        let ended = match self.drive().await {
            // A stop that was asked for is no failure.
            Err(error)
                if error.kind() == ErrorKind::Cancelled && self.context.stop.is_cancelled() =>
            {
                info!(query = %self.shared.query_id, "{error}");
                Ok(())
            }
            ended => ended,
        };
        self.shared
            .set_offset_commit_failures(self.committer.finish().await);
        self.context.emit(&QueryEvent::Terminated {
            run_id: self.shared.run_id,
            error: ended.as_ref().err().map(ToString::to_string),
        });
        ended
    }

    async fn drive(&self) -> Result<()> {
        let (mut next, mut reached) = self.recover().await?;
        let frozen = match self.context.spec.trigger {
            Trigger::AvailableNow | Trigger::Once => Some(self.latest(&reached).await?),
            Trigger::ProcessingTime(_) => None,
        };
        self.context.emit(&QueryEvent::Started {
            query_id: self.shared.query_id,
            run_id: self.shared.run_id,
        });
        loop {
            if self.context.stop.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "stopped between batches"));
            }
            let begun = Instant::now();
            let latest = match &frozen {
                Some(frozen) => frozen.clone(),
                None => self.latest(&reached).await?,
            };
            let batch = self.next_batch(next, &reached, &latest).await?;
            let idle = batch.is_none();
            match batch {
                Some(batch) => {
                    let mut took = PhaseDurations {
                        latest_offset: millis(begun),
                        ..PhaseDurations::default()
                    };
                    self.context.log_offsets(&batch, &mut took).await?;
                    let prepared = self.context.run_and_prepare(&batch, &mut took).await?;
                    self.finish(&batch, &prepared, Some(&latest), begun, took)
                        .await?;
                    reached = ends(&batch);
                    next = batch.batch_id.next();
                }
                None if frozen.is_some() => return Ok(()),
                None => {}
            }
            match self.context.spec.trigger {
                Trigger::AvailableNow => {}
                Trigger::Once => return Ok(()),
                Trigger::ProcessingTime(interval) => self.wait(interval, begun, idle).await,
            }
        }
    }

    /// Finishes the batch the last run left, if it left one. Returns the next batch's number and
    /// where it begins.
    async fn recover(&self) -> Result<(BatchId, Vec<SourceOffset>)> {
        let begun = Instant::now();
        let mut took = PhaseDurations::default();
        let batch = match &self.recovery {
            Recovery::Fresh => {
                let starts = self.first_start().await?;
                self.shared.set_start(&self.context.sources, &starts);
                return Ok((BatchId(0), starts));
            }
            Recovery::Closed(batch) => {
                // The run that closed it may have died before it could tell.
                self.committer.commit(ends(batch));
                self.context.tidy_letters(batch.batch_id).await;
                batch
            }
            Recovery::Rerun(batch) => {
                self.shared.set_start(&self.context.sources, &starts(batch));
                info!(batch = %batch.batch_id, "running a planned batch again over its logged offsets");
                let prepared = self.context.run_and_prepare(batch, &mut took).await?;
                self.finish(batch, &prepared, None, begun, took).await?;
                batch
            }
            Recovery::Commit(batch, prepared) => {
                self.shared.set_start(&self.context.sources, &starts(batch));
                info!(batch = %batch.batch_id, "committing a prepared batch");
                self.finish(batch, prepared, None, begun, took).await?;
                batch
            }
        };
        let reached = ends(batch);
        self.shared.set_start(&self.context.sources, &reached);
        self.evolution.begin_after(&batch.parameters).await;
        Ok((batch.batch_id.next(), reached))
    }

    /// Where the query's first batch begins: decided by its first run, even if that reads nothing.
    async fn first_start(&self) -> Result<Vec<SourceOffset>> {
        let BatchContext {
            checkpoint,
            sources,
            writer,
            ..
        } = &self.context;
        if let Some(start) = checkpoint.start().await? {
            return Ok(start.sources);
        }
        let mut starts = Vec::with_capacity(sources.len());
        for source in sources {
            let start = source.initial_offset();
            starts.push(self.context.unless_stopped(ASKING, start).await?);
        }
        let entry = StartEntry {
            sources: starts,
            writer: writer.clone(),
        };
        Ok(checkpoint.log_start(entry).await?.sources)
    }

    async fn latest(&self, reached: &[SourceOffset]) -> Result<Vec<SourceOffset>> {
        let mut latest = Vec::with_capacity(reached.len());
        for (source, reached) in self.context.sources.iter().zip(reached) {
            let asked = source.latest_offset(reached);
            latest.push(self.context.unless_stopped(ASKING, asked).await?);
        }
        Ok(latest)
    }

    /// The next batch, unless no source has anything.
    async fn next_batch(
        &self,
        batch_id: BatchId,
        reached: &[SourceOffset],
        latest: &[SourceOffset],
    ) -> Result<Option<OffsetsEntry>> {
        let limit = match self.context.spec.trigger {
            Trigger::Once => ReadLimit::AllAvailable,
            Trigger::AvailableNow | Trigger::ProcessingTime(_) => ReadLimit::SourceOptions,
        };
        let mut sources = Vec::with_capacity(reached.len());
        let mut any = false;
        for ((source, reached), latest) in self.context.sources.iter().zip(reached).zip(latest) {
            let asked = source.next_range(reached, latest, limit);
            let range = self.context.unless_stopped(ASKING, asked).await?;
            any |= range.is_some();
            sources.push(LoggedSource {
                kind: source.kind().to_owned(),
                description: source.description(),
                range: range.unwrap_or_else(|| SourceRange {
                    start: reached.clone(),
                    end: reached.clone(),
                }),
            });
        }
        if !any {
            return Ok(None);
        }
        Ok(Some(OffsetsEntry {
            batch_id,
            batch_timestamp_ms: self.context.spec.clock.now().timestamp_millis(),
            parameters: self.next_parameters().await?,
            sources,
            writer: self.context.writer.clone(),
        }))
    }

    /// What the batch whose ranges are known now is logged with.
    async fn next_parameters(&self) -> Result<PinnedParameters> {
        let spec = &self.context.spec;
        let Some(rows) = &spec.evolving else {
            return Ok(self.parameters.clone());
        };
        let once = match spec.trigger {
            Trigger::AvailableNow | Trigger::Once => true,
            Trigger::ProcessingTime(_) => false,
        };
        let query_id = self.context.checkpoint.query_id();
        let next = self.evolution.next(spec, rows.as_ref(), query_id, once);
        self.context.unless_stopped(ASKING, next).await
    }

    async fn finish(
        &self,
        batch: &OffsetsEntry,
        prepared: &PreparedEntry,
        latest: Option<&[SourceOffset]>,
        begun: Instant,
        mut took: PhaseDurations,
    ) -> Result<()> {
        let committed = self
            .context
            .commit_and_close(batch, prepared, latest.is_none(), &mut took)
            .await?;
        took.trigger_execution = millis(begun);
        let progress = self.progress(batch, prepared, latest, committed, begun.elapsed(), took)?;
        log_line(&progress);
        self.committer.commit(ends(batch));
        if let (Some(contract), Some(diverted)) =
            (&self.context.spec.contract, &prepared.written.diverted)
        {
            contract.warn_if_over(batch.batch_id, diverted);
        }
        self.shared.record(&self.context.sources, batch, &progress);
        self.context.emit(&QueryEvent::Progress(Box::new(progress)));
        Ok(())
    }

    fn progress(
        &self,
        batch: &OffsetsEntry,
        prepared: &PreparedEntry,
        latest: Option<&[SourceOffset]>,
        committed: Committed,
        elapsed: Duration,
        took: PhaseDurations,
    ) -> Result<QueryProgress> {
        let sources = self
            .context
            .sources
            .iter()
            .zip(&batch.sources)
            .enumerate()
            .map(|(index, (source, logged))| {
                let latest = latest.and_then(|latest| latest.get(index));
                self.source_progress(source.as_ref(), logged, latest)
            })
            .collect::<Result<_>>()?;
        Ok(QueryProgress {
            id: self.shared.query_id,
            run_id: self.shared.run_id,
            name: self.shared.name.clone(),
            timestamp: super::batch::timestamp(batch)?,
            batch_id: batch.batch_id,
            recovered: latest.is_none(),
            num_input_rows: prepared.input_rows,
            processed_rows_per_second: prepared.input_rows as f64
                / elapsed.as_secs_f64().max(f64::EPSILON),
            duration_ms: took,
            sources,
            sink: SinkProgress {
                description: format!(
                    "{} {}",
                    self.context.spec.sink.kind(),
                    self.context.spec.sink.location()
                ),
                num_output_rows: prepared.written.rows,
                num_files: prepared.written.files.len() as u64,
                num_bytes: prepared.written.bytes,
                version: committed.version,
            },
            expectations: prepared.written.diverted.as_ref().map(|diverted| {
                ExpectationsProgress::new(self.context.spec.contract.as_ref(), diverted)
            }),
        })
    }

    fn source_progress(
        &self,
        source: &dyn StreamSource,
        logged: &LoggedSource,
        latest: Option<&SourceOffset>,
    ) -> Result<SourceProgress> {
        let SourceRange { start, end } = &logged.range;
        let behind = match latest {
            Some(latest) => source.behind(end, latest)?,
            None => None,
        };
        Ok(SourceProgress {
            description: logged.description.clone(),
            start_offset: source.display_offset(start),
            end_offset: source.display_offset(end),
            latest_offset: latest.map_or(Value::Null, |offset| source.display_offset(offset)),
            metrics: behind.as_ref().map(lag_metrics).unwrap_or_default(),
            offsets_behind_latest: behind.map_or(Value::Null, |behind| behind.shown),
            group_id: source.offsets_group(self.shared.query_id),
            offset_commit_failures: self.committer.failures(),
        })
    }

    /// Until the next tick, or a stop request.
    async fn wait(&self, interval: Duration, begun: Instant, idle: bool) {
        let mut left = interval.saturating_sub(begun.elapsed());
        if idle {
            left = left.max(POLL_DELAY_MIN);
        }
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = self.context.stop.cancelled() => {}
        }
    }
}

/// The metadata of a new checkpoint for `spec`, which an old one must match but for the id.
pub(super) fn wanted_metadata(
    spec: &QuerySpec,
    sources: &[Arc<dyn StreamSource>],
    created: DateTime<Utc>,
) -> Metadata {
    Metadata {
        query_id: QueryId::random(),
        sources: sources.iter().map(|s| s.kind().to_owned()).collect(),
        sink: SinkIdentity {
            kind: spec.sink.kind().to_owned(),
            location: spec.sink.location(),
        },
        created,
    }
}

/// Where `batch` begins, per source.
pub(super) fn starts(batch: &OffsetsEntry) -> Vec<SourceOffset> {
    batch
        .sources
        .iter()
        .map(|source| source.range.start.clone())
        .collect()
}

/// Where the batch after `batch` begins, per source.
pub(super) fn ends(batch: &OffsetsEntry) -> Vec<SourceOffset> {
    batch
        .sources
        .iter()
        .map(|source| source.range.end.clone())
        .collect()
}

/// The one line a batch leaves in the log.
fn log_line(progress: &QueryProgress) {
    let took = &progress.duration_ms;
    info!(
        query = %progress.id,
        batch = %progress.batch_id,
        rows_in = progress.num_input_rows,
        rows_out = progress.sink.num_output_rows,
        dead_letters = progress.expectations.as_ref().map(|found| found.num_dead_letter_rows),
        files = progress.sink.num_files,
        bytes = progress.sink.num_bytes,
        version = progress.sink.version,
        recovered = progress.recovered,
        plan_ms = took.query_planning,
        run_ms = took.add_batch,
        commit_ms = took.sink_commit,
        total_ms = took.trigger_execution,
        rows_per_second = progress.processed_rows_per_second.round(),
        "batch closed"
    );
}
