//! From a query's plan to one batch's: streams become the tables of their ranges.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{JoinType, LogicalPlan, LogicalPlanBuilder, TableScan};
use weir_plan::logical::PersistNode;
use weir_plan::{Error, Result, StreamSource, StreamTable};

/// The sources of `plan`, in the order in which they stand in it; a source that is read twice counts
/// once, so that both reads see the same range.
///
/// # Errors
/// `InvalidPlan` when the plan has no streaming source.
pub(crate) fn sources_of(plan: &LogicalPlan) -> Result<Vec<Arc<dyn StreamSource>>> {
    let mut sources: Vec<Arc<dyn StreamSource>> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let Some(source) = stream_scan(node)
            && !sources.iter().any(|known| same(known, &source))
        {
            sources.push(source);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if sources.is_empty() {
        return Err(Error::invalid_plan(
            "write_stream() needs a dataframe made by read_stream(); use write() for this one",
        ));
    }
    Ok(sources)
}

/// Refuses what would not mean, batch by batch, what it means over the whole stream.
///
/// # Errors
/// `Unsupported`, naming the operation.
pub(crate) fn check_streamable(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let Some(what) = stateful(node)
            && reads_stream(node)
        {
            return Err(Error::unsupported(format!(
                "{what} on a stream is not supported yet: it needs state that lasts over batches; \
                 write the stream to a table and compute it there"
            ))
            .into());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// The bounded table of one batch's range.
pub(crate) type BatchTable = Arc<dyn TableProvider>;

/// `plan` with every streaming scan replaced by its source's table of this batch.
///
/// # Errors
/// `Internal` when a source has no table.
pub(crate) fn bind_tables(
    plan: LogicalPlan,
    tables: &[(Arc<dyn StreamSource>, BatchTable)],
) -> Result<LogicalPlan> {
    let bound = plan.transform_up_with_subqueries(|node| {
        let Some(source) = stream_scan(&node) else {
            return Ok(Transformed::no(node));
        };
        let table = tables
            .iter()
            .find(|(known, _)| same(known, &source))
            .map(|(_, table)| Arc::clone(table))
            .ok_or_else(|| {
                Error::internal(format!(
                    "{} has no range in this batch",
                    source.description()
                ))
            })?;
        let LogicalPlan::TableScan(scan) = node else {
            return Ok(Transformed::no(node));
        };
        let TableScan {
            table_name,
            projection,
            filters,
            ..
        } = scan;
        let scan = LogicalPlanBuilder::scan_with_filters(
            table_name,
            provider_as_source(table),
            projection,
            filters,
        )?;
        Ok(Transformed::yes(scan.build()?))
    })?;
    Ok(bound.data)
}

fn stream_scan(node: &LogicalPlan) -> Option<Arc<dyn StreamSource>> {
    let LogicalPlan::TableScan(scan) = node else {
        return None;
    };
    let provider = source_as_provider(&scan.source).ok()?;
    let provider: &dyn TableProvider = provider.as_ref();
    let table = (provider as &dyn std::any::Any).downcast_ref::<StreamTable>()?;
    Some(Arc::clone(table.source()))
}

fn same(one: &Arc<dyn StreamSource>, other: &Arc<dyn StreamSource>) -> bool {
    Arc::ptr_eq(one, other)
}

fn reads_stream(node: &LogicalPlan) -> bool {
    node.exists(|node| Ok(stream_scan(node).is_some()))
        .unwrap_or(true)
}

/// The name of an operation that needs more than one batch's rows.
fn stateful(node: &LogicalPlan) -> Option<&'static str> {
    match node {
        LogicalPlan::Subquery(_) => Some("a subquery"),
        // The static rows would come again with every batch.
        LogicalPlan::Union(union) if !union.inputs.iter().all(|input| reads_stream(input)) => {
            Some("a union with a table that is no stream")
        }
        LogicalPlan::Aggregate(_) => Some("an aggregation"),
        LogicalPlan::Window(_) => Some("a window function"),
        LogicalPlan::Sort(_) => Some("sorting"),
        LogicalPlan::Limit(_) => Some("a limit"),
        LogicalPlan::Distinct(_) => Some("removing duplicates"),
        LogicalPlan::RecursiveQuery(_) => Some("a recursive query"),
        LogicalPlan::Extension(_) if PersistNode::of(node).is_some() => Some("persist()"),
        LogicalPlan::Join(join) => match (
            reads_stream(&join.left),
            reads_stream(&join.right),
            join.join_type,
        ) {
            (true, true, _) => Some("a join of two streams"),
            // Each row of the stream meets the whole static side: the batches add up.
            (_, _, JoinType::Inner)
            | (true, _, JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti)
            | (_, true, JoinType::Right | JoinType::RightSemi | JoinType::RightAnti) => None,
            _ => Some("a join that returns unmatched rows of the static side"),
        },
        _ => None,
    }
}
