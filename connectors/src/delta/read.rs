//! Reading a Delta table, at any of its versions.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use deltalake::{DeltaTable, DeltaTableError};
use url::Url;
use weir_plan::{Error, ErrorKind, Options, Result};

use super::error::table_error;
use super::location::{log_store, table_url};
use super::options::ReadVersion;

/// The table at `location`, a path or a `file://` URL, as of the version the options name.
///
/// The list of files is read when a query is planned, as far as its filters need it.
///
/// # Errors
/// `NotFound` when there is no table, or no such version of it; `InvalidArgument` for options not in
/// [`READ_OPTIONS`](super::READ_OPTIONS); `Unsupported` for a location that is not local.
pub async fn read_table(location: &str, options: &Options) -> Result<Arc<dyn TableProvider>> {
    let version = ReadVersion::parse(options)?;
    let url = table_url(location)?;
    let mut table = DeltaTable::new(log_store(&url, &HashMap::new())?);
    let version = match version {
        ReadVersion::Newest => None,
        ReadVersion::Version(version) => Some(version),
        ReadVersion::Timestamp(time) => {
            table
                .load_with_datetime(time)
                .await
                .map_err(|error| table_error(&url, "reading", error))?;
            let loaded = table.version().unwrap_or_default();
            let committed = table
                .snapshot()
                .ok()
                .and_then(|state| state.version_timestamp(loaded));
            if committed.is_some_and(|committed| committed > time.timestamp_millis()) {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "delta table {url} has no version as old as {time}; its first is {loaded}"
                    ),
                ));
            }
            Some(loaded)
        }
    };
    // Not the table's loaded state: that has every file already, and most queries need few.
    let provider = DeltaTable::new(table.log_store())
        .table_provider()
        .with_table_version(version)
        .await
        .map_err(|error| read_error(&url, version, error))?;
    Ok(provider)
}

fn read_error(
    url: &Url,
    version: Option<u64>,
    error: datafusion::common::DataFusionError,
) -> Error {
    use datafusion::common::DataFusionError::External;
    match (error, version) {
        (External(inner), version) => match inner.downcast::<DeltaTableError>() {
            Ok(error) => match (version, *error) {
                (Some(version), error) if !matches!(error, DeltaTableError::NotATable(_)) => {
                    Error::new(
                        ErrorKind::NotFound,
                        format!("version {version} of delta table {url} cannot be read"),
                    )
                    .with_source(error)
                }
                (_, error) => table_error(url, "reading", error),
            },
            Err(inner) => Error::from(External(inner)),
        },
        (error, _) => Error::from(error),
    }
}
