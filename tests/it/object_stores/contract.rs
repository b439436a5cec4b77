//! What checkpoints and commits rest on: of any number of writers that create one object, one does.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use weir_connectors::ObjectStores;
use weir_streaming::store::{CheckpointStore, Put, open};
use weir_tests::files::TempLake;
use weir_tests::s3::S3Server;

use super::stores;

fn checkpoint(server: &S3Server, lake: &TempLake) -> Arc<dyn CheckpointStore> {
    let stores: ObjectStores = stores(server);
    open(&lake.url_of("checkpoints/contract"), &stores).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_writers_that_create_one_entry_at_once_have_one_winner() {
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let lake = TempLake::on(&server);
    for round in 0..20 {
        let mut racers = JoinSet::new();
        for racer in 0..20 {
            // Each a process's worth of its own: connections, and the look at the store's word.
            let store = checkpoint(&server, &lake);
            racers.spawn(async move {
                let entry = Bytes::from(racer.to_string());
                let path = format!("prepared/{round}");
                let put = store.put_if_absent(&path, entry).await;
                (racer, put.unwrap())
            });
        }
        let outcomes = racers.join_all().await;
        let winners = outcomes.iter().filter(|(_, put)| *put == Put::Created);
        let winners: Vec<_> = winners.map(|(racer, _)| racer.to_string()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        let store = checkpoint(&server, &lake);
        let kept = store.get(&format!("prepared/{round}")).await.unwrap();
        assert_eq!(kept.unwrap(), winners[0].as_bytes(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_on_s3_keeps_the_contract_of_a_store() {
    let Some(server) = S3Server::start_or_skip().await else {
        return;
    };
    let lake = TempLake::on(&server);
    let store = checkpoint(&server, &lake);
    assert_eq!(store.get("offsets/0").await.unwrap(), None);
    assert!(store.list("offsets").await.unwrap().is_empty());
    for (bytes, expected) in [("a", Put::Created), ("b", Put::Exists)] {
        let put = store.put_if_absent("offsets/0", Bytes::from(bytes)).await;
        assert_eq!(put.unwrap(), expected);
    }
    let kept = store.get("offsets/0").await.unwrap();
    assert_eq!(kept.as_deref(), Some(b"a".as_slice()));
    // And not the object by which the store was tried, which lies beside it.
    assert_eq!(store.list("offsets").await.unwrap(), ["0"]);
    let probe = lake.file("checkpoints/contract/offsets/.weir-conditional-put");
    assert!(probe.is_file());
    for _ in 0..2 {
        store.delete("offsets/0").await.unwrap();
    }
    assert_eq!(store.get("offsets/0").await.unwrap(), None);
}
