//! Functions Weir adds to DataFusion's, by name, and Spark's types.
//!
//! [`registry`] is the list of them, by which they travel to executors.

pub mod ddl;
pub mod json;
pub mod kernel;
mod pinned;
pub mod registry;
mod strings;
pub mod time;

pub use json::from_json;
pub use pinned::{PinnedParameters, bind_pinned, pinned, pinned_parameters};
