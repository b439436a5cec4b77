//! JSON lines: inferring their columns, decoding them, and the plan node that reads them.
//!
//! Not DataFusion's reader of JSON: it names neither the file nor the line that it fails at, knows none
//! of Spark's modes for such lines, and cannot travel when files are compressed.

mod decode;
mod exec;
mod infer;
mod lines;

pub(super) use decode::Settings;
pub use exec::JsonReadExec;
pub(super) use exec::{JsonFile, JsonScan};
pub(super) use infer::infer_schema;
