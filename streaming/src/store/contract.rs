//! The contract of [`CheckpointStore`], run over every implementation.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use super::{CheckpointStore, LocalCheckpointStore, ObjectCheckpointStore, Put};

async fn keeps_the_contract(store: Arc<dyn CheckpointStore>) {
    assert_eq!(store.get("offsets/0").await.unwrap(), None);
    assert!(store.list("offsets").await.unwrap().is_empty());

    let first = store.put_if_absent("offsets/0", Bytes::from_static(b"a"));
    assert_eq!(first.await.unwrap(), Put::Created);
    let second = store.put_if_absent("offsets/0", Bytes::from_static(b"b"));
    assert_eq!(second.await.unwrap(), Put::Exists);
    let kept = store.get("offsets/0").await.unwrap();
    assert_eq!(kept.as_deref(), Some(b"a".as_slice()));
    assert_eq!(store.list("offsets").await.unwrap(), ["0"]);

    let racers = (0..16).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let put = store
                .put_if_absent("prepared/7", Bytes::from(n.to_string()))
                .await
                .unwrap();
            (n, put)
        })
    });
    let outcomes: Vec<_> = join_all(racers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(_, put)| *put == Put::Created)
        .map(|(n, _)| n.to_string())
        .collect();
    assert_eq!(winners.len(), 1, "one racer wins: {outcomes:?}");
    let kept = store.get("prepared/7").await.unwrap().unwrap();
    assert_eq!(kept, winners[0].as_bytes(), "and its bytes stay");

    store.delete("offsets/0").await.unwrap();
    store.delete("offsets/0").await.unwrap();
    assert_eq!(store.get("offsets/0").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalCheckpointStore::new(dir.path().join("checkpoint")).unwrap();
    keeps_the_contract(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_keeps_the_contract() {
    keeps_the_contract(Arc::new(ObjectCheckpointStore::in_memory())).await;
}

#[tokio::test]
async fn object_store_over_local_files_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let files = object_store::local::LocalFileSystem::new_with_prefix(dir.path()).unwrap();
    let prefix = object_store::path::Path::from("a/checkpoint");
    let store = ObjectCheckpointStore::new(Arc::new(files), prefix, "file store");
    keeps_the_contract(Arc::new(store)).await;
}

#[tokio::test]
async fn leftover_of_a_killed_writer_is_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("offsets")).unwrap();
    std::fs::write(dir.path().join("offsets/.tmp-1"), b"half").unwrap();
    let store = LocalCheckpointStore::new(dir.path()).unwrap();
    assert!(store.list("offsets").await.unwrap().is_empty());
}

#[tokio::test]
async fn denied_write_names_the_entry() {
    let dir = tempfile::tempdir().unwrap();
    // A file where a directory must be: denied to root, too.
    std::fs::write(dir.path().join("offsets"), b"").unwrap();
    let store = LocalCheckpointStore::new(dir.path()).unwrap();
    let error = store
        .put_if_absent("offsets/0", Bytes::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), weir_plan::ErrorKind::Storage);
    assert!(error.to_string().contains("offsets/0"), "{error}");
}
