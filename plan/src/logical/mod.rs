//! Logical nodes Weir adds to DataFusion's, and how they are planned.

mod persist;
mod planner;
mod write;

use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};

use crate::error::{Error, Result};

pub use persist::{PersistNode, Persisted};
pub use planner::WeirQueryPlanner;
pub use write::{WriteNode, WritePlanner};

/// The node of Weir's that `plan` is, if it is a `T`.
pub(crate) fn own_node<T: UserDefinedLogicalNode + 'static>(plan: &LogicalPlan) -> Option<&T> {
    match plan {
        LogicalPlan::Extension(node) => node.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// The only one of the `inputs` of a logical node.
///
/// # Errors
/// `Internal`, naming `node`, when there are more or fewer.
pub(crate) fn only_plan(node: &str, inputs: Vec<LogicalPlan>) -> Result<LogicalPlan> {
    let given = inputs.len();
    let only = <[LogicalPlan; 1]>::try_from(inputs).map(|[input]| input);
    only.map_err(|_| Error::internal(format!("{node} takes one input, not {given}")))
}
