//! One commit per batch, whoever commits it and how often.

use std::collections::BTreeMap;

use deltalake::kernel::Action;
use weir_plan::{BatchId, CommitRequest, Committed, QueryId, StreamSink as _, Written};

use super::support::{Place, commit, drain, people, write};

#[tokio::test]
async fn first_batch_creates_the_table_and_the_next_appends() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    let schema = people(&[]).schema();
    sink.open(query, schema).await.unwrap();
    assert_eq!(sink.latest_version().await.unwrap(), None);
    assert!(
        !std::path::Path::new(&place.path()).exists(),
        "open creates nothing"
    );

    let first = drain(&sink, query, 0, people(&[1, 2])).await.unwrap();
    assert_eq!(
        first,
        Committed {
            version: Some(0),
            already: false
        }
    );
    let second = drain(&sink, query, 1, people(&[3])).await.unwrap();
    assert_eq!(
        second,
        Committed {
            version: Some(1),
            already: false
        }
    );
    assert_eq!(sink.latest_version().await.unwrap(), Some(1));
    assert_eq!(
        place.query("select id, name from t order by id").await,
        "1|name 1\n2|name 2\n3|name 3"
    );
}

#[tokio::test]
async fn batch_committed_again_by_the_same_or_a_new_sink_lands_once() {
    let place = Place::new();
    let query = QueryId::random();
    let sink = place.sink();
    let written = write(&sink, &[vec![people(&[1])]]).await.unwrap();
    assert!(!commit(&sink, query, 0, &written).await.unwrap().already);
    for again in [&sink, &place.sink()] {
        let committed = commit(again, query, 0, &written).await.unwrap();
        assert_eq!(
            committed,
            Committed {
                version: Some(0),
                already: true
            }
        );
    }
    // A woken zombie with an older batch, prepared anew: its rows are in.
    drain(&sink, query, 1, people(&[2])).await.unwrap();
    let other = write(&sink, &[vec![people(&[1])]]).await.unwrap();
    assert!(
        commit(&place.sink(), query, 0, &other)
            .await
            .unwrap()
            .already
    );
    assert_eq!(place.query("select count(*) from t").await, "2");
}

#[tokio::test]
async fn another_querys_batches_are_its_own() {
    let place = Place::new();
    let sink = place.sink();
    let (one, two) = (QueryId::random(), QueryId::random());
    drain(&sink, one, 7, people(&[1])).await.unwrap();
    assert!(!drain(&sink, two, 0, people(&[2])).await.unwrap().already);
    assert!(!drain(&sink, one, 8, people(&[3])).await.unwrap().already);
    assert_eq!(place.query("select count(*) from t").await, "3");
}

#[tokio::test]
async fn empty_batch_makes_no_version() {
    let place = Place::new();
    let sink = place.sink();
    let nothing = Committed {
        version: None,
        already: false,
    };
    let query = QueryId::random();
    assert_eq!(drain(&sink, query, 0, people(&[])).await.unwrap(), nothing);
    assert_eq!(
        commit(&sink, query, 1, &Written::default()).await.unwrap(),
        nothing
    );
    assert_eq!(sink.latest_version().await.unwrap(), None);
}

#[tokio::test]
async fn commit_records_transaction_blind_append_and_info() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    let written = write(&sink, &[vec![people(&[1])]]).await.unwrap();
    let info = BTreeMap::from([("offsets".to_owned(), serde_json::json!({"t-0": 5}))]);
    sink.commit(CommitRequest {
        query_id: query,
        batch_id: BatchId(4),
        written: &written,
        recovered: false,
        info,
    })
    .await
    .unwrap();
    let actions = place.log(0);
    let txn = actions.iter().find_map(|action| match action {
        Action::Txn(txn) => Some(txn.clone()),
        _ => None,
    });
    let txn = txn.unwrap();
    assert_eq!(
        (txn.app_id, txn.version, txn.last_updated),
        (query.to_string(), 4, None)
    );
    let Some(Action::CommitInfo(info)) = actions
        .iter()
        .find(|action| matches!(action, Action::CommitInfo(_)))
    else {
        panic!("no commit info in {actions:?}");
    };
    assert_eq!(info.is_blind_append, Some(true));
    assert_eq!(info.operation.as_deref(), Some("STREAMING UPDATE"));
    assert_eq!(
        info.user_metadata.as_deref(),
        Some(r#"{"offsets":{"t-0":5}}"#)
    );
}

#[tokio::test]
async fn restart_with_another_schema_commits_the_prepared_files_as_they_were_written() {
    let place = Place::new();
    let query = QueryId::random();
    let sink = place.sink();
    let written = write(&sink, &[vec![people(&[1])]]).await.unwrap();
    // Killed here; the next run's query has one column less.
    let restarted = place.sink();
    let narrower = people(&[]).project(&[0]).unwrap().schema();
    restarted.open(query, narrower).await.unwrap();
    commit(&restarted, query, 0, &written).await.unwrap();
    assert_eq!(place.query("select name from t").await, "name 1");
}

#[tokio::test]
async fn many_small_batches_leave_checkpoints_and_a_quick_log() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    for batch in 0..105 {
        drain(&sink, query, batch, people(&[batch as i64]))
            .await
            .unwrap();
    }
    let log = std::fs::read_dir(format!("{}/_delta_log", place.path())).unwrap();
    let checkpoints = log
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().contains("checkpoint.parquet")
        })
        .count();
    assert_eq!(checkpoints, 2, "versions 49 and 99");
    // Found among the newest entries, or in the checkpoint by a query whose commits are long ago.
    let written = write(&sink, &[vec![people(&[0])]]).await.unwrap();
    assert!(
        commit(&place.sink(), query, 104, &written)
            .await
            .unwrap()
            .already
    );
    assert_eq!(
        place.query("select count(*), sum(id) from t").await,
        "105|5460"
    );
}
