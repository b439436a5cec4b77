//! The recovery matrix, over a local directory and in memory.

mod damage;
mod positions;
mod puts;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::json;
use tempfile::TempDir;
use weir_plan::{BatchId, ErrorKind, QueryId, RunId, SourceOffset, SourceRange, Written};

use super::{Checkpoint, Recovery};
use crate::log::{
    CommitsEntry, LoggedSource, Metadata, OffsetsEntry, PreparedEntry, SinkIdentity, StartEntry,
    Writer, encode,
};
use crate::store::{CheckpointStore, LocalCheckpointStore, ObjectCheckpointStore, Put};

/// One store of each kind, empty.
struct Stores {
    all: [Arc<dyn CheckpointStore>; 2],
    _dir: TempDir,
}

impl Stores {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let local = LocalCheckpointStore::new(dir.path().join("checkpoint")).unwrap();
        Self {
            all: [
                Arc::new(local),
                Arc::new(ObjectCheckpointStore::in_memory()),
            ],
            _dir: dir,
        }
    }
}

/// Far apart enough to be told from each other: process 1 is not process 2.
fn writer(process: u32) -> Writer {
    Writer {
        run_id: RunId::random(),
        host: "host".to_owned(),
        pid: process,
        started: DateTime::<Utc>::UNIX_EPOCH,
    }
}

fn metadata(sources: &[&str], location: &str) -> Metadata {
    Metadata {
        query_id: QueryId::random(),
        sources: sources.iter().map(|&kind| kind.to_owned()).collect(),
        sink: SinkIdentity {
            kind: "delta".to_owned(),
            location: location.to_owned(),
        },
        created: DateTime::<Utc>::UNIX_EPOCH,
    }
}

fn offsets(batch: u64, writer: &Writer) -> OffsetsEntry {
    OffsetsEntry {
        batch_id: BatchId(batch),
        batch_timestamp_ms: 1_700_000_000_000,
        parameters: BTreeMap::from([("load_date".to_owned(), "2026-01-31".to_owned())]),
        sources: vec![LoggedSource {
            kind: "kafka".to_owned(),
            description: "kafka[subscribe: orders]".to_owned(),
            range: SourceRange {
                start: SourceOffset(json!({"orders": {"0": batch * 10}})),
                end: SourceOffset(json!({"orders": {"0": batch * 10 + 10}})),
            },
        }],
        writer: writer.clone(),
    }
}

fn prepared(batch: u64, writer: &Writer) -> PreparedEntry {
    PreparedEntry {
        batch_id: BatchId(batch),
        written: Written {
            files: vec![format!("file-{batch}")],
            rows: 10,
            bytes: 100,
            diverted: None,
        },
        input_rows: 10,
        writer: writer.clone(),
    }
}

fn commits(batch: u64, writer: &Writer) -> CommitsEntry {
    CommitsEntry {
        batch_id: BatchId(batch),
        sink_version: Some(batch),
        writer: writer.clone(),
    }
}

async fn open(store: &Arc<dyn CheckpointStore>) -> Checkpoint {
    let wanted = metadata(&["kafka"], "file:///table");
    Checkpoint::open(Arc::clone(store), wanted).await.unwrap()
}

/// A checkpoint with batches 0 up to and without `count`, all closed.
async fn closed(store: &Arc<dyn CheckpointStore>, count: u64) -> Checkpoint {
    let (checkpoint, writer) = (open(store).await, writer(1));
    for batch in 0..count {
        checkpoint
            .log_offsets(&offsets(batch, &writer))
            .await
            .unwrap();
        checkpoint
            .log_prepared(&prepared(batch, &writer))
            .await
            .unwrap();
        checkpoint
            .log_commit(&commits(batch, &writer))
            .await
            .unwrap();
    }
    checkpoint
}

/// Writes `path` anew, as no process of Weir does.
async fn overwrite(store: &Arc<dyn CheckpointStore>, path: &str, bytes: impl Into<Bytes>) {
    store.delete(path).await.unwrap();
    let put = store.put_if_absent(path, bytes.into()).await.unwrap();
    assert_eq!(put, Put::Created);
}

#[tokio::test]
async fn checkpoint_without_batches_is_fresh() {
    for store in Stores::new().all {
        assert_eq!(open(&store).await.recover().await.unwrap(), Recovery::Fresh);
    }
}

#[tokio::test]
async fn each_step_of_a_batch_leads_to_its_recovery() {
    for store in Stores::new().all {
        let (checkpoint, writer) = (closed(&store, 1).await, writer(1));
        let (planned, written) = (offsets(1, &writer), prepared(1, &writer));

        checkpoint.log_offsets(&planned).await.unwrap();
        let found = open(&store).await.recover().await.unwrap();
        assert_eq!(found, Recovery::Rerun(planned.clone()));

        checkpoint.log_prepared(&written).await.unwrap();
        let found = open(&store).await.recover().await.unwrap();
        assert_eq!(found, Recovery::Commit(planned.clone(), written));

        checkpoint.log_commit(&commits(1, &writer)).await.unwrap();
        let found = open(&store).await.recover().await.unwrap();
        assert_eq!(found, Recovery::Closed(planned));
    }
}

#[tokio::test]
async fn reopened_checkpoint_keeps_its_query_id() {
    for store in Stores::new().all {
        let first = open(&store).await.query_id();
        assert_eq!(open(&store).await.query_id(), first);
    }
}

#[tokio::test]
async fn peek_at_nothing_writes_nothing() {
    for store in Stores::new().all {
        let wanted = metadata(&["kafka"], "file:///table");
        let found = Checkpoint::peek(Arc::clone(&store), wanted.clone()).await;
        assert!(found.unwrap().is_none());
        assert_eq!(store.get("metadata").await.unwrap(), None);

        let query_id = open(&store).await.query_id();
        let found = Checkpoint::peek(store, wanted).await.unwrap();
        assert_eq!(found.unwrap().query_id(), query_id);
    }
}

#[tokio::test]
async fn metadata_missing_under_batches_is_refused_by_open_and_peek() {
    for (dir, path) in [("offsets", "offsets/0"), ("commits", "commits/0")] {
        for store in Stores::new().all {
            closed(&store, 1).await;
            store.delete("metadata").await.unwrap();
            for other in ["offsets", "prepared", "commits"] {
                if other != dir {
                    store.delete(&format!("{other}/0")).await.unwrap();
                }
            }
            let wanted = metadata(&["kafka"], "file:///table");
            let opened = Checkpoint::open(Arc::clone(&store), wanted.clone()).await;
            let peeked = Checkpoint::peek(Arc::clone(&store), wanted).await;
            for error in [opened.unwrap_err(), peeked.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
                assert!(error.to_string().contains("metadata is missing"), "{error}");
                assert!(error.to_string().contains(path), "{error}");
            }
            assert_eq!(
                store.get("metadata").await.unwrap(),
                None,
                "none is made up"
            );
        }
    }
}

#[tokio::test]
async fn checkpoint_of_another_query_is_refused_with_both_identities() {
    let others = [
        (
            metadata(&["kafka", "kafka"], "file:///table"),
            ["[kafka]", "[kafka, kafka]"],
        ),
        (
            metadata(&["delta"], "file:///table"),
            ["[kafka]", "[delta]"],
        ),
        (
            metadata(&["kafka"], "file:///other"),
            ["file:///table", "file:///other"],
        ),
    ];
    for (other, [own, wanted]) in others {
        for store in Stores::new().all {
            open(&store).await;
            let opened = Checkpoint::open(Arc::clone(&store), other.clone()).await;
            let peeked = Checkpoint::peek(Arc::clone(&store), other.clone()).await;
            for error in [opened.unwrap_err(), peeked.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
                let text = error.to_string();
                assert!(text.contains("another query"), "{text}");
                assert!(text.contains(own) && text.contains(wanted), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn missing_entry_is_refused_by_name() {
    // What is deleted of three closed batches and a planned one, and what is then missed.
    let cases: &[(&[&str], &str)] = &[
        (&["offsets/2"], "offsets/2"),
        (&["commits/2"], "commits/2"),
        (&["offsets/3", "offsets/2"], "offsets/2"),
        (
            &["offsets/0", "offsets/1", "offsets/2", "offsets/3"],
            "offsets/2",
        ),
    ];
    for (deleted, missed) in cases {
        for store in Stores::new().all {
            let checkpoint = closed(&store, 3).await;
            checkpoint
                .log_offsets(&offsets(3, &writer(1)))
                .await
                .unwrap();
            for path in *deleted {
                store.delete(path).await.unwrap();
            }
            let error = open(&store).await.recover().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CheckpointMismatch, "{deleted:?}");
            let text = error.to_string();
            assert!(text.contains(&format!("{missed} is missing")), "{text}");
        }
    }
}

#[tokio::test]
async fn prepared_batch_without_offsets_is_refused_by_name() {
    for store in Stores::new().all {
        let (checkpoint, writer) = (closed(&store, 1).await, writer(1));
        checkpoint.log_offsets(&offsets(1, &writer)).await.unwrap();
        checkpoint
            .log_prepared(&prepared(1, &writer))
            .await
            .unwrap();
        store.delete("offsets/1").await.unwrap();
        let error = open(&store).await.recover().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
        let text = error.to_string();
        assert!(text.contains("offsets/1 is missing"), "{text}");
        assert!(text.contains("prepared/1 exists"), "{text}");
    }
}

#[tokio::test]
async fn foreign_files_in_the_logs_are_left_alone() {
    for store in Stores::new().all {
        let checkpoint = closed(&store, 2).await;
        overwrite(&store, "offsets/7.bak", "x").await;
        let recovered = checkpoint.recover().await.unwrap();
        assert!(matches!(recovered, Recovery::Closed(batch) if batch.batch_id == BatchId(1)));
        checkpoint.purge(BatchId(1), 2).await.unwrap();
        assert!(store.get("offsets/7.bak").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn purge_keeps_the_newest_batches_and_recovery_still_works() {
    for store in Stores::new().all {
        let checkpoint = closed(&store, 7).await;
        checkpoint.purge(BatchId(6), 3).await.unwrap();
        for dir in ["offsets", "prepared", "commits"] {
            let mut names = store.list(dir).await.unwrap();
            names.sort_unstable();
            assert_eq!(names, ["4", "5", "6"], "{dir}");
        }
        let recovered = open(&store).await.recover().await.unwrap();
        assert!(matches!(recovered, Recovery::Closed(batch) if batch.batch_id == BatchId(6)));

        let planned = offsets(7, &writer(1));
        checkpoint.log_offsets(&planned).await.unwrap();
        let recovered = open(&store).await.recover().await.unwrap();
        assert_eq!(recovered, Recovery::Rerun(planned));
    }
}

#[tokio::test]
async fn purge_always_keeps_the_two_batches_recovery_looks_at() {
    for retain in [0, 1, 2] {
        for store in Stores::new().all {
            let checkpoint = closed(&store, 4).await;
            checkpoint.purge(BatchId(3), retain).await.unwrap();
            assert_eq!(store.list("offsets").await.unwrap().len(), 2);
            let recovered = open(&store).await.recover().await.unwrap();
            assert!(matches!(recovered, Recovery::Closed(batch) if batch.batch_id == BatchId(3)));
        }
    }
}

#[tokio::test]
async fn purge_of_a_short_history_keeps_everything() {
    for store in Stores::new().all {
        let checkpoint = closed(&store, 2).await;
        checkpoint.purge(BatchId(1), 100).await.unwrap();
        assert_eq!(store.list("commits").await.unwrap().len(), 2);
    }
}
