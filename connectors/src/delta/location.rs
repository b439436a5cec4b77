//! Where a table is: a plain path or a `file://` URL, normalised to one URL.

use std::collections::HashMap;

use deltalake::kernel::Snapshot;
use deltalake::logstore::{LogStore as _, LogStoreRef, StorageConfig, logstore_for};
use url::Url;
use weir_plan::{Error, Result};

use super::error::table_error;
use crate::local_path::{absolute_path, without_dots};

/// The URL of the table at `location`, absolute and with a trailing slash.
///
/// `.` and `..` are resolved by name, without I/O: the table may not exist yet.
///
/// # Errors
/// `Unsupported` for a scheme this build has no store for, `InvalidArgument` for what is no path.
pub(super) fn table_url(location: &str) -> Result<Url> {
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

/// What looks like an escaped character of a URL: "%" before two hexadecimal digits.
fn escape_in(path: &str) -> Option<&str> {
    path.match_indices('%').find_map(|(at, _)| {
        let escape = path.get(at..at + 3)?;
        let escaped = escape[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
        escaped.then_some(escape)
    })
}

/// The store of the table at `url`, with its log. Opens nothing.
pub(super) fn log_store(url: &Url, options: &HashMap<String, String>) -> Result<LogStoreRef> {
    StorageConfig::parse_options(options.clone())
        .and_then(|config| logstore_for(url, config))
        .map_err(|error| table_error(url, "opening the store of", error))
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
        Err(_) if is_vacant(log_store).await => return Ok(None),
        // It may have been made between the two looks at it.
        Err(_) => {}
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
