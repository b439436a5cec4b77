//! A driver, executors that are started by hand, and sessions on them (`weir://`).

use std::time::Duration;

use serde_json::Value;
use weir::datafusion::arrow::util::pretty::pretty_format_batches;
use weir::prelude::*;
use weir::{ErrorKind, Master};
use weir_tests::cluster::Cluster;
use weir_tests::process::eventually;

use crate::cluster::{QUERY, facts, local, view};

const WITHIN: Duration = Duration::from_mins(2);

async fn session(cluster: &Cluster) -> Session {
    session_with(cluster, &[]).await.unwrap()
}

async fn session_with(cluster: &Cluster, settings: &[(&str, &str)]) -> weir::Result<Session> {
    let mut builder = Session::builder()
        .master(cluster.master())
        .config("weir.sql.files.maxPartitionBytes", 1);
    for (key, value) in settings {
        builder = builder.config(*key, *value);
    }
    builder.create().await
}

async fn answer(session: &Session) -> weir::Result<String> {
    let rows = session.sql(QUERY).await?.collect().await?;
    Ok(pretty_format_batches(&rows).unwrap().to_string())
}

/// The query in the background.
fn asked(session: &Session) -> tokio::task::JoinHandle<weir::Result<String>> {
    let session = session.clone();
    tokio::spawn(async move { answer(&session).await })
}

async fn wait_for_queries(cluster: &Cluster, running: u64) {
    loop {
        let shown = cluster.shown_executors().await;
        if shown.iter().any(|executor| executor["queries"] == running) {
            return;
        }
    }
}

async fn expected(cluster: &Cluster) -> (String, String) {
    let facts = facts(&cluster.lake).await;
    let session = local().await;
    view(&session, &facts).await;
    let expected = answer(&session).await.unwrap();
    (facts, expected)
}

#[tokio::test(flavor = "multi_thread")]
async fn query_on_a_driver_with_executors_gives_the_rows_of_local() {
    let cluster = Cluster::start(3).await;
    let (facts, expected) = expected(&cluster).await;
    let session = session(&cluster).await;
    let Master::Cluster { driver } = session.master() else {
        panic!("{:?}", session.master());
    };
    assert!(cluster.url.ends_with(driver), "{driver}");
    assert_eq!(session.executors().len(), 3);
    view(&session, &facts).await;
    assert_eq!(answer(&session).await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn executors_that_are_killed_leave_and_join_during_queries_change_no_row() {
    let mut cluster = Cluster::start(2).await;
    let (facts, expected) = expected(&cluster).await;
    let session = session(&cluster).await;
    view(&session, &facts).await;
    // Killed.
    let query = asked(&session);
    wait_for_queries(&cluster, 1).await;
    cluster.executors[0].process.kill();
    assert_eq!(query.await.unwrap().unwrap(), expected);
    // Another joins.
    cluster.add_executor(&["--cores", "1"]).await;
    let joined = cluster.executors[2].url.clone();
    eventually(WITHIN, || {
        let known = session.executors();
        let known: Vec<&str> = known.iter().map(|e| e.url.as_str()).collect();
        known.len() == 2 && known.contains(&joined.as_str())
    })
    .await;
    assert_eq!(answer(&session).await.unwrap(), expected);
    // One leaves, once the query that it was given to has ended.
    let query = asked(&session);
    wait_for_queries(&cluster, 1).await;
    let leaving = cluster.executors.swap_remove(1);
    leaving.process.terminate();
    let finished = leaving.process.wait(WITHIN).await.expect_success();
    assert!(!finished.stderr.contains("run again"), "{finished}");
    assert_eq!(query.await.unwrap().unwrap(), expected);
    let left = cluster.shown_executors().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["url"], joined);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_go_on_while_their_driver_is_away_and_others_wait_for_it() {
    let mut cluster = Cluster::start(2).await;
    let (facts, expected) = expected(&cluster).await;
    let session = session(&cluster).await;
    view(&session, &facts).await;
    let running = asked(&session);
    wait_for_queries(&cluster, 1).await;
    cluster.driver.kill();
    assert_eq!(running.await.unwrap().unwrap(), expected);
    let waiting = asked(&session);
    cluster.start_driver_again().await;
    assert_eq!(waiting.await.unwrap().unwrap(), expected);
    let shown = cluster.shown_executors().await;
    let there: Vec<&Value> = shown.iter().map(|executor| &executor["leaving"]).collect();
    assert_eq!(there, [&Value::Bool(false), &Value::Bool(false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_several_sessions_share_a_slot_in_turn() {
    let mut cluster = Cluster::start(0).await;
    cluster
        .add_executor(&["--cores", "2", "--slots", "1"])
        .await;
    let (facts, expected) = expected(&cluster).await;
    let mut queries = Vec::new();
    for _ in 0..3 {
        let session = session(&cluster).await;
        view(&session, &facts).await;
        queries.extend([asked(&session), asked(&session)]);
    }
    for query in queries {
        assert_eq!(query.await.unwrap().unwrap(), expected);
    }
    let shown = cluster.shown_executors().await;
    assert_eq!(
        (&shown[0]["queries"], &shown[0]["slots"]),
        (&0.into(), &1.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn session_gets_the_executors_cores_and_memory_it_asks_for() {
    let cluster = Cluster::start(2).await;
    let (facts, expected) = expected(&cluster).await;
    let one = [
        ("weir.executor.instances", "1"),
        ("weir.executor.cores", "1"),
    ];
    let session = session_with(&cluster, &one).await.unwrap();
    assert_eq!(session.executors().len(), 1);
    view(&session, &facts).await;
    assert_eq!(answer(&session).await.unwrap(), expected);
    // So little that the query fails, and says why.
    let little = [("weir.executor.memory", "64KB")];
    let session = session_with(&cluster, &little).await.unwrap();
    view(&session, &facts).await;
    let error = answer(&session).await.unwrap_err();
    assert!(
        error.to_string().contains("weir.executor.memory"),
        "{error}"
    );
    // More than any of them has.
    let much = [("weir.executor.cores", "64")];
    let error = session_with(&cluster, &much).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    for part in ["64 cores (weir.executor.cores)", "weir executor --driver"] {
        assert!(text.contains(part), "{text}");
    }
    let local = Session::builder()
        .master("local[2]")
        .config("weir.executor.cores", 2);
    let error = local.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn driver_that_is_out_of_reach_fails_a_session_at_once() {
    let session = Session::builder().master("weir://127.0.0.1:9");
    let error = session.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
}
