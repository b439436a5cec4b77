//! The table of listed files: which of them a query reads.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, ScalarValue, Statistics, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::json::{self, JsonReadExec};
use super::parquet::scan as parquet_scan;

type DfResult<T> = std::result::Result<T, DataFusionError>;

/// How the files are read.
#[derive(Debug, Clone)]
pub(super) enum Format {
    Parquet,
    Json(json::Settings),
}

/// Files as they were listed: the same ones at every scan.
#[derive(Debug)]
pub(super) struct FileTable {
    format: Format,
    schema: TableSchema,
    files: Vec<PartitionedFile>,
}

impl FileTable {
    pub(super) fn new(format: Format, schema: TableSchema, files: Vec<PartitionedFile>) -> Self {
        Self {
            format,
            schema,
            files,
        }
    }

    fn is_of_partitions(&self, filter: &Expr) -> bool {
        let columns = self.schema.table_partition_cols();
        let names: Vec<&str> = columns.iter().map(|field| field.name().as_str()).collect();
        !names.is_empty() && expr_applicable_for_cols(&names, filter)
    }

    /// The files whose partition values pass `filters`.
    fn prune(&self, session: &dyn Session, filters: Vec<Expr>) -> DfResult<Vec<PartitionedFile>> {
        let Some(filter) = conjunction(filters).filter(|_| !self.files.is_empty()) else {
            return Ok(self.files.clone());
        };
        let columns = self.schema.table_partition_cols();
        let schema = Arc::new(Schema::new(columns.clone()));
        let predicate =
            session.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)?;
        let arrays = (0..columns.len())
            .map(|index| {
                let values = self
                    .files
                    .iter()
                    .map(|file| file.partition_values[index].clone());
                ScalarValue::iter_to_array(values)
            })
            .collect::<DfResult<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.files.len()));
        let values = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        let passed = predicate.evaluate(&values)?.into_array(self.files.len())?;
        let passed = passed.as_boolean();
        let files = self.files.iter().enumerate();
        Ok(files
            .filter(|(row, _)| passed.is_valid(*row) && passed.value(*row))
            .map(|(_, file)| file.clone())
            .collect())
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match self.format {
            _ if self.is_of_partitions(filter) => TableProviderFilterPushDown::Exact,
            Format::Parquet => TableProviderFilterPushDown::Inexact,
            Format::Json(_) => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    /// What the files take; how many rows they have, only reading them tells.
    fn statistics(&self) -> Option<Statistics> {
        let bytes = self.files.iter().map(|file| file.object_meta.size);
        let bytes = usize::try_from(bytes.sum::<u64>()).ok()?;
        let unknown = Statistics::new_unknown(self.schema.table_schema());
        Some(unknown.with_total_byte_size(Precision::Inexact(bytes)))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let (of_partitions, rest): (Vec<Expr>, Vec<Expr>) = filters
            .iter()
            .cloned()
            .partition(|filter| self.is_of_partitions(filter));
        let files = self.prune(session, of_partitions)?;
        let empty = || -> DfResult<Arc<dyn ExecutionPlan>> {
            let schema = project_schema(self.schema.table_schema(), projection)?;
            Ok(Arc::new(EmptyExec::new(schema)))
        };
        if files.is_empty() {
            return empty();
        }
        match &self.format {
            Format::Parquet => {
                let files = parquet_scan::prune(session, &self.schema, files, rest.clone()).await?;
                if files.is_empty() {
                    return empty();
                }
                // A limit holds for rows that pass every filter.
                let limit = limit.filter(|_| rest.is_empty());
                let store = ObjectStoreUrl::local_filesystem();
                parquet_scan::plan(session, store, &self.schema, files, projection, limit).await
            }
            Format::Json(settings) => Ok(Arc::new(JsonReadExec::plan(
                settings.clone(),
                &self.schema,
                files,
                projection,
                session.config().target_partitions(),
            )?)),
        }
    }
}
