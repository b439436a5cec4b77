//! Where a table is: a plain path, a `file://` URL or one of an object store, normalised to one URL.

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreRegistry;
use deltalake::Path;
use deltalake::kernel::Snapshot;
use deltalake::logstore::{
    LogStore as _, LogStoreRef, StorageConfig, default_logstore, logstore_for,
};
use object_store::prefix::PrefixStore;
use url::Url;
use weir_plan::object_url::{escape_in, object_url};
use weir_plan::{Error, ErrorKind, Result};

use super::error::table_error;
use crate::local_path::{absolute_path, without_dots};

/// The URL of the table at `location`, absolute and with a trailing slash.
///
/// `.` and `..` are resolved by name, without I/O: the table may not exist yet.
///
/// # Errors
/// `Unsupported` for a scheme this build has no store for, `InvalidArgument` for what is no path.
pub(super) fn table_url(location: &str) -> Result<Url> {
    if let Some(mut url) = object_url(location, "delta table")? {
        let path = format!("{}/", url.path().trim_end_matches('/'));
        if path == "/" {
            return Err(Error::invalid_argument(format!(
                "delta table {location:?} is a whole bucket; name a directory in it"
            )));
        }
        url.set_path(&path);
        return Ok(url);
    }
    let absolute = absolute_path(location, "a delta table", "delta table")?;
    if let Some(escape) = escape_in(&absolute.to_string_lossy()) {
        return Err(Error::invalid_argument(format!(
            "{location:?} has {escape:?} in its path, which the delta library takes for an escaped \
             character and reads another directory; rename the directory"
        )));
    }
    Url::from_directory_path(without_dots(&absolute))
        .map_err(|()| Error::invalid_argument(format!("{location:?} cannot be written as a URL")))
}

/// The store of the table at `url`, one of `stores`, with its log. Opens nothing.
pub(super) fn log_store(url: &Url, stores: &dyn ObjectStoreRegistry) -> Result<LogStoreRef> {
    let config = StorageConfig::default();
    if url.scheme() == "file" {
        return logstore_for(url, config)
            .map_err(|error| table_error(url, "opening the store of", error));
    }
    let root = stores.get_store(url).map_err(Error::from)?;
    let prefix = Path::from_url_path(url.path()).map_err(|error| {
        Error::invalid_argument(format!("the path of delta table {url} is none of a store"))
            .with_source(error)
    })?;
    let table = Arc::new(PrefixStore::new(Arc::clone(&root), prefix));
    Ok(default_logstore(table, root, url, &config))
}

/// The newest version of the table at `url`; `None` where there is none.
///
/// # Errors
/// `Storage` when its log cannot be read.
pub(super) async fn newest_snapshot(
    url: &Url,
    log_store: &LogStoreRef,
) -> Result<Option<Snapshot>> {
    match Snapshot::try_new(log_store, None).await {
        Ok(snapshot) => return Ok(Some(snapshot)),
        Err(error) => {
            let error = table_error(url, "reading the log of", error);
            // It has been tried for long enough.
            if error.kind() == ErrorKind::Unavailable {
                return Err(error);
            }
            if is_vacant(log_store).await {
                return Ok(None);
            }
            // It may have been made between the two looks at it.
        }
    }
    let snapshot = Snapshot::try_new(log_store, None).await;
    snapshot
        .map(Some)
        .map_err(|error| table_error(url, "reading the log of", error))
}

/// Whether there is no log at the table's place. Asked after reading it failed: the library reports a
/// missing directory, an empty one and one without a log in different ways.
pub(super) async fn is_vacant(log_store: &LogStoreRef) -> bool {
    matches!(log_store.is_delta_table_location().await, Ok(false))
}
