//! JSON in columns: [`from_json`], `get_json_object` and `to_json`, as Spark has them.
//!
//! Text is read once, byte by byte, into the result's own buffers (`functions::column`); there is no document
//! in between.

mod compact;
mod cursor;
mod from_json;
mod number;
mod options;
mod path;
mod read;
mod records;
mod to_json;

pub(super) use from_json::FromJson;
pub use from_json::from_json;
pub(super) use number::parse_decimal;
pub use options::JSON_OPTIONS;
pub(super) use path::get_json_object_kernel;
pub(super) use read::{Defaults, Inner};
pub(super) use records::read_records;
pub(super) use to_json::{quote, to_json_kernel, write_timestamp, write_value};
