//! Readers and writers: formats and options by name, as in Spark.

mod format;
mod read;
mod read_files;
mod read_stream;
mod reader_schema;
mod schema_change;
mod write;
mod write_delta;
mod write_files;
mod write_stream;

pub use read::DataFrameReader;
pub use read_stream::DataStreamReader;
pub use reader_schema::{BreakingChange, ReaderSchema};
pub use write::{DataFrameWriter, SaveMode};
pub use write_stream::DataStreamWriter;
