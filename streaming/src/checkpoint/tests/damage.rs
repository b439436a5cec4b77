//! Entries that were damaged, renamed or written by another version.

use weir_plan::Error;

use super::*;

/// Batch 0 is closed and batch 1 is prepared; then `damage` is done, and recovery refuses.
async fn refused_after(
    store: &Arc<dyn CheckpointStore>,
    damage: impl AsyncFnOnce(&Arc<dyn CheckpointStore>),
) -> Error {
    let (checkpoint, writer) = (closed(store, 1).await, writer(1));
    checkpoint.log_offsets(&offsets(1, &writer)).await.unwrap();
    checkpoint
        .log_prepared(&prepared(1, &writer))
        .await
        .unwrap();
    damage(store).await;
    checkpoint.recover().await.unwrap_err()
}

/// Ways to damage an entry.
fn damages(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut flipped = bytes.to_vec();
    let last_digit = flipped.iter().rposition(u8::is_ascii_digit).unwrap();
    flipped[last_digit] ^= 1;
    vec![
        ("empty", Vec::new()),
        ("truncated", bytes[..bytes.len() / 2].to_vec()),
        ("zeroed", vec![0; bytes.len()]),
        ("edited", flipped),
        ("foreign", b"{\"batchId\": 1}\n".to_vec()),
    ]
}

#[tokio::test]
async fn damaged_entry_of_each_kind_is_refused_by_name_with_advice() {
    let cases = [
        ("metadata", ""),
        // Batch 1 is prepared: it may be in the table, over the ranges that are lost.
        ("offsets/1", "restore it"),
        ("prepared/1", "runs again over its logged offsets"),
        ("commits/1", "the batch is committed again"),
    ];
    for (path, advice) in cases {
        for store in Stores::new().all {
            closed(&store, 2).await;
            if path == "prepared/1" {
                store.delete("commits/1").await.unwrap();
            }
            let sound = store.get(path).await.unwrap().unwrap();
            for (how, damaged) in damages(&sound) {
                overwrite(&store, path, damaged).await;
                let wanted = metadata(&["kafka"], "file:///table");
                let recovered = match Checkpoint::open(Arc::clone(&store), wanted).await {
                    Ok(checkpoint) => checkpoint.recover().await,
                    Err(error) => Err(error),
                };
                let error = recovered.expect_err(how);
                assert_eq!(
                    error.kind(),
                    ErrorKind::CorruptCheckpoint,
                    "{how} {path}: {error}"
                );
                let text = error.to_string();
                assert!(text.contains(path), "{how}: {text}");
                assert!(text.contains(advice), "{how} {path}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn damaged_offsets_of_a_batch_that_wrote_nothing_may_go() {
    for store in Stores::new().all {
        let (checkpoint, writer) = (closed(&store, 1).await, writer(1));
        checkpoint.log_offsets(&offsets(1, &writer)).await.unwrap();
        overwrite(&store, "offsets/1", "").await;
        let error = checkpoint.recover().await.unwrap_err();
        assert!(error.to_string().contains("delete the entry"), "{error}");

        store.delete("offsets/1").await.unwrap();
        let recovered = checkpoint.recover().await.unwrap();
        assert!(matches!(recovered, Recovery::Closed(batch) if batch.batch_id == BatchId(0)));
    }
}

#[tokio::test]
async fn damaged_start_is_refused_with_advice() {
    for store in Stores::new().all {
        let wanted = metadata(&["kafka"], "file:///table");
        let checkpoint = Checkpoint::open(Arc::clone(&store), wanted).await.unwrap();
        assert_eq!(checkpoint.start().await.unwrap(), None);
        let start = |sources: usize| StartEntry {
            sources: vec![SourceOffset(json!({})); sources],
            writer: writer(1),
        };
        let sound = encode(&start(1)).unwrap();
        let mut damaged = damages(&sound);
        damaged.push(("of two sources", encode(&start(2)).unwrap().to_vec()));
        for (how, damaged) in damaged {
            overwrite(&store, "start", damaged).await;
            let error = checkpoint.start().await.expect_err(how);
            assert_eq!(error.kind(), ErrorKind::CorruptCheckpoint, "{how}: {error}");
            let text = error.to_string();
            assert!(text.contains("/start"), "{how}: {text}");
            assert!(text.contains("delete the entry"), "{how}: {text}");
        }
    }
}

#[tokio::test]
async fn entry_of_a_newer_version_is_refused_with_both_versions() {
    for path in ["offsets/1", "prepared/1"] {
        for store in Stores::new().all {
            let error = refused_after(&store, async |store| {
                let bytes = store.get(path).await.unwrap().unwrap();
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                overwrite(store, path, text.replacen(" v1 ", " v2 ", 1)).await;
            })
            .await;
            assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
            let text = error.to_string();
            assert!(text.contains(path) && text.contains("version 2"), "{text}");
            assert!(text.contains("up to 1"), "{text}");
        }
    }
}

#[tokio::test]
async fn renamed_entry_of_each_kind_is_refused() {
    for path in ["offsets/1", "prepared/1", "commits/1"] {
        for store in Stores::new().all {
            let older = path.replace('1', "0");
            let error = refused_after(&store, async |store| {
                let bytes = store.get(&older).await.unwrap().unwrap();
                overwrite(store, path, bytes).await;
            })
            .await;
            assert_eq!(error.kind(), ErrorKind::CorruptCheckpoint);
            let text = error.to_string();
            assert!(
                text.contains(path) && text.contains("says it is batch 0"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn offsets_of_other_sources_than_the_metadata_names_are_refused() {
    for store in Stores::new().all {
        let error = refused_after(&store, async |store| {
            let mut entry = offsets(1, &writer(1));
            entry.sources[0].kind = "delta".to_owned();
            overwrite(store, "offsets/1", encode(&entry).unwrap()).await;
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::CorruptCheckpoint);
        let text = error.to_string();
        assert!(
            text.contains("[delta]") && text.contains("[kafka]"),
            "{text}"
        );
    }
}
