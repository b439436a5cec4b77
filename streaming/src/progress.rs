//! What a query reports: steps as they are taken, and one progress record per batch.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;
use weir_plan::{BatchId, Behind, QueryId, RunId};

use crate::contract::ExpectationsProgress;

/// A step of the commit protocol, in the order of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchStep {
    /// `offsets/N` is written.
    OffsetsLogged,
    /// The tasks are done and `prepared/N` is written.
    Prepared,
    /// The batch's dead letters are where they go. Only of a batch that has some.
    DeadLettersCommitted,
    /// The sink has committed.
    SinkCommitted,
    /// `commits/N` is written.
    Closed,
}

/// What a [`QueryListener`] hears.
#[derive(Debug, Clone)]
pub enum QueryEvent {
    /// The query found its place; for `AvailableNow` its ends are frozen from here on.
    Started {
        /// The query.
        query_id: QueryId,
        /// This run of it.
        run_id: RunId,
    },
    /// A batch took a step.
    Step {
        /// The batch.
        batch_id: BatchId,
        /// The step it has taken.
        step: BatchStep,
    },
    /// A batch is closed.
    Progress(Box<QueryProgress>),
    /// The query ended, with an error's text if it failed.
    Terminated {
        /// This run.
        run_id: RunId,
        /// Why it failed.
        error: Option<String>,
    },
}

/// Hears a query's events, in order, on the query's own task: it must return soon.
pub trait QueryListener: Send + Sync {
    /// Called at every event.
    fn on_event(&self, event: &QueryEvent);
}

/// One batch, with Spark's field names.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryProgress {
    /// The query.
    pub id: QueryId,
    /// This run of it.
    pub run_id: RunId,
    /// The query's name, if it was given one.
    pub name: Option<String>,
    /// When the batch began, RFC 3339 in UTC.
    #[serde(serialize_with = "as_millis_utc")]
    pub timestamp: DateTime<Utc>,
    /// The batch.
    pub batch_id: BatchId,
    /// Whether an earlier run had planned it.
    pub recovered: bool,
    /// Records read.
    pub num_input_rows: u64,
    /// Records read per second of the whole batch.
    pub processed_rows_per_second: f64,
    /// How long each phase took, in milliseconds.
    pub duration_ms: PhaseDurations,
    /// One entry per source.
    pub sources: Vec<SourceProgress>,
    /// What was written.
    pub sink: SinkProgress,
    /// What the rules found; of a query that has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectations: Option<ExpectationsProgress>,
}

/// Milliseconds per phase of a batch; zero for a phase that was not needed.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseDurations {
    /// Asking the sources how far they could be read, and cutting the batch.
    pub latest_offset: u64,
    /// Writing `offsets/N`.
    pub wal_commit: u64,
    /// Binding the plan to the batch's ranges.
    pub query_planning: u64,
    /// Running it: reading, computing, writing files.
    pub add_batch: u64,
    /// Writing `prepared/N`.
    pub prepare: u64,
    /// The commit of its dead letters.
    pub dead_letters_commit: u64,
    /// The sink's commit.
    pub sink_commit: u64,
    /// Writing `commits/N`.
    pub commit_offsets: u64,
    /// All of it.
    pub trigger_execution: u64,
}

/// A source's part of a batch.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceProgress {
    /// What is read.
    pub description: String,
    /// Where the batch began.
    pub start_offset: Value,
    /// Where it ended.
    pub end_offset: Value,
    /// How far the source could be read; null for a batch an earlier run had planned.
    pub latest_offset: Value,
    /// How far the batch's end lies behind that, per part, in offsets; null where it is not known.
    pub offsets_behind_latest: Value,
    /// Spark's figures of the same, as text: `avgOffsetsBehindLatest`, `maxOffsetsBehindLatest`,
    /// `minOffsetsBehindLatest`, and `totalOffsetsBehindLatest` beside them.
    pub metrics: BTreeMap<&'static str, String>,
    /// Where others can see how far the query is: Kafka's consumer group.
    pub group_id: Option<String>,
    /// How often this run could not tell it, up to now.
    pub offset_commit_failures: u64,
}

/// A sink's part of a batch.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkProgress {
    /// Where it writes.
    pub description: String,
    /// Rows written.
    pub num_output_rows: u64,
    /// Files written.
    pub num_files: u64,
    /// Bytes of those files.
    pub num_bytes: u64,
    /// The table version that holds the batch.
    pub version: Option<u64>,
}

/// The figures of [`SourceProgress::metrics`]; none of a source without parts.
pub(crate) fn lag_metrics(behind: &Behind) -> BTreeMap<&'static str, String> {
    let parts = &behind.parts;
    let (Some(min), Some(max)) = (parts.iter().min(), parts.iter().max()) else {
        return BTreeMap::new();
    };
    let total = parts.iter().copied().fold(0, u64::saturating_add);
    // A double, as Spark's: 0.0.
    let avg = total as f64 / parts.len() as f64;
    BTreeMap::from([
        ("avgOffsetsBehindLatest", format!("{avg:?}")),
        ("maxOffsetsBehindLatest", max.to_string()),
        ("minOffsetsBehindLatest", min.to_string()),
        ("totalOffsetsBehindLatest", total.to_string()),
    ])
}

fn as_millis_utc<S: Serializer>(time: &DateTime<Utc>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
