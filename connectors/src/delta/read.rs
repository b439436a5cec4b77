//! Reading a Delta table, at any of its versions.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use deltalake::DeltaTable;
use deltalake::kernel::Snapshot;
use deltalake::logstore::{LogStore as _, LogStoreRef};
use tokio::sync::Mutex;
use url::Url;
use weir_plan::{Error, ErrorKind, Options, RemoteTasks, Result};

use super::error::{no_table, own_cause, table_error};
use super::live::{LiveFile, live_files};
use super::location::{is_vacant, log_store, table_url};
use super::options::ReadVersion;
use super::plain::{PlainScan, are_plain, is_plain};

/// The table at `location`, a path or a URL of one of `stores`, as of the version the options name.
///
/// The list of its files is read with it, and kept for the queries that read it: the order of their joins goes by its size.
///
/// # Errors
/// `NotFound` when there is no table, or no such version of it; `InvalidArgument` for options not in
/// [`READ_OPTIONS`](super::READ_OPTIONS); `Unsupported` for a location there is no store for;
/// `Unavailable` when its store is out of reach.
pub async fn read_table(
    location: &str,
    options: &Options,
    stores: &dyn ObjectStoreRegistry,
) -> Result<Arc<dyn TableProvider>> {
    Ok(read_version(location, options, stores).await?.1)
}

/// As [`read_table`], with the version of the table that is read.
///
/// # Errors
/// As [`read_table`].
pub async fn read_version(
    location: &str,
    options: &Options,
    stores: &dyn ObjectStoreRegistry,
) -> Result<(u64, Arc<dyn TableProvider>)> {
    let version = ReadVersion::parse(options)?;
    let url = table_url(location)?;
    let log_store = log_store(&url, stores)?;
    match load(&url, &log_store, version).await {
        Ok(read) => Ok((read.version(), read)),
        Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
        Err(_) if is_vacant(&log_store).await => Err(no_table(&url)),
        // It may have been made between the two looks at it.
        Err(_) => {
            let read = load(&url, &log_store, version).await?;
            Ok((read.version(), read))
        }
    }
}

async fn load(url: &Url, log_store: &LogStoreRef, version: ReadVersion) -> Result<Arc<DeltaRead>> {
    let newest = version == ReadVersion::Newest;
    let version = match version {
        ReadVersion::Newest => None,
        ReadVersion::Version(version) => Some(version),
        ReadVersion::Timestamp(time) => Some(version_at(url, log_store, time).await?),
    };
    let snapshot = Snapshot::try_new(log_store, version)
        .await
        .map_err(|error| match version {
            None => table_error(url, "reading the log of", error),
            Some(_) if own_cause(&error).is_some() => table_error(url, "reading the log of", error),
            Some(version) => Error::new(
                ErrorKind::NotFound,
                format!("version {version} of delta table {url} cannot be read"),
            )
            .with_source(error),
        })?;
    let scan = DeltaTable::new(Arc::clone(log_store))
        .table_provider()
        .with_snapshot(snapshot.clone())
        .await
        .map_err(|error| Error::from(error).context(format!("reading delta table {url}")))?;
    let files = live_files(url, log_store, &snapshot).await?;
    let read = DeltaRead {
        url: url.clone(),
        log_store: Arc::clone(log_store),
        snapshot,
        files,
        scan,
        newest,
        newer: Mutex::default(),
    };
    Ok(Arc::new(read))
}

/// One version of a table, for a query: the library's scan, and what [`explain_reads`] tells of it.
///
/// [`explain_reads`]: super::explain_reads
pub(super) struct DeltaRead {
    url: Url,
    log_store: LogStoreRef,
    snapshot: Snapshot,
    files: Vec<LiveFile>,
    scan: Arc<dyn TableProvider>,
    /// Whether no version was asked for.
    newest: bool,
    /// The newest that was found since.
    newer: Mutex<Option<Arc<DeltaRead>>>,
}

impl DeltaRead {
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn version(&self) -> u64 {
        self.snapshot.version()
    }

    pub(super) fn partition_columns(&self) -> &[String] {
        self.snapshot.metadata().partition_columns()
    }

    /// The table at its newest version, if no version was asked for and there is a newer one.
    ///
    /// # Errors
    /// `Storage` and the like when its log cannot be read.
    pub(super) async fn newer(&self) -> Result<Option<Arc<Self>>> {
        if !self.newest {
            return Ok(None);
        }
        let mut newer = self.newer.lock().await;
        let known = newer
            .as_ref()
            .map_or(self.version(), |newer| newer.version());
        let version = self.log_store.get_latest_version(known).await;
        let version =
            version.map_err(|error| table_error(&self.url, "reading the log of", error))?;
        if version > known {
            *newer = Some(load(&self.url, &self.log_store, ReadVersion::Newest).await?);
        }
        Ok(newer.clone())
    }

    /// The files of the version.
    pub(super) fn files(&self) -> &[LiveFile] {
        &self.files
    }
}

impl fmt::Debug for DeltaRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaRead")
            .field("url", &self.url.as_str())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for DeltaRead {
    fn schema(&self) -> SchemaRef {
        self.scan.schema()
    }

    fn table_type(&self) -> TableType {
        self.scan.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if is_plain(self.snapshot.protocol()) && are_plain(&self.url, &self.files)? {
            let scan = PlainScan {
                table: &self.url,
                schema: self.schema(),
                partition_by: self.partition_columns(),
                files: Cow::Borrowed(&self.files),
            };
            return scan.plan(session, projection, filters, limit).await;
        }
        if session.config().get_extension::<RemoteTasks>().is_some() {
            return Err(Error::unsupported(format!(
                "delta table {} cannot be read on a cluster: it has deletion vectors, files in another store, \
                 or columns that have other names or types in its files; read it on local[*], or rewrite its files first",
                self.url
            ))
            .into());
        }
        self.scan.scan(session, projection, filters, limit).await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        // Filters leave out files, row groups and pages; what is left is filtered again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    /// What the files take. How many rows they have is not said: a deletion vector may hide some.
    fn statistics(&self) -> Option<Statistics> {
        let bytes = self.files.iter().map(|file| file.size.max(0));
        let bytes = usize::try_from(bytes.sum::<i64>()).ok()?;
        let unknown = Statistics::new_unknown(&self.schema());
        Some(unknown.with_total_byte_size(Precision::Inexact(bytes)))
    }
}

/// The newest version committed at or before `time`.
async fn version_at(url: &Url, log_store: &LogStoreRef, time: DateTime<Utc>) -> Result<u64> {
    let mut table = DeltaTable::new(Arc::clone(log_store));
    table
        .load_with_datetime(time)
        .await
        .map_err(|error| table_error(url, "reading the log of", error))?;
    let version = table.version().unwrap_or_default();
    let committed = table
        .snapshot()
        .ok()
        .and_then(|state| state.version_timestamp(version));
    // The library gives the first version for a time before it.
    if committed.is_some_and(|committed| committed > time.timestamp_millis()) {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("delta table {url} has no version as old as {time}; its first is {version}"),
        ));
    }
    Ok(version)
}
