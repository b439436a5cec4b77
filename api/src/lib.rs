//! Weir: dataframes in batch and micro-batch, from Kafka into Delta tables, exactly once.
//!
//! ```no_run
//! use weir::prelude::*;
//!
//! #[weir::main]
//! async fn main() -> weir::Result<()> {
//!     let session = Session::builder().app_name("bronze").get_or_create().await?;
//!     let orders = session
//!         .read_stream()
//!         .format("kafka")
//!         .option("kafka.bootstrap.servers", "broker:9092")
//!         .option("subscribe", "raw.orders")
//!         .option("startingOffsets", "earliest")
//!         .load()
//!         .await?;
//!     orders
//!         .select([col("topic"), col("partition"), col("offset"), col("value").cast("string")?])?
//!         .write_stream()
//!         .format("delta")
//!         .partition_by(["topic"])
//!         .option("checkpointLocation", "/lake/_checkpoints/orders")
//!         .trigger(Trigger::AvailableNow)
//!         .start("/lake/bronze/orders")
//!         .await?
//!         .await_termination()
//!         .await
//! }
//! ```
//!
//! Names, options and defaults are Spark's: methods in `snake_case`, option keys verbatim.

pub mod dataframe;
pub mod delta;
pub mod dlq;
pub mod executor;
pub mod functions;
pub mod io;
pub mod lag;
pub mod prelude;
pub mod program;
pub mod quality;
pub mod session;
mod work_dir;

pub use dataframe::{
    DataFrame, DropNa, ExplainMode, Fill, GroupedData, QueryProfile, StageProfile,
};
pub use io::{
    BreakingChange, DataFrameReader, DataFrameWriter, DataStreamReader, DataStreamWriter,
    ReaderSchema, SaveMode,
};
pub use program::exit_code;
pub use session::{ExecutorAddress, Master, Session, SessionBuilder};
pub use weir_connectors::SchemaRegistryClient;
pub use weir_macros::main;
pub use weir_plan::functions::ddl::parse_schema;
pub use weir_plan::options::did_you_mean;
pub use weir_plan::settings;
pub use weir_plan::{
    BatchId, Error, ErrorKind, Options, QueryId, RegisteredSchema, Result, RunId, SchemaType,
    SubjectVersion,
};
pub use weir_streaming::{
    BatchStep, Clock, DryRun, ExpectationsProgress, QueryEvent, QueryListener, QueryProgress,
    QuerySummary, RuleProgress, StreamingQuery, Trigger,
};

/// A Kafka for demos.
pub use weir_connectors::kafka::{DemoBroker, DemoRecord};

/// DataFusion, for what Weir does not wrap ([`DataFrame::into_datafusion`]).
pub use datafusion;
