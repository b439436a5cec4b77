//! What batch jobs do with tables: find their version, and open them at one.

use weir::delta::DeltaTable;
use weir::prelude::*;
use weir::{DataFrame, Error, ErrorKind, Result, SaveMode};

use crate::value::resolve_pair;

/// How often a job starts over when another writer was at the rows it replaces.
const TRIES_MAX: u32 = 5;

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

/// The table at `location` at its newest version; `None` without a table.
///
/// # Errors
/// `Storage` when it cannot be read.
pub async fn newest(session: &Session, location: &str) -> Result<Option<DeltaTable>> {
    match DeltaTable::for_path(session, location).await {
        Ok(table) => Ok(Some(table)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which commits since a replacement was computed stop it; Delta's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Those that touch what it replaces.
    WriteSerializable,
    /// All that add or remove rows: it was decided by other rows, too.
    Serializable,
}

impl Isolation {
    fn name(self) -> &'static str {
        match self {
            Self::WriteSerializable => "WriteSerializable",
            Self::Serializable => "Serializable",
        }
    }
}

/// Replaces the rows of the table at `location` that `condition` is true of by `rows`, which were computed
/// when the table was at `version`; without one there was no table, and it is made, partitioned by
/// `partition_by`.
///
/// # Errors
/// `Conflict` when another writer made the table since, or changed what is replaced; as
/// [`weir::DataFrameWriter::save`].
pub async fn replace_where(
    rows: DataFrame,
    location: &str,
    partition_by: &[&str],
    condition: &str,
    version: Option<u64>,
    isolation: Isolation,
) -> Result<()> {
    let session = rows.session().clone();
    let writer = rows
        .write()
        .format("delta")
        .partition_by(partition_by.iter().copied());
    if let Some(version) = version {
        let writer = writer.mode(SaveMode::Overwrite);
        let writer = writer.option("replaceWhere", condition);
        let writer = writer.option("isolationLevel", isolation.name());
        return writer.expected_version(version).save(location).await;
    }
    match writer.mode(SaveMode::ErrorIfExists).save(location).await {
        Err(error)
            if error.kind() == ErrorKind::InvalidArgument
                && newest(&session, location).await?.is_some() =>
        {
            let message = format!("table {location} was made meanwhile; run the job again");
            Err(Error::new(ErrorKind::Conflict, message).with_source(error))
        }
        done => done,
    }
}

/// Computes and replaces rows of the table at `location` by `attempt`, which starts over, up to five times
/// in all, when another writer changed what it replaces: it reads again what it decides by.
///
/// # Errors
/// Those of `attempt`; `Conflict` when the last try met one, too.
pub async fn retry_conflicts<T>(
    location: &str,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES_MAX => {
                tries += 1;
                tracing::info!(%error, tries, location, "another writer changed the table; starting over");
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conflict_starts_over_and_another_error_or_the_fifth_conflict_ends_it() {
        for (conflicts, expected_tries, succeeds) in [(0, 1, true), (4, 5, true), (5, 5, false)] {
            let mut tries = 0;
            let done = retry_conflicts("table", async || {
                tries += 1;
                if tries <= conflicts {
                    return Err(Error::new(ErrorKind::Conflict, "another writer"));
                }
                Ok(tries)
            })
            .await;
            assert_eq!(done.is_ok(), succeeds, "{conflicts}");
            assert_eq!(tries, expected_tries, "{conflicts}");
        }
        let mut tries = 0;
        let failed: Result<()> = retry_conflicts("table", async || {
            tries += 1;
            Err(Error::internal("another error"))
        })
        .await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(tries, 1);
    }
}
