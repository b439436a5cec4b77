//! What a drain did, for the job's result line.

use serde::Serialize;
use serde_json::Value;
use weir::{QuerySummary, RuleProgress};

use crate::outcome::Details;

/// The job's part of its result line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Drained {
    /// The query's id, the same over all runs on one checkpoint.
    pub query_id: Option<String>,
    /// Batches closed by this run.
    pub batches: u64,
    /// Records read by this run: `rows`, `dead_letters` and `dropped` together.
    pub records: u64,
    /// Rows written by this run.
    pub rows: u64,
    /// Records that are dead letters.
    pub dead_letters: u64,
    /// Records that rules left out.
    pub dropped: u64,
    /// Each rule of `--expect`, over this run's records.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleProgress>,
    /// Where this run began: `{"topic":{"partition":offset}}`.
    pub start_offsets: Value,
    /// Where it ended, exclusive.
    pub end_offsets: Value,
    /// The consumer group that the offsets are committed to, for onlookers.
    pub group_id: Option<String>,
    /// How often that failed.
    pub offset_commit_failures: u64,
    /// Records in the topics beyond that; null when it could not be found out.
    pub remaining_lag: Option<u64>,
    /// The table's version; null without a table.
    pub delta_version: Option<u64>,
}

impl Details for Drained {
    const JOB: &'static str = super::NAME;
}

impl Drained {
    /// What query `query_id` has done.
    pub(super) fn new(query_id: String, summary: QuerySummary) -> Self {
        Self {
            query_id: Some(query_id),
            batches: summary.batches,
            records: summary.input_rows,
            rows: summary.output_rows,
            dead_letters: summary.dead_letter_rows,
            dropped: summary.dropped_rows,
            rules: summary.rules,
            start_offsets: only(summary.start_offsets),
            end_offsets: only(summary.end_offsets),
            group_id: summary.group_ids.into_iter().next().flatten(),
            offset_commit_failures: summary.offset_commit_failures,
            remaining_lag: None,
            delta_version: summary.sink_version,
        }
    }
}

/// The job's one source.
fn only(mut offsets: Vec<Value>) -> Value {
    offsets.pop().unwrap_or(Value::Null)
}
