//! A writer that is killed before it commits.

use std::process::Command;
use std::time::Duration;

use weir::prelude::*;
use weir_tests::files::{TempLake, files_under};
use weir_tests::process::{Process, eventually};

use super::{path, sql};
use crate::stream::session;

/// Where the child process writes; only set for it.
const TARGET: &str = "WEIR_TEST_FILES_KILL_TARGET";

/// The child process: a write that does not end by itself.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_writes_until_it_is_killed() {
    let Ok(target) = std::env::var(TARGET) else {
        return;
    };
    let query = "select value as n from generate_series(1, 1000000000000)";
    let writer = sql(&session().await, query)
        .await
        .write()
        .mode(SaveMode::Overwrite);
    writer
        .option("maxRecordsPerFile", 100_000)
        .parquet(&target)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_killed_before_its_commit_leaves_nothing_visible() {
    let lake = TempLake::new();
    let session = session().await;
    let place = lake.table("killed");
    for before in [0, 7] {
        if before > 0 {
            let rows = sql(&session, "select value as n from generate_series(1, 7)").await;
            rows.write().parquet(path(&place)).await.unwrap();
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "files::kill::child_that_writes_until_it_is_killed",
            ])
            .env(TARGET, &place);
        let mut child = Process::spawn(command);
        let staged = || files_under(&place.join("_temporary"), ".parquet").len() > before + 2;
        eventually(Duration::from_secs(60), staged).await;
        assert!(child.is_running());
        child.kill();
        match before {
            0 => {
                let error = session.read().parquet(path(&place)).await.unwrap_err();
                assert_eq!(error.kind(), weir::ErrorKind::NotFound);
            }
            rows => {
                let read = session.read().parquet(path(&place)).await.unwrap();
                assert_eq!(read.count().await.unwrap(), rows as u64);
            }
        }
        // The next write is not hindered by what is left below _temporary.
        let again = lake.table("killed");
        let rows = sql(&session, "select 1 as n").await;
        let mode = if before == 0 {
            SaveMode::ErrorIfExists
        } else {
            SaveMode::Overwrite
        };
        rows.write().mode(mode).parquet(path(&again)).await.unwrap();
        let read = session.read().parquet(path(&again)).await.unwrap();
        assert_eq!(read.count().await.unwrap(), 1);
        std::fs::remove_dir_all(&place).unwrap();
    }
}
