//! Logical nodes Weir adds to DataFusion's, and how they are planned.

mod persist;
mod planner;
mod write;

pub use persist::{PersistNode, Persisted};
pub use planner::WeirQueryPlanner;
pub use write::{WriteNode, WritePlanner};
