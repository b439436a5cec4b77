//! Local places as users write them: a plain path or a `file://` URL.

use std::path::{Component, Path, PathBuf};

use url::Url;
use weir_plan::object_url::object_url;
use weir_plan::{Error, Result};

/// The absolute path of `location`, with its `.` and `..`. In messages it is the location of `what` ("a
/// delta table"), and `before` goes before it ("delta table").
///
/// # Errors
/// `Unsupported` for a scheme this build has no store for, `InvalidArgument` for what is no path.
pub(crate) fn absolute_path(location: &str, what: &str, before: &str) -> Result<PathBuf> {
    let trimmed = location.trim();
    if trimmed.is_empty() {
        return Err(Error::invalid_argument(format!(
            "the location of {what} is empty; give a path or a file:// URL"
        )));
    }
    let path = match Url::parse(trimmed) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| {
            Error::invalid_argument(format!(
                "{location:?} is no local file URL; write it as file:///absolute/path"
            ))
        })?,
        Ok(url) if trimmed.contains("://") => {
            // One with a secret in it is refused there, and not repeated.
            object_url(trimmed, before)?;
            return Err(Error::unsupported(format!(
                "{before} {location:?}: files are read and written on local disks only, not at {}://; \
                 use a path or a file:// URL, or a delta table",
                url.scheme()
            )));
        }
        _ => PathBuf::from(trimmed),
    };
    std::path::absolute(&path).map_err(|error| {
        Error::invalid_argument(format!("{location:?} is no path")).with_source(error)
    })
}

/// `path` without `.` and `..`, which are resolved by name, without I/O: it may not exist yet.
#[must_use]
pub fn without_dots(path: &Path) -> PathBuf {
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
