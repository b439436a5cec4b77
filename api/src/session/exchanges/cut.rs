//! Which parts of a plan are kept before what comes after them begins.
//!
//! A part ends where rows that an aggregation, a join or a window has computed are shuffled again, for the next join or window. Not where
//! they are only broadcast or aggregated: there is little to send, and what there is, partial aggregation has made less.
//!
//! ```text
//!  Join a.n = b.k        exchange
//!  ├─ Aggregate by k     ◀── a part, if it is large; its rows are where their k is, not their n
//!  └─ TableScan          (is durable already)
//! ```

use std::sync::Arc;

use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, Partitioning};

/// Where a node is: the number of the input to take, from the root down.
pub(super) type Place = Vec<usize>;

/// A part of a plan that might be kept, and the node that takes its rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) part: Place,
    pub(super) consumer: Place,
}

/// The candidates of `plan`, each before those that contain it.
pub(super) fn candidates(plan: &LogicalPlan) -> Vec<Candidate> {
    let mut found = Vec::new();
    find(plan, &mut Vec::new(), &mut found);
    found
}

fn find(plan: &LogicalPlan, place: &mut Place, found: &mut Vec<Candidate>) {
    // What a recursive query gives changes from round to round; what is explained is not run in parts.
    if matches!(
        plan,
        LogicalPlan::RecursiveQuery(_) | LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)
    ) {
        return;
    }
    for (number, input) in plan.inputs().into_iter().enumerate() {
        place.push(number);
        find(input, place, found);
        if matches!(plan, LogicalPlan::Join(_) | LogicalPlan::Window(_)) && is_computed(input) {
            found.push(Candidate {
                part: place.clone(),
                consumer: place[..place.len() - 1].to_vec(),
            });
        }
        place.pop();
    }
}

/// Whether rows had to be brought together for `plan`.
fn is_computed(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Distinct(_) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Union(_) => plan.inputs().into_iter().any(is_computed),
        _ => false,
    }
}

/// The node at `place`.
pub(super) fn node_at<'a>(plan: &'a LogicalPlan, place: &[usize]) -> Option<&'a LogicalPlan> {
    place
        .iter()
        .try_fold(plan, |node, number| node.inputs().into_iter().nth(*number))
}

/// `plan` with `node`, of the same columns, at `place`.
pub(super) fn replaced(
    plan: LogicalPlan,
    place: &[usize],
    node: LogicalPlan,
) -> DataFusionResult<LogicalPlan> {
    use datafusion::common::tree_node::TreeNode as _;
    let Some((wanted, below)) = place.split_first() else {
        return Ok(node);
    };
    let mut node = Some(node);
    let mut number = 0;
    let plan = plan.map_children(|input| {
        let here = number == *wanted;
        number += 1;
        match node.take_if(|_| here) {
            Some(node) => Ok(Transformed::yes(replaced(input, below, node)?)),
            None => Ok(Transformed::no(input)),
        }
    })?;
    Ok(plan.data)
}

/// Whether `plan`, that of a consumer, shuffles the rows of `part`. A side that is partitioned as the consumer needs it is not shuffled again.
pub(super) fn shuffles(plan: &Arc<dyn ExecutionPlan>, part: &LogicalPlan) -> bool {
    if is_consumer(plan) {
        let names = |input: &Arc<dyn ExecutionPlan>| {
            let schema = input.schema();
            let own = schema.fields().iter().map(|field| field.name());
            own.eq(part.schema().fields().iter().map(|field| field.name()))
        };
        // The sides of a join may have been swapped: the part's is told by its columns.
        let inputs = plan.children();
        let of_part = inputs.iter().any(|input| names(input));
        let mut taken = inputs.into_iter().filter(|input| !of_part || names(input));
        return taken.any(is_shuffled);
    }
    match plan.children().as_slice() {
        [input] => shuffles(input, part),
        _ => false,
    }
}

fn is_consumer(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<HashJoinExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<WindowAggExec>()
        || plan.is::<BoundedWindowAggExec>()
}

/// Whether `plan` gives rows of an exchange that nothing has computed with since.
fn is_shuffled(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
        return matches!(exchange.partitioning(), Partitioning::Hash(..));
    }
    match plan.children().as_slice() {
        [input] if !is_consumer(plan) && !plan.is::<AggregateExec>() => is_shuffled(input),
        _ => false,
    }
}
