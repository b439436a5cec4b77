//! Logical nodes Weir adds to DataFusion's, and how they are planned.

mod planner;
mod write;

pub use planner::WeirQueryPlanner;
pub use write::{WriteNode, WritePlanner};
