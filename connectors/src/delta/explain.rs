//! What a query reads of Delta tables: which files are left after its filters.
//!
//! The engine's plans name a scan and not what it left out. A table's version is fixed when it is read,
//! so planning its scan again gives the same files.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use weir_plan::Result;

use super::read::DeltaRead;

/// One line for each scan of a Delta table in the optimized `plan`: the table, its version, how many
/// files of how many are read, and by which filters of partition columns and of others.
///
/// # Errors
/// `Storage` when a table's log cannot be read.
pub async fn explain_reads(plan: &LogicalPlan, session: &dyn Session) -> Result<Vec<String>> {
    let mut scans: Vec<(TableScan, Arc<dyn TableProvider>)> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
            && provider.downcast_ref::<DeltaRead>().is_some()
        {
            scans.push((scan.clone(), provider));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut lines = Vec::with_capacity(scans.len());
    for (scan, provider) in scans {
        if let Some(read) = provider.downcast_ref::<DeltaRead>() {
            lines.push(line(&scan, read, session).await?);
        }
    }
    Ok(lines)
}

async fn line(scan: &TableScan, read: &DeltaRead, session: &dyn Session) -> Result<String> {
    // A scan is planned without the name the query gave its table.
    let filters: Vec<Expr> = scan.filters.iter().cloned().map(unnormalize_col).collect();
    let plan = read
        .scan(session, scan.projection.as_ref(), &filters, None)
        .await?;
    let mut files = BTreeSet::new();
    files_of(&plan, &mut files);
    let partition_by = read.partition_columns();
    let (partition, other): (Vec<&Expr>, Vec<&Expr>) = scan.filters.iter().partition(|filter| {
        let columns = filter.column_refs();
        columns
            .iter()
            .all(|column| partition_by.contains(&column.name))
    });
    Ok(format!(
        "DeltaScan: table={}, version={}, files {} of {}, partition filters [{}], data filters [{}]",
        read.url(),
        read.version(),
        files.len(),
        read.files().len(),
        texts(&partition),
        texts(&other),
    ))
}

/// The files `plan` reads; one that is read in parts is one.
fn files_of(plan: &Arc<dyn ExecutionPlan>, files: &mut BTreeSet<String>) {
    let source = plan.downcast_ref::<DataSourceExec>();
    if let Some(config) =
        source.and_then(|source| source.data_source().downcast_ref::<FileScanConfig>())
    {
        let groups = config.file_groups.iter();
        let read = groups.flat_map(|group| group.files());
        files.extend(read.map(|file| file.object_meta.location.to_string()));
    }
    for child in plan.children() {
        files_of(child, files);
    }
}

/// Without the name the query gave the table.
fn texts(filters: &[&Expr]) -> String {
    let filters = filters
        .iter()
        .map(|filter| unnormalize_col((*filter).clone()));
    let texts: Vec<_> = filters
        .map(|filter| filter.human_display().to_string())
        .collect();
    texts.join(", ")
}
