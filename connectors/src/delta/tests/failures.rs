//! Stores that refuse.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use arrow::array::StringArray;
use weir_plan::{ErrorKind, QueryId, StreamSink as _};

use super::support::{Place, batch, commit, drain, people, write};

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
        diverted: None,
    };
    let error = commit(&place.sink(), QueryId::random(), 0, &written)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptCheckpoint);
}

#[tokio::test]
async fn file_where_a_partition_should_be_is_a_storage_error_and_the_table_stays() {
    let place = Place::new();
    let sink = place.sink_with(&["name"], &[]);
    let query = QueryId::random();
    drain(&sink, query, 0, people(&[1])).await.unwrap();
    fs::write(format!("{}/name=name%202", place.path()), "in the way").unwrap();
    let error = write(&sink, &[vec![people(&[2])]]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    assert!(error.to_string().contains(&place.path()), "{error}");
    assert_eq!(place.query("select id from t").await, "1");
}

const CHILD: &str = "WEIR_TEST_DELTA_LIMITED_CHILD";

/// Files may not grow past 64 KiB in a child of this test: the nearest to a full disk that needs no
/// privileges. The child runs this same test.
#[tokio::test]
async fn write_the_disk_has_no_room_for_is_a_storage_error_and_commits_nothing() {
    if std::env::var_os(CHILD).is_some() {
        return limited_child().await;
    }
    let test = "delta::tests::failures::\
                write_the_disk_has_no_room_for_is_a_storage_error_and_commits_nothing";
    // Ignored, the signal becomes an error of the write.
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 128; exec \"$0\" --exact \"$1\" --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

async fn limited_child() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    let rows = |count: usize| {
        let texts: StringArray = (0..count)
            .map(|_| Some(uuid::Uuid::new_v4().to_string()))
            .collect();
        batch(vec![("text", Arc::new(texts))])
    };
    drain(&sink, query, 0, rows(10)).await.unwrap();
    let error = write(&sink, &[vec![rows(10_000)]]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    assert!(error.to_string().contains(&place.path()), "{error}");
    assert!(
        error.to_string().contains("too large"),
        "the cause is shown: {error}"
    );

    // Small files, but a log entry that does not fit.
    let many: Vec<_> = (0..200).map(|_| vec![rows(1)]).collect();
    let written = write(&sink, &many).await.unwrap();
    let error = commit(&sink, query, 1, &written).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    assert!(error.to_string().contains("not committed"), "{error}");
    assert_eq!(place.query("select count(*) from t").await, "10");
    // There is room again for less.
    assert!(!drain(&sink, query, 1, rows(1)).await.unwrap().already);
}
