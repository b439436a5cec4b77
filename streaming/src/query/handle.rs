//! The handle of a running query, and what it has done so far.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_plan::{
    Error, ErrorKind, QueryId, Result, RunId, SourceOffset, SourceRange, StreamSink, StreamSource,
};

use super::QuerySpec;
use super::run::{Run, ends, starts};
use crate::contract::{ExpectationsProgress, RuleProgress};
use crate::log::OffsetsEntry;
use crate::progress::QueryProgress;

/// How many progress records a handle keeps; Spark's `spark.sql.streaming.numRecentProgressUpdates`.
const RECENT_PROGRESS: usize = 100;

/// What a run has done so far.
#[derive(Debug, Clone, Default)]
pub struct QuerySummary {
    /// Batches closed, recovered ones included.
    pub batches: u64,
    /// Records read by them.
    pub input_rows: u64,
    /// Rows written by them.
    pub output_rows: u64,
    /// Rows of them that are dead letters.
    pub dead_letter_rows: u64,
    /// Rows that rules left out.
    pub dropped_rows: u64,
    /// Batches with more dead letters than `maxDlqRate` allows.
    pub batches_over_max_dlq_rate: u64,
    /// Each rule, over all rows.
    pub rules: Vec<RuleProgress>,
    /// Per source: where this run began.
    pub start_offsets: Vec<Value>,
    /// Per source: where it is now.
    pub end_offsets: Vec<Value>,
    /// The table version of the last batch that wrote anything.
    pub sink_version: Option<u64>,
    /// Per source: the consumer group that its offsets are committed to, if any.
    pub group_ids: Vec<Option<String>>,
    /// How often that failed; known to be complete once the query has ended.
    pub offset_commit_failures: u64,
}

impl QuerySummary {
    fn add(&mut self, found: &ExpectationsProgress) {
        self.dead_letter_rows += found.num_dead_letter_rows;
        self.dropped_rows += found.num_dropped_rows;
        self.batches_over_max_dlq_rate += u64::from(found.over_max_dlq_rate);
        for rule in &found.rules {
            match self.rules.iter_mut().find(|own| own.name == rule.name) {
                Some(own) => {
                    own.passed += rule.passed;
                    own.failed += rule.failed;
                    if own.example.is_none() {
                        own.example.clone_from(&rule.example);
                    }
                }
                None => self.rules.push(rule.clone()),
            }
        }
    }
}

/// A streaming query that was started. Dropping the handle does not stop it.
pub struct StreamingQuery {
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: tokio::sync::Mutex<Option<JoinHandle<Result<()>>>>,
    sources: Vec<Arc<dyn StreamSource>>,
    sink: Arc<dyn StreamSink>,
}

impl fmt::Debug for StreamingQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingQuery")
            .field("id", &self.shared.query_id)
            .field("run_id", &self.shared.run_id)
            .finish_non_exhaustive()
    }
}

impl StreamingQuery {
    /// Opens the checkpoint and the sink, and starts the query on the current runtime.
    ///
    /// # Errors
    /// What can be known before a record is read: a checkpoint or table that does not fit, a plan
    /// that cannot be streamed, a source or store out of reach.
    pub async fn start(spec: QuerySpec) -> Result<Self> {
        let stop = CancellationToken::new();
        let sources = crate::bind::sources_of(&spec.plan)?;
        let sink = Arc::clone(&spec.sink);
        let run = Run::open(spec, RunId::random(), stop.clone()).await?;
        let shared = run.shared();
        let task = tokio::spawn(run.run());
        Ok(Self {
            shared,
            stop,
            task: tokio::sync::Mutex::new(Some(task)),
            sources,
            sink,
        })
    }

    /// The query's id, the same over all its runs.
    #[must_use]
    pub fn id(&self) -> QueryId {
        self.shared.query_id
    }

    /// This run's id.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.shared.run_id
    }

    /// Asks the query to stop: a batch that is not prepared is abandoned and will be run again, one
    /// that is prepared is committed. [`Self::await_termination`] tells when it has.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// A token that stops the query when it is cancelled, for signal handlers.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits for the query's end; a stop that was asked for is a success. A caller that gives up
    /// waiting may come back. What ended the query is told once: after that, it is `Ok`.
    ///
    /// # Errors
    /// What ended the query.
    pub async fn await_termination(&self) -> Result<()> {
        let mut task = self.task.lock().await;
        let Some(running) = task.as_mut() else {
            return Ok(());
        };
        let ended = running.await;
        *task = None;
        ended.map_err(|error| Error::internal("the query's task died").with_source(error))?
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// What this run has done so far.
    #[must_use]
    pub fn summary(&self) -> QuerySummary {
        self.shared.lock().summary.clone()
    }

    /// The last batches' progress, oldest first; at most 100.
    #[must_use]
    pub fn recent_progress(&self) -> Vec<QueryProgress> {
        self.shared.lock().recent.iter().cloned().collect()
    }

    /// The last batch's progress.
    #[must_use]
    pub fn last_progress(&self) -> Option<QueryProgress> {
        self.shared.lock().recent.back().cloned()
    }

    /// The table's newest version; `None` without a table.
    ///
    /// # Errors
    /// `Unavailable` or `Storage` when the sink cannot be read.
    pub async fn sink_version(&self) -> Result<Option<u64>> {
        self.sink.latest_version().await
    }

    /// How many records the sources hold beyond what was read.
    ///
    /// # Errors
    /// `Unavailable` when a source is out of reach, or the query has not found its place.
    pub async fn remaining_lag(&self) -> Result<u64> {
        let reached = self.shared.lock().reached.clone();
        if reached.is_empty() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the query does not know yet where it begins; ask again once it has started",
            ));
        }
        let mut lag = 0;
        for (source, reached) in self.sources.iter().zip(reached) {
            let latest = source.latest_offset(&reached).await?;
            lag += source.records(&SourceRange {
                start: reached,
                end: latest,
            })?;
        }
        Ok(lag)
    }
}

/// What the loop writes and the handle reads.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) query_id: QueryId,
    pub(super) run_id: RunId,
    pub(super) name: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    summary: QuerySummary,
    recent: VecDeque<QueryProgress>,
    reached: Vec<SourceOffset>,
    start_known: bool,
}

impl Shared {
    pub(super) fn new(query_id: QueryId, run_id: RunId, name: Option<String>) -> Self {
        Self {
            query_id,
            run_id,
            name,
            state: Mutex::default(),
        }
    }

    /// A panic of another holder leaves plain counters behind: they are still worth reading.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where this run begins, unless a recovered batch has said so already.
    pub(super) fn set_start(&self, sources: &[Arc<dyn StreamSource>], starts: &[SourceOffset]) {
        let mut state = self.lock();
        let shown = display(sources, starts);
        if !state.start_known {
            state.start_known = true;
            let group = |source: &Arc<dyn StreamSource>| source.offsets_group(self.query_id);
            state.summary.group_ids = sources.iter().map(group).collect();
            state.summary.start_offsets.clone_from(&shown);
        }
        state.summary.end_offsets = shown;
        state.reached = starts.to_vec();
    }

    pub(super) fn set_offset_commit_failures(&self, failures: u64) {
        self.lock().summary.offset_commit_failures = failures;
    }

    pub(super) fn record(
        &self,
        sources: &[Arc<dyn StreamSource>],
        batch: &OffsetsEntry,
        progress: &QueryProgress,
    ) {
        self.set_start(sources, &starts(batch));
        let mut state = self.lock();
        state.reached = ends(batch);
        state.summary.end_offsets = display(sources, &state.reached);
        state.summary.batches += 1;
        state.summary.input_rows += progress.num_input_rows;
        state.summary.output_rows += progress.sink.num_output_rows;
        if let Some(found) = &progress.expectations {
            state.summary.add(found);
        }
        if progress.sink.version.is_some() {
            state.summary.sink_version = progress.sink.version;
        }
        if state.recent.len() == RECENT_PROGRESS {
            state.recent.pop_front();
        }
        state.recent.push_back(progress.clone());
    }
}

fn display(sources: &[Arc<dyn StreamSource>], offsets: &[SourceOffset]) -> Vec<Value> {
    sources
        .iter()
        .zip(offsets)
        .map(|(source, offset)| source.display_offset(offset))
        .collect()
}
