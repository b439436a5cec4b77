//! The checkpoint's entries as types. Field names are the file format: they do not change.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use weir_plan::functions::PinnedParameters;
use weir_plan::{BatchId, QueryId, RunId, SourceOffset, SourceRange, Written};

/// Who wrote an entry, so that a fenced process can name the winner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Writer {
    /// The start of the query that wrote it.
    pub run_id: RunId,
    /// Its machine's name.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// When that run started.
    pub started: DateTime<Utc>,
}

impl Writer {
    /// This process, for run `run_id` started at `started`.
    #[must_use]
    pub fn this_process(run_id: RunId, started: DateTime<Utc>) -> Self {
        Self {
            run_id,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
            started,
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "run {} (process {} on {}, started {})",
            self.run_id,
            self.pid,
            self.host,
            self.started.to_rfc3339_opts(SecondsFormat::Secs, true)
        )
    }
}

/// `metadata`: what makes a checkpoint this query's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The query's id over all its runs.
    pub query_id: QueryId,
    /// The kind of every source, in the order of the plan.
    pub sources: Vec<String>,
    /// Where it writes.
    pub sink: SinkIdentity,
    /// When the checkpoint was made.
    pub created: DateTime<Utc>,
}

/// A sink as `metadata` knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkIdentity {
    /// Its format.
    pub kind: String,
    /// Its URL.
    pub location: String,
}

/// `start`: where the query begins, whenever its first batch comes. Asked again, a source that starts
/// at its end would skip what came between two runs that had nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartEntry {
    /// One position per source, in the order of the plan.
    pub sources: Vec<SourceOffset>,
    /// Who asked the sources.
    pub writer: Writer,
}

/// One source's part of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedSource {
    /// The source's kind.
    pub kind: String,
    /// What it reads, for people.
    pub description: String,
    /// What the batch reads of it.
    #[serde(flatten)]
    pub range: SourceRange,
}

/// `offsets/N`: everything batch N's rows depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OffsetsEntry {
    /// N.
    pub batch_id: BatchId,
    /// The time the batch's rows see (`current_timestamp()`), in milliseconds since the epoch.
    pub batch_timestamp_ms: i64,
    /// Values of the query's pinned parameters.
    pub parameters: PinnedParameters,
    /// One range per source, in the order of the plan.
    pub sources: Vec<LoggedSource>,
    /// Who planned it.
    pub writer: Writer,
}

/// `prepared/N`: everything the commit of batch N needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreparedEntry {
    /// N.
    pub batch_id: BatchId,
    /// The files its tasks wrote.
    pub written: Written,
    /// Records read from the sources.
    pub input_rows: u64,
    /// Who owns the batch.
    pub writer: Writer,
}

/// `commits/N`: batch N is in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitsEntry {
    /// N.
    pub batch_id: BatchId,
    /// The table version that holds it, if it wrote anything.
    pub sink_version: Option<u64>,
    /// Who closed it.
    pub writer: Writer,
}

/// What every entry of a batch tells: the batch, and who decided it.
pub trait BatchEntry: Serialize + DeserializeOwned {
    /// N.
    fn batch_id(&self) -> BatchId;

    /// Who wrote the entry.
    fn writer(&self) -> &Writer;
}

macro_rules! batch_entry {
    ($($entry:ty),*) => {$(
        impl BatchEntry for $entry {
            fn batch_id(&self) -> BatchId {
                self.batch_id
            }

            fn writer(&self) -> &Writer {
                &self.writer
            }
        }
    )*};
}

batch_entry!(OffsetsEntry, PreparedEntry, CommitsEntry);
