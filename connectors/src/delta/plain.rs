//! The scan of a table whose files hold its rows as they are: a scan of Parquet files like any other,
//! which an executor can be sent.
//!
//! A file does not hold its table's rows as they are when a deletion vector hides some, or when columns
//! have other names or types in it. Such a table is left to the log library.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, ScalarValue, Statistics, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use deltalake::Path;
use deltalake::kernel::Protocol;
use object_store::ObjectMeta;
use url::Url;
use weir_plan::object_url::root_of;
use weir_plan::{Error, Result};

use super::file_predicate::{FilePredicate, partition_schema};
use super::file_stats::{FileStats, partition_array};
use super::live::LiveFile;
use crate::files::parquet_scan;
use crate::object_stores::store_url;

/// Reader features that change nothing about what a data file without a deletion vector holds.
const OF_THE_LOG: &[&str] = &[
    "deletionVectors",
    "timestampNtz",
    "v2Checkpoint",
    "vacuumProtocolCheck",
];

/// Whether files of a table of this protocol hold its rows as they are, deletion vectors aside.
pub(super) fn is_plain(protocol: &Protocol) -> bool {
    match protocol.min_reader_version() {
        // 2 is column mapping.
        ..=1 => true,
        3 => {
            let features = protocol.reader_features().unwrap_or_default();
            features
                .iter()
                .all(|feature| OF_THE_LOG.contains(&feature.to_string().as_str()))
        }
        _ => false,
    }
}

/// Whether a scan of files, all in the table's store, gives the rows of `files`.
pub(super) fn are_plain(table: &Url, files: &[LiveFile]) -> Result<bool> {
    for file in files {
        if file.deletion_vector.is_some() || root_of(&file.url(table)?) != root_of(table) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The rows of `files` that a query wants.
pub(super) struct PlainScan<'a> {
    pub(super) table: &'a Url,
    pub(super) schema: SchemaRef,
    pub(super) partition_by: &'a [String],
    pub(super) files: Cow<'a, [LiveFile]>,
}

impl PlainScan<'_> {
    /// Its plan.
    ///
    /// # Errors
    /// DataFusion's, for filters that are none; `Internal` for a log whose paths or values are none.
    pub(super) async fn plan(
        mut self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if let Some(filter) = conjunction(filters.iter().cloned()) {
            let schema = Arc::clone(&self.schema);
            let predicate = FilePredicate::try_new(&filter, schema, self.partition_by, session)?;
            let may = predicate.may_match(&self.files)?;
            let wanted = self.files.iter().zip(may).filter(|(_, may)| *may);
            self.files = wanted.map(|(file, _)| file.clone()).collect();
        }
        if self.files.is_empty() {
            let schema = project_schema(&self.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let (columns, schema) = self.file_columns();
        let projection: Vec<usize> = match projection {
            None => columns,
            Some(projection) => projection.iter().map(|index| columns[*index]).collect(),
        };
        // A limit holds for rows that pass every filter.
        let limit = limit.filter(|_| filters.is_empty());
        let files = self.partitioned_files(&schema)?;
        let store = store_url(self.table)?;
        parquet_scan::plan(session, store, &schema, files, Some(&projection), limit).await
    }

    /// The schema of a scan, where partition columns come last, and of each column of the table its
    /// place there.
    fn file_columns(&self) -> (Vec<usize>, TableSchema) {
        let fields = self.schema.fields();
        let in_files: Vec<_> = fields
            .iter()
            .filter(|field| !self.partition_by.contains(field.name()))
            .cloned()
            .collect();
        let partitions = partition_schema(&self.schema, self.partition_by);
        let place = |name: &String| {
            let at = in_files.iter().position(|field| field.name() == name);
            at.or_else(|| {
                let at = self.partition_by.iter().position(|column| column == name)?;
                Some(in_files.len() + at)
            })
        };
        let columns = fields.iter().filter_map(|field| place(field.name()));
        let columns = columns.collect();
        let partitions: Vec<_> = partitions.fields().iter().cloned().collect();
        let schema = TableSchema::builder(Arc::new(Schema::new(in_files)))
            .with_table_partition_cols(partitions)
            .build();
        (columns, schema)
    }

    fn partitioned_files(&self, schema: &TableSchema) -> Result<Vec<PartitionedFile>> {
        let partitions = schema
            .table_partition_cols()
            .iter()
            .map(|field| partition_array(&self.files, field))
            .collect::<Result<Vec<_>>>()?;
        let stats = FileStats::new(&self.files, &self.schema, self.partition_by);
        self.files
            .iter()
            .zip(stats.rows())
            .enumerate()
            .map(|(row, (file, rows))| {
                let values = partitions
                    .iter()
                    .map(|values| ScalarValue::try_from_array(values, row))
                    .collect::<Result<Vec<_>, _>>()?;
                let size = u64::try_from(file.size).unwrap_or_default();
                let meta = ObjectMeta {
                    location: self.place(file)?,
                    // Data files never change.
                    last_modified: chrono::DateTime::UNIX_EPOCH,
                    size,
                    e_tag: None,
                    version: None,
                };
                let mut statistics = Statistics::new_unknown(schema.table_schema());
                statistics.total_byte_size = Precision::Inexact(file.size.max(0) as usize);
                if let Some(rows) = rows.and_then(|rows| usize::try_from(rows).ok()) {
                    statistics.num_rows = Precision::Exact(rows);
                }
                let mut file = PartitionedFile::new_from_meta(meta).with_partition_values(values);
                file.statistics = Some(Arc::new(statistics));
                Ok(file)
            })
            .collect()
    }

    fn place(&self, file: &LiveFile) -> Result<Path> {
        let url = file.url(self.table)?;
        Path::from_url_path(url.path()).map_err(|error| {
            Error::internal(format!(
                "file {:?} of delta table {} has no path",
                file.path, self.table
            ))
            .with_source(error)
        })
    }
}
