//! What batch jobs do with tables: open them at one version, count them, replace a part of them.

use weir::datafusion::arrow::array::Array;
use weir::datafusion::arrow::array::cast::AsArray;
use weir::datafusion::arrow::datatypes::Int64Type;
use weir::prelude::*;
use weir::{DataFrame, Error, ErrorKind, Result};

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

/// The one row of a query over counts: its columns as numbers, null as 0.
///
/// # Errors
/// What the query reports; `Internal` for what is no row of counts.
pub async fn counts(frame: DataFrame) -> Result<Vec<u64>> {
    let rows = frame.collect().await?;
    let row = rows.iter().find(|batch| batch.num_rows() > 0);
    let row = row.ok_or_else(|| Error::internal("a query for counts has no row"))?;
    row.columns()
        .iter()
        .map(|column| {
            let column = column.as_primitive_opt::<Int64Type>();
            let column = column.ok_or_else(|| Error::internal("a count is no bigint"))?;
            if column.is_null(0) {
                return Ok(0);
            }
            u64::try_from(column.value(0)).map_err(|_| Error::internal("a count is negative"))
        })
        .collect()
}
