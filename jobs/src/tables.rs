//! What batch jobs do with tables: find their version, and open them at one.

use weir::prelude::*;
use weir::{DataFrame, ErrorKind, Result};

use crate::value::resolve_pair;

/// A session for job `name` with the settings of its `--conf`.
///
/// # Errors
/// `InvalidArgument` for a setting.
pub async fn session(name: &str, conf: &[String]) -> Result<Session> {
    let mut builder = Session::builder().app_name(name);
    for pair in conf {
        let (key, value) = resolve_pair("--conf", pair)?;
        builder = builder.config(key, value);
    }
    builder.create().await
}

/// The newest version of the table at `location`; `None` without a table.
///
/// # Errors
/// `Storage` when it cannot be read.
pub async fn newest_version(session: &Session, location: &str) -> Result<Option<u64>> {
    match session.read().delta_version(location).await {
        Ok(version) => Ok(Some(version)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The table at `location` as it was at `version`, whatever is committed meanwhile.
///
/// # Errors
/// `NotFound` when that version is gone.
pub async fn at_version(session: &Session, location: &str, version: u64) -> Result<DataFrame> {
    let reader = session.read().option("versionAsOf", version);
    reader.delta(location).await
}
