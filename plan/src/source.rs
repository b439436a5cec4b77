//! What a streaming source promises to the micro-batch runtime.
//!
//! A source names positions ([`SourceOffset`]), tells how far it could be read now, cuts the next
//! batch, and turns a logged range into a bounded table. It keeps no state between calls that a
//! restart would need: the runtime logs every offset before it is read, and reads a logged range
//! again after a crash. The same range must give the same rows, however often it is read.

use std::fmt::{self, Debug, Display};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_proto::QueryId;

use crate::error::Result;

/// A position of a source, as it is logged in `offsets/N`. Only its source reads the inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceOffset(pub Value);

impl fmt::Display for SourceOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// What the next batch reads: everything from `start` up to, and without, `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRange {
    /// Where the batch begins; complete, so that a replay needs nothing else.
    pub start: SourceOffset,
    /// Where the batch ends, exclusive.
    pub end: SourceOffset,
}

/// How much of what is there one batch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadLimit {
    /// What the source's own options allow (`maxOffsetsPerTrigger`).
    SourceOptions,
    /// Everything: `Trigger::Once`, after Spark's `ReadLimit.allAvailable`.
    AllAvailable,
}

/// How far a position lies behind how far its source could be read, in offsets: gaps and transaction
/// markers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Per part, as users read it: Kafka's `{"topic":{"0":42}}`.
    pub shown: Value,
    /// The same as numbers, one per part.
    pub parts: Vec<u64>,
}

/// A source of a streaming query: see the module's documentation.
#[async_trait]
pub trait StreamSource: Debug + Send + Sync {
    /// The source's format, recorded in the checkpoint: a restart with another one is refused.
    fn kind(&self) -> &'static str;

    /// What it reads, for progress and messages, e.g. `kafka[subscribe: orders,events]`.
    fn description(&self) -> String;

    /// The schema of every batch.
    fn schema(&self) -> SchemaRef;

    /// Where a query without a checkpoint begins. Asked once per checkpoint.
    ///
    /// # Errors
    /// `NotFound` for what the options name and the source lacks, `Unavailable` when it is out of
    /// reach.
    async fn initial_offset(&self) -> Result<SourceOffset>;

    /// How far the source could be read now, everything up to `reached` having been read.
    /// `AvailableNow` asks once per run and freezes the answer.
    ///
    /// # Errors
    /// As [`Self::initial_offset`].
    async fn latest_offset(&self, reached: &SourceOffset) -> Result<SourceOffset>;

    /// Cuts the next batch out of what lies between `reached` and `latest`, within `limit`; `None`
    /// when there is nothing. Parts new since `reached` (an added partition) start at
    /// their beginning.
    ///
    /// # Errors
    /// `DataLoss` when `latest` lies before `reached`, or a part of `reached` is gone, or a new
    /// part has already lost records (unless the options say to go on).
    async fn next_range(
        &self,
        reached: &SourceOffset,
        latest: &SourceOffset,
        limit: ReadLimit,
    ) -> Result<Option<SourceRange>>;

    /// The bounded table of a logged range.
    ///
    /// # Errors
    /// `DataLoss` when part of the range is gone.
    async fn read(&self, range: &SourceRange) -> Result<Arc<dyn TableProvider>>;

    /// How many records lie in `range`, at most: gaps and transaction markers count.
    ///
    /// # Errors
    /// `CorruptCheckpoint` when the offsets are not this source's.
    fn records(&self, range: &SourceRange) -> Result<u64>;

    /// How far `reached` lies behind `latest`; `None` of a source that cannot tell.
    ///
    /// # Errors
    /// `CorruptCheckpoint` when the offsets are not this source's.
    fn behind(&self, reached: &SourceOffset, latest: &SourceOffset) -> Result<Option<Behind>> {
        let _ = (reached, latest);
        Ok(None)
    }

    /// The source's own record of query `query_id` that [`Self::commit_offsets`] keeps, e.g. a consumer
    /// group; `None` when it keeps none.
    fn offsets_group(&self, query_id: QueryId) -> Option<String> {
        let _ = query_id;
        None
    }

    /// Lets onlookers know that `query_id` is done with everything before `reached`: Spark's
    /// `Source.commit`. Nothing is ever read from it, and a failure loses nothing.
    ///
    /// # Errors
    /// `Unavailable` when the source is out of reach or refuses.
    async fn commit_offsets(&self, query_id: QueryId, reached: &SourceOffset) -> Result<()> {
        let _ = (query_id, reached);
        Ok(())
    }

    /// An offset as users read it in progress and results, e.g. Spark's `{"topic":{"0":42}}`.
    fn display_offset(&self, offset: &SourceOffset) -> Value {
        offset.0.clone()
    }
}
