//! What a place of dead letters promises to the micro-batch runtime.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use weir_proto::{BatchId, QueryId};

use crate::error::Result;
use crate::sink::{CommitRequest, WriteStep};

/// Where a query's dead letters go. Tasks write them as files beside those of the table; they count once they are committed, which is
/// before the batch's rows are.
#[async_trait]
pub trait LetterSink: Debug + Send + Sync {
    /// Where they go, logged with a batch: it is finished there and nowhere else.
    fn location(&self) -> String;

    /// Called once per run before anything is read: checks that letters can be written, and creates nothing.
    ///
    /// # Errors
    /// `SchemaMismatch`, `NotFound`, `Unavailable`, naming the place and what to do.
    async fn open(&self, query_id: QueryId) -> Result<()>;

    /// How letters ([`letters_schema`](super::letters_schema)) of `batch` become files.
    ///
    /// # Errors
    /// As [`Self::open`].
    async fn write_step(&self, batch: BatchId) -> Result<Arc<dyn WriteStep>>;

    /// Commits the letters of a prepared batch, exactly once for its (query, batch) however often it is called.
    ///
    /// # Errors
    /// Whatever keeps them from being committed; calling again is safe.
    async fn commit(&self, request: CommitRequest<'_>) -> Result<()>;

    /// The batch is closed: what was only staged for it goes, also what attempts that were killed have left.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`; nothing is lost but room.
    async fn closed(&self, batch: BatchId) -> Result<()>;
}
