//! `persist()`: computed once, by the first action; read by the others; gone when it is asked for.

use std::path::PathBuf;

use weir::ErrorKind;
use weir::prelude::*;
use weir_tests::cluster::Cluster;
use weir_tests::files::TempLake;
use weir_tests::process::kill_process;

use super::{builder, kept_files, shown};
use crate::cluster::{facts, view};

#[tokio::test(flavor = "multi_thread")]
async fn persisted_rows_are_computed_once_and_read_without_their_source_and_an_executor() {
    for master in ["local[2]", "local-cluster[2,1]"] {
        let lake = TempLake::new();
        let (facts, kept) = (facts(&lake).await, lake.table("kept"));
        let session = builder(master, &kept).create().await.unwrap();
        view(&session, &facts).await;
        let rows = "select bucket, count(*) as n from facts group by bucket";
        let rows = session.sql(rows).await.unwrap().persist().unwrap();
        assert!(rows.is_cached());
        // Nothing has asked for them.
        assert!(!kept.exists());
        let most = rows.clone().filter("n > 0").unwrap();
        let both = rows.clone().union(rows.clone()).unwrap();
        assert_eq!(most.count().await.unwrap(), 97, "{master}");
        let files = kept_files(&kept);
        assert!(!files.is_empty());

        std::fs::remove_dir_all(&facts).unwrap();
        let executors = session.executors();
        if let Some(process) = executors.first().and_then(|executor| executor.process_id) {
            kill_process(process);
        }
        assert_eq!(both.count().await.unwrap(), 2 * 97, "{master}");
        rows.create_or_replace_temp_view("kept").unwrap();
        let sum = "select sum(n) as n, (select max(n) from kept) > 0 as some from kept";
        let sum = session.sql(sum).await.unwrap();
        let expected = shown(&sum).await;
        assert_eq!(shown(&sum).await, expected);
        assert_eq!(kept_files(&kept), files, "computed once");

        // What was made of it computes its rows again, from a source that is gone.
        let again = rows.unpersist();
        assert!(!again.is_cached());
        assert_eq!(kept_files(&kept), Vec::<PathBuf>::new());
        for rows in [most, again] {
            rows.count().await.unwrap_err();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_persisted_of_persisted_rows_are_kept_twice_and_go_with_their_dataframes() {
    let lake = TempLake::new();
    let kept = lake.table("kept");
    let session = builder("local[2]", &kept).create().await.unwrap();
    let rows = session.range(0, 1000, 1).unwrap().cache().unwrap();
    let same = rows.clone().persist().unwrap();
    let few = rows.filter("id < 10").unwrap().persist().unwrap();
    assert_eq!(few.count().await.unwrap(), 10);
    assert_eq!(same.count().await.unwrap(), 1000);
    assert_eq!(kept_files(&kept).len(), 2);
    let joined = few.join(same, "id", "inner").unwrap();
    assert_eq!(joined.count().await.unwrap(), 10);
    drop(joined);
    assert_eq!(kept_files(&kept), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_queries_at_once_compute_persisted_rows_once() {
    let lake = TempLake::new();
    let kept = lake.table("kept");
    let session = builder("local[2]", &kept).create().await.unwrap();
    let rows = session.range(0, 100_000, 1).unwrap().persist().unwrap();
    let (one, other) = tokio::join!(rows.count(), rows.count());
    assert_eq!((one.unwrap(), other.unwrap()), (100_000, 100_000));
    let exchanges = kept_files(&kept);
    let parents = exchanges.iter().map(|file| file.parent());
    let attempts: std::collections::BTreeSet<_> = parents.collect();
    let exchanges: std::collections::BTreeSet<_> = attempts
        .iter()
        .map(|at| at.and_then(|at| at.parent()))
        .collect();
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
}

/// The next query tries again.
#[tokio::test(flavor = "multi_thread")]
async fn persist_that_failed_is_tried_by_the_next_query() {
    let lake = TempLake::new();
    let (facts, kept) = (facts(&lake).await, lake.table("kept"));
    let session = builder("local[2]", &kept).create().await.unwrap();
    view(&session, &facts).await;
    let rows = session.sql("select * from facts").await.unwrap();
    let expected = rows.count().await.unwrap();
    let rows = rows.persist().unwrap();
    let away = lake.table("away");
    std::fs::rename(&facts, &away).unwrap();
    rows.count().await.unwrap_err();
    std::fs::rename(&away, &facts).unwrap();
    assert_eq!(rows.count().await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn persist_on_a_driver_without_a_directory_names_the_setting() {
    let cluster = Cluster::start(1).await;
    let session = Session::builder().master(cluster.master());
    let session = session.create().await.unwrap();
    let rows = session.range(0, 10, 1).unwrap();
    let error = rows.persist().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("weir.checkpoint.dir"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_released_by_a_clone_are_kept_again_only_when_persisted_again() {
    let lake = TempLake::new();
    let kept = lake.table("kept");
    let session = builder("local[2]", &kept).create().await.unwrap();
    let rows = session.range(0, 100, 1).unwrap().persist().unwrap();
    let clone = rows.clone();
    let _plain = rows.unpersist();
    assert!(!clone.is_cached());
    assert_eq!(clone.count().await.unwrap(), 100);
    assert!(!kept.exists());
    let again = clone.persist().unwrap();
    assert!(again.is_cached());
    assert_eq!(again.count().await.unwrap(), 100);
    assert!(!kept_files(&kept).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn explaining_persisted_rows_in_sql_computes_nothing() {
    let lake = TempLake::new();
    let kept = lake.table("kept");
    let session = builder("local[2]", &kept).create().await.unwrap();
    let rows = session.range(0, 100, 1).unwrap().persist().unwrap();
    let rows = rows.repartition_by_range(2, ["id"]).unwrap();
    rows.create_or_replace_temp_view("rows").unwrap();
    let explained = session.sql("explain select * from rows").await.unwrap();
    assert!(!explained.collect().await.unwrap().is_empty());
    assert!(!kept.exists());
}
