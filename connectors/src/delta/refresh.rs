//! Tables that a stream is joined with, as they are now.
//!
//! A table's version is fixed when it is read. A stream outlives that: each of its batches reads the newest version of the tables that were read
//! without one, as Delta Lake's own reader does in Spark. A batch that runs again after a crash may therefore see a newer version than the
//! first time, and only then: what a batch has written is committed as it was written.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, TableScan};
use weir_plan::{Error, Result};

use super::read::DeltaRead;

/// `plan` with the newest versions of the Delta tables that it reads without saying which. Columns that a newer version has besides are not
/// read.
///
/// # Errors
/// `Storage` and the like when a table's log cannot be read; `InvalidPlan`, naming the column, when a newer version lacks one of the table that was
/// read, or has another type for it.
pub async fn refreshed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut read: Vec<Arc<dyn TableProvider>> = Vec::new();
    plan.apply_with_subqueries(|node| {
        read.extend(delta_read(node));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut newer = Vec::new();
    for provider in read {
        let table = provider.downcast_ref::<DeltaRead>();
        if let Some(table) = table
            && let Some(now) = table.newer().await?
        {
            check_columns(table, &now)?;
            newer.push((provider, now));
        }
    }
    if newer.is_empty() {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|node| {
        let found = delta_read(&node).and_then(|provider| {
            let mut newer = newer.iter();
            newer.find(|(old, _)| Arc::ptr_eq(old, &provider))
        });
        let (Some((old, now)), LogicalPlan::TableScan(scan)) = (found, &node) else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(scan_of(scan, old, Arc::clone(now))?))
    })?;
    Ok(plan.data)
}

fn delta_read(node: &LogicalPlan) -> Option<Arc<dyn TableProvider>> {
    let LogicalPlan::TableScan(scan) = node else {
        return None;
    };
    let provider = source_as_provider(&scan.source).ok()?;
    provider.is::<DeltaRead>().then_some(provider)
}

fn check_columns(old: &DeltaRead, now: &DeltaRead) -> Result<()> {
    let (before, after) = (old.schema(), now.schema());
    for field in before.fields() {
        let found = after.field_with_name(field.name()).ok();
        let what = match found {
            Some(found) if found.data_type() == field.data_type() => continue,
            Some(found) => format!("is {} instead of {}", found.data_type(), field.data_type()),
            None => "is gone".to_owned(),
        };
        return Err(Error::invalid_plan(format!(
            "column {:?} of delta table {} {what} since version {}, by which the query was made (it is at {} now): start the query anew",
            field.name(),
            old.url(),
            old.version(),
            now.version(),
        )));
    }
    Ok(())
}

/// `scan` of `old`, reading `now`: the same columns.
fn scan_of(
    scan: &TableScan,
    old: &Arc<dyn TableProvider>,
    now: Arc<DeltaRead>,
) -> Result<LogicalPlan> {
    let (before, after) = (old.schema(), now.schema());
    let all: Vec<usize> = (0..before.fields().len()).collect();
    let wanted = scan.projection.as_ref().unwrap_or(&all);
    let places = wanted
        .iter()
        .map(|at| after.index_of(before.field(*at).name()));
    let places: Vec<usize> = places
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::internal("a column that was there is not").with_source(error))?;
    let table = provider_as_source(now as Arc<dyn TableProvider>);
    let name = scan.table_name.clone();
    let filters = scan.filters.clone();
    let plan =
        LogicalPlanBuilder::scan_with_filters_fetch(name, table, Some(places), filters, scan.fetch);
    Ok(plan?.build()?)
}
