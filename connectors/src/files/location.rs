//! Where files are: a plain path or a `file://` URL, as an absolute path.

use std::path::{Path, PathBuf};

use object_store::path::Path as StorePath;
use weir_plan::{Error, ErrorKind, Result};

use crate::local_path::{absolute_path, without_dots};

/// The absolute path of `location`. `.` and `..` are resolved by name, without I/O.
///
/// # Errors
/// `Unsupported` for a scheme this build has no store for, `InvalidArgument` for what is no path.
pub(super) fn local_path(location: &str) -> Result<PathBuf> {
    Ok(without_dots(&absolute_path(location, "files", "files at")?))
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
