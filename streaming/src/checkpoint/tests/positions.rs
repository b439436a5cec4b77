//! Where a query stands, as one that is not the query reads it.

use super::super::Position;
use super::*;
use crate::testing::{Script, ScriptedStore};

fn at(offset: u64) -> SourceOffset {
    SourceOffset(json!({"orders": {"0": offset}}))
}

/// Last closed batch, unfinished batch, offset.
async fn read(
    store: &Arc<dyn CheckpointStore>,
) -> (Option<u64>, Option<u64>, Option<SourceOffset>) {
    let position = Position::read(Arc::clone(store)).await.unwrap();
    let [(kind, offset)] = &position.sources[..] else {
        panic!("{position:?}");
    };
    assert_eq!(kind, "kafka");
    let number = |batch: Option<BatchId>| batch.map(|batch| batch.0);
    (
        number(position.batch),
        number(position.unfinished),
        offset.clone(),
    )
}

#[tokio::test]
async fn batch_counts_as_read_once_it_is_closed() {
    for store in Stores::new().all {
        let writer = writer(1);
        let error = Position::read(Arc::clone(&store)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&store.location()), "{error}");

        let checkpoint = open(&store).await;
        assert_eq!(read(&store).await, (None, None, None));
        let start = StartEntry {
            sources: vec![at(3)],
            writer: writer.clone(),
        };
        checkpoint.log_start(start).await.unwrap();
        assert_eq!(read(&store).await, (None, None, Some(at(3))));
        checkpoint.log_offsets(&offsets(0, &writer)).await.unwrap();
        assert_eq!(read(&store).await, (None, Some(0), Some(at(0))));
        checkpoint
            .log_prepared(&prepared(0, &writer))
            .await
            .unwrap();
        assert_eq!(read(&store).await, (None, Some(0), Some(at(0))));
        checkpoint.log_commit(&commits(0, &writer)).await.unwrap();
        assert_eq!(read(&store).await, (Some(0), None, Some(at(10))));
        checkpoint.log_offsets(&offsets(1, &writer)).await.unwrap();
        assert_eq!(read(&store).await, (Some(0), Some(1), Some(at(10))));
    }
}

#[tokio::test]
async fn query_that_goes_on_between_two_looks_is_read_again() {
    for store in Stores::new().all {
        let checkpoint = closed(&store, 1).await;
        let script = Script::default();
        let gate = script.hold("store list commits");
        let watched = Arc::new(ScriptedStore::new(Arc::clone(&store), script.clone()));
        let reading = tokio::spawn(Position::read(watched));
        gate.arrived().await;
        let writer = writer(1);
        for batch in 1..3 {
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
        gate.open();
        let position = reading.await.unwrap().unwrap();
        assert_eq!(position.batch, Some(BatchId(2)));
        assert_eq!(position.sources[0].1, Some(at(30)));
        assert!(script.is_played());
    }
}

#[tokio::test]
async fn damaged_checkpoint_is_an_error_and_is_left_as_it_is() {
    for store in Stores::new().all {
        closed(&store, 2).await;
        store.delete("offsets/1").await.unwrap();
        let error = Position::read(Arc::clone(&store)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckpointMismatch, "{error}");
        assert!(error.to_string().contains("offsets/1"), "{error}");
        assert_eq!(store.list("commits").await.unwrap().len(), 2);
    }
}
