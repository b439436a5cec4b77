//! Where files are: a plain path or a `file://` URL, as an absolute path.

use std::path::{Component, Path, PathBuf};

use object_store::path::Path as StorePath;
use url::Url;
use weir_plan::{Error, ErrorKind, Result};

/// The absolute path of `location`. `.` and `..` are resolved by name, without I/O.
///
/// # Errors
/// `Unsupported` for a scheme this build has no store for, `InvalidArgument` for what is no path.
pub(super) fn local_path(location: &str) -> Result<PathBuf> {
    let trimmed = location.trim();
    if trimmed.is_empty() {
        return Err(Error::invalid_argument(
            "the location of files is empty; give a path or a file:// URL",
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
                "files at {location:?}: this build reads and writes local files only, not {}://; \
                 use a path or a file:// URL",
                url.scheme()
            )));
        }
        _ => PathBuf::from(trimmed),
    };
    let absolute = std::path::absolute(&path).map_err(|error| {
        Error::invalid_argument(format!("{location:?} is no path")).with_source(error)
    })?;
    let mut clean = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    Ok(clean)
}

/// The path as the store of local files names it.
///
/// # Errors
/// `InvalidArgument` for a name that is no UTF-8 or that the store keeps for itself.
pub(super) fn store_path(path: &Path) -> Result<StorePath> {
    StorePath::from_absolute_path(path).map_err(|error| {
        Error::invalid_argument(format!("{} cannot be read or written", path.display()))
            .with_source(error)
    })
}

/// The inverse of [`store_path`], for messages.
pub(super) fn shown(path: &StorePath) -> String {
    format!("/{path}")
}

/// A failure of reading or writing at `path`, met while `doing` something to it ("listing").
pub(super) fn io_error(doing: &str, path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{doing} {} failed", path.display())).with_source(error)
}
