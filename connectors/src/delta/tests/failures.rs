//! Stores that refuse.

use std::fs;

use weir_plan::{ErrorKind, QueryId, StreamSink as _};

use super::support::{Place, commit, drain, people, write};

#[tokio::test]
async fn file_where_the_table_should_be_is_a_storage_error_naming_it() {
    let place = Place::new();
    fs::write(place.path(), "not a directory").unwrap();
    let sink = place.sink();
    let query = QueryId::random();
    let outcome = sink.open(query, people(&[]).schema()).await;
    if let Err(error) = outcome {
        assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    }
    let error = drain(&sink, query, 0, people(&[1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    assert!(error.to_string().contains(&place.path()), "{error}");
}

#[tokio::test]
async fn log_that_cannot_be_written_fails_and_the_same_files_commit_later() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    drain(&sink, query, 0, people(&[1])).await.unwrap();
    let written = write(&sink, &[vec![people(&[2])]]).await.unwrap();
    // A directory where the next version must come to be staged.
    let log = format!("{}/_delta_log", place.path());
    let aside = format!("{}/log_aside", place.path());
    fs::rename(&log, &aside).unwrap();
    fs::write(&log, "").unwrap();
    let error = commit(&sink, query, 1, &written).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Storage | ErrorKind::NotFound),
        "{:?} {error}",
        error.kind()
    );

    fs::remove_file(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    let committed = commit(&sink, query, 1, &written).await.unwrap();
    assert_eq!((committed.version, committed.already), (Some(1), false));
    assert_eq!(place.query("select id from t order by id").await, "1\n2");
}

#[tokio::test]
async fn prepared_files_that_are_no_entries_are_a_corrupt_checkpoint() {
    let place = Place::new();
    let written = weir_plan::Written {
        files: vec!["{\"add\":".to_owned()],
        rows: 1,
        bytes: 1,
    };
    let error = commit(&place.sink(), QueryId::random(), 0, &written)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptCheckpoint);
}
