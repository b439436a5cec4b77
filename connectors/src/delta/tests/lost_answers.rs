//! Commits whose answer is lost: the store fails before or after it took the entry.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use deltalake::DeltaResult;
use deltalake::kernel::Snapshot;
use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::{CommitOrBytes, LogStore, LogStoreConfig, LogStoreRef};
use deltalake::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectStore;
use uuid::Uuid;
use weir_plan::{ErrorKind, QueryId, Written};

use super::support::{Place, drain, people, stores, write};
use crate::delta::commit::{Identity, Outcome, Proposal, commit};
use crate::delta::entry::Files;
use crate::delta::live::live_files;
use crate::delta::location::{log_store, table_url};
use crate::delta::replace::{Replacement, Scope};
use crate::delta::table::Table;

#[derive(Clone, Copy)]
enum Fault {
    BeforePut,
    AfterPut,
}

/// A log whose next puts fail, each in its way.
struct Faulty {
    inner: LogStoreRef,
    faults: Mutex<VecDeque<Fault>>,
}

fn lost() -> TransactionError {
    TransactionError::ObjectStore {
        source: object_store::Error::Generic {
            store: "faulty",
            source: "the connection was reset".into(),
        },
    }
}

#[async_trait::async_trait]
impl LogStore for Faulty {
    fn name(&self) -> String {
        self.inner.name()
    }

    async fn read_commit_entry(&self, version: u64) -> DeltaResult<Option<Bytes>> {
        self.inner.read_commit_entry(version).await
    }

    async fn write_commit_entry(
        &self,
        version: u64,
        entry: CommitOrBytes,
        operation: Uuid,
    ) -> Result<(), TransactionError> {
        let fault = self.faults.lock().unwrap().pop_front();
        if matches!(fault, Some(Fault::BeforePut)) {
            return Err(lost());
        }
        self.inner
            .write_commit_entry(version, entry, operation)
            .await?;
        fault.map_or(Ok(()), |_| Err(lost()))
    }

    async fn abort_commit_entry(
        &self,
        version: u64,
        entry: CommitOrBytes,
        operation: Uuid,
    ) -> Result<(), TransactionError> {
        self.inner
            .abort_commit_entry(version, entry, operation)
            .await
    }

    async fn get_latest_version(&self, start: u64) -> DeltaResult<u64> {
        self.inner.get_latest_version(start).await
    }

    fn object_store(&self, operation: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.inner.object_store(operation)
    }

    fn root_object_store(&self, operation: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.inner.root_object_store(operation)
    }

    fn config(&self) -> &LogStoreConfig {
        self.inner.config()
    }
}

async fn commit_with(
    place: &Place,
    identity: Identity,
    written: &Written,
    replacement: Option<Replacement>,
    faults: &[Fault],
) -> weir_plan::Result<Outcome> {
    let url = table_url(&place.path()).unwrap();
    let store = Faulty {
        inner: log_store(&url, &stores()).unwrap(),
        faults: Mutex::new(faults.iter().copied().collect()),
    };
    let mut table = Table::new(url, Arc::new(store));
    let proposal = Proposal {
        identity,
        files: Files::decode(&written.files).unwrap().unwrap(),
        operation: DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: None,
            predicate: None,
        },
        info: BTreeMap::new(),
        merge_schema: false,
        must_create: false,
        replacement,
    };
    commit(&mut table, &proposal).await
}

fn batch_of(query: QueryId) -> Identity {
    Identity::Transaction {
        app_id: query.to_string(),
        version: 0,
    }
}

#[tokio::test]
async fn entry_that_was_taken_is_found_and_not_put_twice() {
    for creates in [true, false] {
        for identity in [batch_of(QueryId::random()), Identity::Files] {
            let place = Place::new();
            if !creates {
                drain(&place.sink(), QueryId::random(), 0, people(&[9]))
                    .await
                    .unwrap();
            }
            let written = write(&place.sink(), &[vec![people(&[1, 2])]])
                .await
                .unwrap();
            let faults = [Fault::BeforePut, Fault::AfterPut];
            let outcome = commit_with(&place, identity, &written, None, &faults)
                .await
                .unwrap();
            let version = u64::from(!creates);
            assert_eq!(
                outcome,
                Outcome {
                    version,
                    already: true
                }
            );
            assert_eq!(
                place.query("select count(*) from t where id < 9").await,
                "2"
            );
            assert!(place.sink().exists().await.unwrap());
        }
    }
}

#[tokio::test]
async fn replacement_whose_answer_was_lost_is_found_and_is_no_conflict_with_itself() {
    for identity in [
        batch_of(QueryId::random()),
        Identity::Mark("an-id-of-its-own".to_owned()),
    ] {
        let place = Place::new();
        drain(&place.sink(), QueryId::random(), 0, people(&[9]))
            .await
            .unwrap();
        let url = table_url(&place.path()).unwrap();
        let log = log_store(&url, &stores()).unwrap();
        let snapshot = Snapshot::try_new(&log, None).await.unwrap();
        let replacement = Replacement {
            serializable: false,
            base: Some(0),
            scope: Scope::Table,
            removes: live_files(&url, &log, &snapshot).await.unwrap(),
            new_schema: false,
        };
        let written = write(&place.sink(), &[vec![people(&[1, 2])]])
            .await
            .unwrap();
        let faults = [Fault::BeforePut, Fault::AfterPut];
        let outcome = commit_with(&place, identity, &written, Some(replacement), &faults)
            .await
            .unwrap();
        assert_eq!(
            outcome,
            Outcome {
                version: 1,
                already: true
            }
        );
        assert_eq!(place.query("select id from t order by id").await, "1\n2");
    }
}

#[tokio::test]
async fn entry_that_was_not_taken_is_put_again() {
    let place = Place::new();
    let written = write(&place.sink(), &[vec![people(&[1])]]).await.unwrap();
    let faults = [Fault::BeforePut; 2];
    let outcome = commit_with(&place, batch_of(QueryId::random()), &written, None, &faults)
        .await
        .unwrap();
    assert_eq!(
        outcome,
        Outcome {
            version: 0,
            already: false
        }
    );
    assert_eq!(place.query("select count(*) from t").await, "1");
}

#[tokio::test]
async fn store_that_keeps_failing_is_given_up_and_the_last_answer_still_counts() {
    let place = Place::new();
    let query = QueryId::random();
    let written = write(&place.sink(), &[vec![people(&[1])]]).await.unwrap();
    let error = commit_with(
        &place,
        batch_of(query),
        &written,
        None,
        &[Fault::BeforePut; 9],
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    let text = error.to_string();
    assert!(
        text.contains("not committed") && text.contains("connection was reset"),
        "{text}"
    );

    let last = [Fault::BeforePut, Fault::BeforePut, Fault::AfterPut];
    let outcome = commit_with(&place, batch_of(query), &written, None, &last)
        .await
        .unwrap();
    assert_eq!(
        outcome,
        Outcome {
            version: 0,
            already: true
        }
    );
    assert_eq!(place.query("select count(*) from t").await, "1");
}
