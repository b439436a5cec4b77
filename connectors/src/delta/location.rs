//! Where a table is: a plain path or a `file://` URL, normalised to one URL.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use deltalake::logstore::{LogStore as _, LogStoreRef, StorageConfig, logstore_for};
use url::Url;
use weir_plan::{Error, Result};

use super::error::table_error;

/// The URL of the table at `location`, absolute and with a trailing slash.
///
/// `.` and `..` are resolved by name, without I/O: the table may not exist yet.
///
/// # Errors
/// `Unsupported` for a scheme this build has no store for, `InvalidArgument` for what is no path.
pub(super) fn table_url(location: &str) -> Result<Url> {
    let trimmed = location.trim();
    if trimmed.is_empty() {
        return Err(Error::invalid_argument(
            "the location of a delta table is empty; give a path or a file:// URL",
        ));
    }
    let path = match Url::parse(trimmed) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| {
            Error::invalid_argument(format!(
                "{location:?} is no local file URL; write it as file:///absolute/path"
            ))
        })?,
        Ok(url) if trimmed.contains("://") => {
            return Err(Error::unsupported(format!(
                "delta table {location:?}: this build reads and writes local files only, not {}://; \
                 use a path or a file:// URL",
                url.scheme()
            )));
        }
        _ => PathBuf::from(trimmed),
    };
    let absolute = std::path::absolute(&path).map_err(|error| {
        Error::invalid_argument(format!("{location:?} is no path")).with_source(error)
    })?;
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

fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// The store of the table at `url`, with its log. Opens nothing.
pub(super) fn log_store(url: &Url, options: &HashMap<String, String>) -> Result<LogStoreRef> {
    StorageConfig::parse_options(options.clone())
        .and_then(|config| logstore_for(url, config))
        .map_err(|error| table_error(url, "opening the store of", error))
}

/// Whether there is no log at the table's place. Asked after reading it failed: the library reports a
/// missing directory, an empty one and one without a log in different ways.
pub(super) async fn is_vacant(log_store: &LogStoreRef) -> bool {
    matches!(log_store.is_delta_table_location().await, Ok(false))
}
