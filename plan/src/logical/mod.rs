//! Logical nodes Weir adds to DataFusion's, and how they are planned.

mod write;

pub use write::{WriteNode, WritePlanner};
