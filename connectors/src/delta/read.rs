//! Reading a Delta table, at any of its versions.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use deltalake::DeltaTable;
use deltalake::kernel::Snapshot;
use deltalake::logstore::LogStoreRef;
use url::Url;
use weir_plan::{Error, ErrorKind, Options, Result};

use super::error::{no_table, table_error};
use super::location::{is_vacant, log_store, table_url};
use super::options::ReadVersion;

/// The table at `location`, a path or a `file://` URL, as of the version the options name.
///
/// The list of files is read when a query is planned, as far as its filters need it.
///
/// # Errors
/// `NotFound` when there is no table, or no such version of it; `InvalidArgument` for options not in
/// [`READ_OPTIONS`](super::READ_OPTIONS); `Unsupported` for a location that is not local.
pub async fn read_table(location: &str, options: &Options) -> Result<Arc<dyn TableProvider>> {
    Ok(read_version(location, options).await?.1)
}

/// As [`read_table`], with the version of the table that is read.
///
/// # Errors
/// As [`read_table`].
pub async fn read_version(
    location: &str,
    options: &Options,
) -> Result<(u64, Arc<dyn TableProvider>)> {
    let version = ReadVersion::parse(options)?;
    let url = table_url(location)?;
    let log_store = log_store(&url, &HashMap::new())?;
    match load(&url, &log_store, version).await {
        Err(_) if is_vacant(&log_store).await => Err(no_table(&url)),
        result => result,
    }
}

async fn load(
    url: &Url,
    log_store: &LogStoreRef,
    version: ReadVersion,
) -> Result<(u64, Arc<dyn TableProvider>)> {
    let version = match version {
        ReadVersion::Newest => None,
        ReadVersion::Version(version) => Some(version),
        ReadVersion::Timestamp(time) => Some(version_at(url, log_store, time).await?),
    };
    let snapshot = Snapshot::try_new(log_store, version)
        .await
        .map_err(|error| match version {
            None => table_error(url, "reading the log of", error),
            Some(version) => Error::new(
                ErrorKind::NotFound,
                format!("version {version} of delta table {url} cannot be read"),
            )
            .with_source(error),
        })?;
    let version = snapshot.version();
    let provider = DeltaTable::new(Arc::clone(log_store))
        .table_provider()
        .with_snapshot(snapshot)
        .await
        .map_err(|error| Error::from(error).context(format!("reading delta table {url}")))?;
    Ok((version, provider))
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
