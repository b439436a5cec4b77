//! The jobs a driver knows, on disk: what is put is there after any crash.

use std::path::Path;
use std::sync::Arc;

use prost::Message as _;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use weir_plan::{Error, ErrorKind, Result};
use weir_proto::jobs::StoredJob;

/// By id, which sorts by age.
const JOBS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("jobs");

/// Of the store's pages in memory. Jobs are short texts, of which the newest are asked for; unless told, redb keeps up to 1 GiB.
const CACHE_BYTES: usize = 4 << 20;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct JobStore {
    database: Arc<Database>,
}

impl JobStore {
    /// The store in the file at `path`, which is made.
    ///
    /// # Errors
    /// `Storage` when it cannot be used; another driver that has it open is one reason.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error: redb::Error| {
            Error::new(
                ErrorKind::Storage,
                format!(
                    "the driver's store {} cannot be opened; another driver may have it open",
                    path.display()
                ),
            )
            .with_source(error)
        };
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| failed(error.into()))?;
        let transaction = database
            .begin_write()
            .map_err(|error| failed(error.into()))?;
        transaction
            .open_table(JOBS)
            .map_err(|error| failed(error.into()))?;
        transaction.commit().map_err(|error| failed(error.into()))?;
        Ok(Self {
            database: Arc::new(database),
        })
    }

    /// Puts a job, over what was there.
    pub(super) async fn put(&self, job: StoredJob) -> Result<()> {
        self.blocking(move |database| {
            let id = job.job.as_ref().map_or("", |job| job.id.as_str());
            let transaction = database.begin_write()?;
            {
                let mut jobs = transaction.open_table(JOBS)?;
                jobs.insert(id, job.encode_to_vec().as_slice())?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// All jobs, oldest first.
    pub(super) async fn all(&self) -> Result<Vec<StoredJob>> {
        let encoded: Vec<Vec<u8>> = self
            .blocking(|database| {
                let jobs = database.begin_read()?.open_table(JOBS)?;
                let mut all = Vec::new();
                for entry in jobs.iter()? {
                    all.push(entry?.1.value().to_vec());
                }
                Ok(all)
            })
            .await?;
        let decoded = encoded.iter().map(|job| StoredJob::decode(job.as_slice()));
        decoded.collect::<Result<_, _>>().map_err(|error| {
            Error::new(ErrorKind::Storage, "the driver's store is damaged").with_source(error)
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        let worked = tokio::task::spawn_blocking(move || work(&database)).await;
        let worked = worked
            .map_err(|error| Error::internal("the driver's store panicked").with_source(error))?;
        worked.map_err(|error| {
            Error::new(ErrorKind::Storage, "writing the driver's store").with_source(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use weir_proto::jobs::Job;

    use super::*;

    fn job(id: &str, tries: u32) -> StoredJob {
        let job = Job {
            id: id.to_owned(),
            tries,
            ..Job::default()
        };
        StoredJob {
            job: Some(job),
            ..StoredJob::default()
        }
    }

    #[tokio::test]
    async fn jobs_are_there_again_in_order_when_the_store_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.redb");
        let store = JobStore::open(&path).unwrap();
        for job in [job("b", 1), job("a", 1), job("b", 2)] {
            store.put(job).await.unwrap();
        }
        let error = JobStore::open(&path).unwrap_err();
        assert!(error.to_string().contains("another driver"), "{error}");
        drop(store);
        let all = JobStore::open(&path).unwrap().all().await.unwrap();
        assert_eq!(all, [job("a", 1), job("b", 2)]);
    }
}
