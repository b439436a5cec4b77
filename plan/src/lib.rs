//! What Weir adds to DataFusion's planning, and the boundary traits its parts meet at.
//!
//! Nothing here names Kafka, Delta or a cluster: connectors implement [`StreamSource`] and
//! [`StreamSink`], the micro-batch runtime drives them, and every Weir node is an ordinary
//! `ExecutionPlan` with a [`NodeCodec`], so that nothing knows under which master it runs.

pub mod codec;
pub mod compact;
pub mod dead_letters;
pub mod error;
pub mod estimate;
pub mod functions;
pub mod joins;
pub mod logical;
pub mod manifest;
pub mod memory_pool;
pub mod object_url;
mod one_input;
pub mod options;
pub mod partitioning;
pub mod placement;
mod registered;
pub mod schema_registry;
pub mod settings;
pub mod sink;
pub mod source;
pub mod stream_table;
pub mod write_node;

pub use codec::{NodeCodec, WeirCodec};
pub use error::{Error, ErrorKind, Result, causes, find_own};
pub use options::{OptionSpec, Options};
pub use placement::{RemoteTasks, StageTasks, TaskSlot};
pub use registered::memory_released;
pub use schema_registry::{RegisteredSchema, SchemaRegistry, SchemaType, SubjectVersion};
pub use settings::Settings;
pub use sink::{CommitRequest, Committed, Diverted, StreamSink, WriteStep, Written};
pub use source::{Behind, ReadLimit, SourceOffset, SourceRange, StreamSource};
pub use stream_table::StreamTable;
pub use weir_proto::{BatchId, QueryId, RunId};

/// The metric by which a streaming source's scan node reports the records it read, in a node's
/// `MetricsSet`.
pub const STREAM_INPUT_ROWS: &str = "stream_input_rows";
