//! Whether the files of a batch that an earlier run prepared are still there.
//!
//! Between a crash and the next start a VACUUM takes files that no commit names. Committing them then
//! would make every read of the table fail.

use deltalake::Path;
use deltalake::kernel::Add;
use deltalake::logstore::{LogStore as _, ObjectStoreRef};
use futures::future::try_join_all;
use object_store::ObjectStoreExt as _;
use weir_plan::{BatchId, Error, ErrorKind, Result};

use super::error::table_error;
use super::table::Table;

/// How many files are looked for at a time.
const CONCURRENCY: usize = 16;

/// Refuses to commit `adds` of `batch_id` to `table` when one of them is gone or is of another size.
///
/// # Errors
/// `CorruptCheckpoint`, naming the file; `Storage` or `Unavailable`.
pub(super) async fn check_present(table: &Table, adds: &[Add], batch_id: BatchId) -> Result<()> {
    let store: ObjectStoreRef = table.log_store().object_store(None);
    for adds in adds.chunks(CONCURRENCY) {
        let looks = adds.iter().map(|add| look(&store, table, add, batch_id));
        try_join_all(looks).await?;
    }
    Ok(())
}

async fn look(store: &ObjectStoreRef, table: &Table, add: &Add, batch_id: BatchId) -> Result<()> {
    let path = Path::from_url_path(&add.path).map_err(|error| {
        Error::internal(format!("{:?} is no path of a data file", add.path)).with_source(error)
    })?;
    let state = match store.head(&path).await {
        Ok(found) if i64::try_from(found.size).ok() == Some(add.size) => return Ok(()),
        Ok(found) => format!("has {} bytes instead of {}", found.size, add.size),
        Err(object_store::Error::NotFound { .. }) => "is gone".to_owned(),
        Err(error) => {
            return Err(table_error(
                table.url(),
                "looking at files of",
                error.into(),
            ));
        }
    };
    Err(Error::new(
        ErrorKind::CorruptCheckpoint,
        format!(
            "file {} of delta table {}, which batch {batch_id} wrote before it was committed, {state} \
             (a VACUUM since the crash?); delete the checkpoint's entry prepared/{batch_id}, and the \
             batch runs again over the same offsets",
            add.path,
            table.url()
        ),
    ))
}
