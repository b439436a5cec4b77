//! Reading Parquet files: columns, statistics and the plan, by DataFusion's reader.
//!
//! Footers are read when a dataframe is made (the first file's, or all with `mergeSchema`) and when a
//! query is planned (of the files whose partition passes); the session's metadata cache keeps them for
//! the read itself. A file without a sound footer is thus named before any row is read.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, DataFusionError, Statistics};
use datafusion::datasource::file_format::FileFormat as _;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore;
use weir_plan::{Error, ErrorKind, Result};

use super::named::NamedSource;
use crate::files::error::file_error;
use crate::files::listing::Found;
use crate::files::location::shown;

fn format(session: &dyn Session) -> ParquetFormat {
    let options = session.config_options().execution.parquet.clone();
    let mut table = session.default_table_options().parquet;
    table.global = options;
    ParquetFormat::new().with_options(table)
}

fn store(session: &dyn Session) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
    let url = ObjectStoreUrl::local_filesystem();
    session.runtime_env().object_store(&url)
}

/// The columns of the first file, as in Spark; or, if `merge`, those of all files.
pub(in crate::files) async fn infer_schema(
    session: &dyn Session,
    found: &[Found],
    merge: bool,
) -> Result<SchemaRef> {
    let format = format(session);
    let store = store(session)?;
    let files = if merge {
        found
    } else {
        &found[..found.len().min(1)]
    };
    let concurrency = session
        .config_options()
        .execution
        .meta_fetch_concurrency
        .get();
    let (format, store) = (&format, &store);
    let schemas: Vec<SchemaRef> = futures::stream::iter(files)
        .map(|file| async move {
            let metas = std::slice::from_ref(&file.meta);
            let schema = format.infer_schema(session, store, metas).await;
            schema.map_err(|error| unreadable(&file.path.display().to_string(), error))
        })
        .buffered(concurrency)
        .try_collect()
        .await?;
    let mut merged = arrow::datatypes::Schema::empty();
    for (schema, file) in schemas.into_iter().zip(files) {
        merged = arrow::datatypes::Schema::try_merge([merged, schema.as_ref().clone()]).map_err(
            |error| {
                Error::new(
                    ErrorKind::SchemaMismatch,
                    format!(
                        "the columns of {} do not fit those of the files before it; read them apart, \
                         or give a schema",
                        file.path.display()
                    ),
                )
                .with_source(error)
            },
        )?;
    }
    Ok(Arc::new(merged))
}

/// The files that may hold rows that pass `filters`, with their statistics.
pub(in crate::files) async fn prune(
    session: &dyn Session,
    schema: &TableSchema,
    files: Vec<PartitionedFile>,
    filters: Vec<Expr>,
) -> Result<Vec<PartitionedFile>, DataFusionError> {
    let (format, store) = (&format(session), &store(session)?);
    let concurrency = session
        .config_options()
        .execution
        .meta_fetch_concurrency
        .get();
    let files: Vec<PartitionedFile> = futures::stream::iter(files)
        .map(|file| async move {
            let of_file = Arc::clone(schema.file_schema());
            let statistics = format
                .infer_stats(session, store, of_file, &file.object_meta)
                .await;
            let statistics = statistics
                .map_err(|error| unreadable(&shown(&file.object_meta.location), error))?;
            Ok::<_, Error>(with_statistics(file, statistics))
        })
        .buffered(concurrency)
        .try_collect()
        .await?;
    let Some(filter) = conjunction(filters) else {
        return Ok(files);
    };
    let all = Arc::clone(schema.table_schema());
    let filter = session.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&all))?)?;
    // What cannot be decided from statistics leaves nothing out.
    let predicate = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(&all))
        .build(filter);
    let Some(predicate) = predicate else {
        return Ok(files);
    };
    let statistics = files
        .iter()
        .filter_map(|file| file.statistics.clone())
        .collect();
    let kept = predicate.prune(&PrunableStatistics::new(statistics, all))?;
    Ok(files
        .into_iter()
        .zip(kept)
        .filter_map(|(file, kept)| kept.then_some(file))
        .collect())
}

/// `file` with `statistics` of its own columns, and those that its partition values are.
///
/// Not `PartitionedFile::with_statistics`: it takes for granted that no partition value is null.
fn with_statistics(mut file: PartitionedFile, mut statistics: Statistics) -> PartitionedFile {
    for value in &file.partition_values {
        let column = if value.is_null() {
            ColumnStatistics {
                null_count: statistics.num_rows,
                ..ColumnStatistics::new_unknown()
            }
        } else {
            ColumnStatistics {
                null_count: Precision::Exact(0),
                min_value: Precision::Exact(value.clone()),
                max_value: Precision::Exact(value.clone()),
                distinct_count: Precision::Exact(1),
                ..ColumnStatistics::new_unknown()
            }
        };
        statistics.column_statistics.push(column);
    }
    file.statistics = Some(Arc::new(statistics));
    file
}

/// The scan of `files` in the store of `store`, of which each has statistics or none has.
pub(crate) async fn plan(
    session: &dyn Session,
    store: ObjectStoreUrl,
    schema: &TableSchema,
    files: Vec<PartitionedFile>,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let format = format(session);
    let statistics = Statistics::try_merge_iter(
        files.iter().filter_map(|file| file.statistics.as_deref()),
        schema.table_schema(),
    )?;
    let groups = FileGroup::new(files).split_files(session.config().target_partitions().max(1));
    let config = FileScanConfigBuilder::new(store, format.file_source(schema.clone()))
        .with_file_groups(groups)
        .with_statistics(statistics)
        .with_projection_indices(projection.cloned())?
        .with_limit(limit)
        .build();
    let plan = format.create_physical_plan(session, config).await?;
    let Some((config, source)) = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|exec| exec.downcast_to_file_source::<ParquetSource>())
    else {
        return Err(Error::internal("a parquet scan is no parquet scan").into());
    };
    let config = FileScanConfigBuilder::from(config.clone())
        .with_source(Arc::new(NamedSource(Arc::new(source.clone()))))
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

pub(super) fn unreadable(file: &str, error: DataFusionError) -> Error {
    file_error("reading parquet file", file, error)
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;

    use super::*;

    #[test]
    fn file_of_the_null_partition_counts_all_of_its_rows_as_null() {
        let file = PartitionedFile::new("a", 1)
            .with_partition_values(vec![ScalarValue::Utf8(None), ScalarValue::from(7)]);
        let statistics = Statistics {
            num_rows: Precision::Exact(5),
            total_byte_size: Precision::Absent,
            column_statistics: Vec::new(),
        };
        let file = with_statistics(file, statistics);
        let columns = &file.statistics.unwrap().column_statistics;
        assert_eq!(columns[0].null_count, Precision::Exact(5));
        assert_eq!(columns[0].min_value, Precision::Absent);
        assert_eq!(columns[1].null_count, Precision::Exact(0));
    }
}
