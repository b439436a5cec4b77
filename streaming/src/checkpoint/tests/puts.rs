//! Several processes, and puts whose answer is lost.

use weir_plan::{Error, Result};

use super::*;
use crate::testing::{Action, Script, ScriptedStore};

fn assert_fenced_by(error: &Error, winner: &Writer) {
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    let text = error.to_string();
    assert!(text.contains(&winner.to_string()), "{text}");
}

async fn log(checkpoint: &Checkpoint, path: &str, writer: &Writer) -> Result<()> {
    match path {
        "offsets/1" => checkpoint.log_offsets(&offsets(1, writer)).await,
        "prepared/1" => checkpoint.log_prepared(&prepared(1, writer)).await,
        _ => checkpoint.log_commit(&commits(1, writer)).await,
    }
}

const STEPS: [&str; 3] = ["offsets/1", "prepared/1", "commits/1"];

#[tokio::test]
async fn start_is_decided_by_the_first_process_that_logs_it() {
    for store in Stores::new().all {
        let wanted = metadata(&["kafka"], "file:///table");
        let checkpoint = Checkpoint::open(store, wanted).await.unwrap();
        let start = |offset: u64| StartEntry {
            sources: vec![SourceOffset(json!(offset))],
            writer: writer(1),
        };
        let first = checkpoint.log_start(start(7)).await.unwrap();
        let second = checkpoint.log_start(start(9)).await.unwrap();
        assert_eq!(first, second);
        assert_eq!(checkpoint.start().await.unwrap(), Some(first));
    }
}

#[tokio::test]
async fn second_put_of_each_step_is_fenced_and_names_the_winner() {
    for store in Stores::new().all {
        let (checkpoint, winner, loser) = (closed(&store, 1).await, writer(1), writer(2));
        for path in STEPS {
            log(&checkpoint, path, &winner).await.unwrap();
            let kept = store.get(path).await.unwrap();
            let error = log(&checkpoint, path, &loser).await.unwrap_err();
            assert_fenced_by(&error, &winner);
            assert_eq!(
                store.get(path).await.unwrap(),
                kept,
                "the winner's entry stays"
            );
        }
    }
}

#[tokio::test]
async fn put_that_took_effect_and_failed_counts_as_done() {
    for store in Stores::new().all {
        closed(&store, 1).await;
        let script = Script::default();
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(store, script.clone()));
        let (checkpoint, writer) = (open(&scripted).await, writer(1));
        for path in STEPS {
            script.add(&format!("store put {path}"), Action::FailAfter);
            log(&checkpoint, path, &writer).await.unwrap();
        }
        assert!(script.is_played());
    }
}

#[tokio::test]
async fn put_that_failed_without_effect_is_an_error_and_may_be_tried_again() {
    for store in Stores::new().all {
        closed(&store, 1).await;
        let script = Script::default();
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(store, script.clone()));
        let (checkpoint, writer) = (open(&scripted).await, writer(1));
        for path in STEPS {
            script.add(&format!("store put {path}"), Action::FailBefore);
            let error = log(&checkpoint, path, &writer).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            log(&checkpoint, path, &writer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn put_that_failed_where_another_process_won_is_fenced() {
    for store in Stores::new().all {
        let (winner, loser) = (writer(1), writer(2));
        let theirs = closed(&store, 1).await;
        let script = Script::default();
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(Arc::clone(&store), script.clone()));
        let ours = open(&scripted).await;
        for path in STEPS {
            log(&theirs, path, &winner).await.unwrap();
            script.add(&format!("store put {path}"), Action::FailBefore);
            let error = log(&ours, path, &loser).await.unwrap_err();
            assert_fenced_by(&error, &winner);
        }
    }
}

#[tokio::test]
async fn put_whose_effect_cannot_be_read_back_is_an_error() {
    for store in Stores::new().all {
        closed(&store, 1).await;
        let script = Script::default();
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(Arc::clone(&store), script.clone()));
        let checkpoint = open(&scripted).await;
        script.add("store put offsets/1", Action::FailAfter);
        script.add("store get offsets/1", Action::FailBefore);
        let planned = offsets(1, &writer(1));
        let error = checkpoint.log_offsets(&planned).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        // The next start believes what is there.
        let recovered = open(&store).await.recover().await.unwrap();
        assert_eq!(recovered, Recovery::Rerun(planned));
    }
}

#[tokio::test]
async fn metadata_whose_put_failed_after_it_took_effect_is_kept() {
    for store in Stores::new().all {
        let script = Script::default();
        script.add("store put metadata", Action::FailAfter);
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(Arc::clone(&store), script));
        assert_eq!(
            open(&scripted).await.query_id(),
            open(&store).await.query_id()
        );
    }
}

#[tokio::test]
async fn checkpoints_made_at_once_have_one_query_id() {
    for store in Stores::new().all {
        let opened = futures::future::join_all((0..8).map(|_| open(&store))).await;
        let first = opened[0].query_id();
        assert!(
            opened
                .iter()
                .all(|checkpoint| checkpoint.query_id() == first)
        );
    }
}

#[tokio::test]
async fn checkpoint_made_by_another_process_during_open_is_opened() {
    for store in Stores::new().all {
        // The other process makes it and closes a batch after this one saw no metadata.
        let script = Script::default();
        let gate = script.hold("store list offsets");
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(Arc::clone(&store), script));
        let opening = tokio::spawn(async move { open(&scripted).await.query_id() });
        gate.arrived().await;
        let theirs = closed(&store, 1).await.query_id();
        gate.open();
        assert_eq!(opening.await.unwrap(), theirs);
    }
}

#[tokio::test]
async fn recovery_beside_a_process_that_moves_on_is_fenced_and_names_it() {
    for store in Stores::new().all {
        let theirs = closed(&store, 2).await;
        let script = Script::default();
        let gate = script.hold("store list prepared");
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(Arc::clone(&store), script));
        let ours = open(&scripted).await;
        let recovering = tokio::spawn(async move { ours.recover().await });
        gate.arrived().await;
        // A batch that this process did not see planned is prepared when it looks again.
        let winner = writer(1);
        theirs.log_offsets(&offsets(2, &winner)).await.unwrap();
        theirs.log_prepared(&prepared(2, &winner)).await.unwrap();
        gate.open();
        assert_fenced_by(&recovering.await.unwrap().unwrap_err(), &winner);
    }
}

#[tokio::test]
async fn process_that_slept_until_its_batch_was_purged_cannot_prepare_it() {
    for store in Stores::new().all {
        let (sleeper, winner) = (writer(1), writer(2));
        let checkpoint = closed(&store, 1).await;
        checkpoint.log_offsets(&offsets(1, &sleeper)).await.unwrap();
        for batch in 1..5 {
            if batch > 1 {
                checkpoint
                    .log_offsets(&offsets(batch, &winner))
                    .await
                    .unwrap();
            }
            checkpoint
                .log_prepared(&prepared(batch, &winner))
                .await
                .unwrap();
            checkpoint
                .log_commit(&commits(batch, &winner))
                .await
                .unwrap();
            checkpoint.purge(BatchId(batch), 2).await.unwrap();
        }
        assert_eq!(
            store.get("prepared/1").await.unwrap(),
            None,
            "the name is free again"
        );
        let error = checkpoint
            .log_prepared(&prepared(1, &sleeper))
            .await
            .unwrap_err();
        assert_fenced_by(&error, &winner);
    }
}

/// The entry in the way of a late put goes before it is read, and then the newest batch, which
/// says whose it was.
#[tokio::test]
async fn entries_purged_while_a_late_process_reads_them_fence_it() {
    for store in Stores::new().all {
        let winner = writer(2);
        let theirs = closed(&store, 1).await;
        let close = async |batch| {
            theirs.log_offsets(&offsets(batch, &winner)).await.unwrap();
            theirs.log_commit(&commits(batch, &winner)).await.unwrap();
            theirs.purge(BatchId(batch), 2).await.unwrap();
        };
        close(1).await;
        let script = Script::default();
        let [entry, newest] =
            ["commits/1", "offsets/4"].map(|at| script.hold(&format!("store get {at}")));
        let scripted: Arc<dyn CheckpointStore> =
            Arc::new(ScriptedStore::new(Arc::clone(&store), script));
        let ours = open(&scripted).await;
        let closing = tokio::spawn(async move { ours.log_commit(&commits(1, &writer(1))).await });
        for (gate, batches) in [(entry, 2..5), (newest, 5..8)] {
            gate.arrived().await;
            for batch in batches {
                close(batch).await;
            }
            gate.open();
        }
        assert_fenced_by(&closing.await.unwrap().unwrap_err(), &winner);
    }
}
