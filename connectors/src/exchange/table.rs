//! The rows of an exchange, as a table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Column, DataFusionError, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ArrowSource, FileGroup, FileScanConfigBuilder};
use datafusion::datasource::provider_as_source;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::expr_fn::cast;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use object_store::path::Path;
use weir_plan::{Result, Written};

use super::columns::stored_name;
use super::files::{ExchangeFiles, FileEntry};

/// The files of one exchange. They are removed when nothing reads it any more.
#[derive(Debug)]
pub struct ExchangeTable {
    place: ExchangeFiles,
    stored: SchemaRef,
    files: Vec<PartitionedFile>,
    statistics: Statistics,
}

impl ExchangeTable {
    pub(super) fn try_new(
        place: ExchangeFiles,
        stored: SchemaRef,
        written: &Written,
    ) -> Result<Self> {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let root = place.path();
        let files = written.files.iter().map(|entry| file(root, entry));
        let mut statistics = Statistics::new_unknown(&stored);
        statistics.num_rows = Precision::Exact(count(written.rows));
        Ok(Self {
            files: files.collect::<Result<_>>()?,
            place,
            stored,
            statistics,
        })
    }

    /// The plan that gives the rows of `part`, which were written here, without computing them.
    ///
    /// # Errors
    /// `Internal` for a part with other columns.
    pub fn into_plan(self, part: &LogicalPlan) -> Result<LogicalPlan> {
        let url = self.place.url();
        let id = url.path_segments().and_then(|mut names| names.next_back());
        let name = format!("exchange_{:.8}", id.unwrap_or_default());
        let schema = Arc::clone(&self.stored);
        let scan = LogicalPlanBuilder::scan(&name, provider_as_source(Arc::new(self)), None)?;
        let columns = part.schema().iter().zip(schema.fields()).enumerate();
        let columns = columns.map(|(place, ((relation, field), stored))| {
            let column = Column::new(Some(name.clone()), stored_name(place));
            let column = match field.data_type() == stored.data_type() {
                true => Expr::Column(column),
                false => cast(Expr::Column(column), field.data_type().clone()),
            };
            column.alias_qualified(relation.cloned(), field.name())
        });
        Ok(scan.project(columns)?.build()?)
    }
}

fn file(root: &Path, entry: &str) -> Result<PartitionedFile> {
    let entry = FileEntry::decode(entry)?;
    Ok(PartitionedFile::new_from_meta(ObjectMeta {
        location: entry.below(root),
        // It is never written again.
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: entry.bytes,
        e_tag: None,
        version: None,
    }))
}

#[async_trait]
impl TableProvider for ExchangeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.stored)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if self.files.is_empty() {
            let schema = project_schema(&self.stored, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let source = Arc::new(ArrowSource::new_file_source(Arc::clone(&self.stored)));
        let files = FileGroup::new(self.files.clone());
        let partitions = session.config().target_partitions();
        let scan = FileScanConfigBuilder::new(self.place.store_url()?, source)
            .with_file_groups(files.split_files(partitions))
            .with_statistics(self.statistics.clone())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}
