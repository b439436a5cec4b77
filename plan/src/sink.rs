//! What a streaming sink promises to the micro-batch runtime.
//!
//! A write is three named steps: *repartition* and *write* run in tasks and leave files nobody reads
//! yet; *commit* runs once, in the job's process, and makes them part of the table. The runtime logs
//! what was written (`prepared/N`) between write and commit, so that a crash at any point leaves
//! either a batch to run again, with orphan files, or a batch to commit, never to recompute.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};
use weir_proto::{BatchId, QueryId};

use crate::dead_letters::{CheckCounts, Diversion};
use crate::error::{Error, Result};

/// What one batch wrote, as it is logged in `prepared/N` and committed from there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// One entry per file, in the sink's own form (Delta: the `add` action as JSON).
    pub files: Vec<String>,
    /// Rows in those files.
    pub rows: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// What became of rows that are in none of them; only of a write that told rows apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverted: Option<Box<Diverted>>,
}

/// What a batch's tasks wrote and counted beside the rows of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverted {
    /// Where the dead letters go; empty where there can be none.
    pub location: String,
    /// One entry per file of dead letters, in that place's own form.
    pub files: Vec<String>,
    /// Letters in those files.
    pub rows: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// How many rows were looked at, and broke which rule.
    pub counts: CheckCounts,
}

/// Who commits, and which batch.
#[derive(Debug, Clone)]
pub struct CommitRequest<'a> {
    /// The query: the Delta `txn` application id.
    pub query_id: QueryId,
    /// The batch: the Delta `txn` version.
    pub batch_id: BatchId,
    /// What to commit, read back from `prepared/N`.
    pub written: &'a Written,
    /// An earlier run wrote it, maybe long ago: its files may be gone.
    pub recovered: bool,
    /// Facts to record with the commit (source offsets, writer), by name.
    pub info: BTreeMap<String, serde_json::Value>,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The table version that holds the batch; `None` when the batch wrote nothing and no version
    /// was made.
    pub version: Option<u64>,
    /// The batch was in the table already: an earlier attempt had committed it.
    pub already: bool,
}

/// A sink of a streaming query: see the module's documentation.
#[async_trait]
pub trait StreamSink: Debug + Send + Sync {
    /// The sink's format, recorded in the checkpoint.
    fn kind(&self) -> &'static str;

    /// Where it writes (a URL), recorded in the checkpoint: a restart that writes elsewhere is
    /// refused.
    fn location(&self) -> String;

    /// Called once per run before anything is read or planned: checks that rows of `schema` can be
    /// written, and creates nothing.
    ///
    /// # Errors
    /// `SchemaMismatch`, naming the columns; `Unsupported`, naming a table feature that cannot be
    /// honoured.
    async fn open(&self, query_id: QueryId, schema: SchemaRef) -> Result<()>;

    /// The write step of a batch: how rows of `schema` become files.
    ///
    /// # Errors
    /// As [`Self::open`].
    async fn write_step(&self, schema: SchemaRef) -> Result<Arc<dyn WriteStep>>;

    /// The write step of a batch some of whose rows are dead letters: those of `schema`, whose last column is
    /// [`LETTER`](crate::dead_letters::LETTER). What is left of them after `diversion` is written as by [`Self::write_step`], the letters as
    /// by `letters`; without, there are none.
    ///
    /// # Errors
    /// As [`Self::open`]; `Unsupported` for a sink that cannot.
    async fn diverting_step(
        &self,
        _schema: SchemaRef,
        _diversion: Diversion,
        _letters: Option<Arc<dyn WriteStep>>,
    ) -> Result<Arc<dyn WriteStep>> {
        Err(Error::unsupported(format!(
            "expectations of a stream that is written as {} are not supported",
            self.kind()
        )))
    }

    /// Commits a prepared batch, exactly once for its (query, batch) however often it is called and
    /// whoever calls it.
    ///
    /// # Errors
    /// `Unavailable` or `Storage` when it is not known to be committed; calling again is safe.
    async fn commit(&self, request: CommitRequest<'_>) -> Result<Committed>;

    /// The newest batch of `query_id` in the table; `None` without one or without a table. A batch that
    /// wrote nothing need not show.
    ///
    /// # Errors
    /// As [`Self::commit`].
    async fn committed_batch(&self, query_id: QueryId) -> Result<Option<BatchId>>;

    /// The table's newest version, for a run's result; `None` without a table or versions.
    ///
    /// # Errors
    /// As [`Self::commit`].
    async fn latest_version(&self) -> Result<Option<u64>>;
}

/// Builds the physical node that writes one batch. Its rows are
/// [`manifest_schema`](crate::manifest::manifest_schema)'s.
pub trait WriteStep: std::any::Any + Debug + Send + Sync {
    /// What `explain` shows, e.g. `delta file:///lake/bronze`.
    fn description(&self) -> String;

    /// The node over `input`. It writes in every partition of its input.
    ///
    /// # Errors
    /// `InvalidPlan` when the input's schema is not the one the step was made for.
    fn create_exec(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>>;
}
