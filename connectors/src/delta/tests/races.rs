//! Writers that commit at once, to a table that is there and to one that is not.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Barrier;
use weir_plan::QueryId;

use super::support::{Place, commit, drain, people, write};

const ROUNDS: usize = 8;
const WRITERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn zombies_of_one_batch_land_it_once() {
    for round in 0..ROUNDS {
        let place = Arc::new(Place::new());
        let query = QueryId::random();
        if round % 2 == 1 {
            drain(&place.sink(), QueryId::random(), 0, people(&[100]))
                .await
                .unwrap();
        }
        let barrier = Arc::new(Barrier::new(WRITERS));
        let tasks = (0..WRITERS).map(|writer| {
            let (place, barrier) = (Arc::clone(&place), Arc::clone(&barrier));
            tokio::spawn(async move {
                let sink = place.sink();
                // Each wrote its own files of the same rows.
                let written = write(&sink, &[vec![people(&[1, 2])]]).await.unwrap();
                barrier.wait().await;
                commit(&sink, query, 3, &written)
                    .await
                    .unwrap_or_else(|error| panic!("writer {writer}: {error}"))
            })
        });
        let outcomes: Vec<_> = join_all(tasks)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let new = outcomes.iter().filter(|outcome| !outcome.already).count();
        assert_eq!(new, 1, "round {round}: {outcomes:?}");
        assert_eq!(
            place.query("select count(*) from t where id < 100").await,
            "2",
            "round {round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_queries_all_land_even_when_they_create_the_table() {
    for round in 0..ROUNDS {
        let place = Arc::new(Place::new());
        let barrier = Arc::new(Barrier::new(WRITERS));
        let tasks = (0..WRITERS).map(|writer| {
            let (place, barrier) = (Arc::clone(&place), Arc::clone(&barrier));
            tokio::spawn(async move {
                let sink = place.sink();
                let query = QueryId::random();
                for batch in 0..3_u64 {
                    let id = i64::try_from(writer).unwrap() * 10 + i64::try_from(batch).unwrap();
                    let written = write(&sink, &[vec![people(&[id])]]).await.unwrap();
                    barrier.wait().await;
                    let done = commit(&sink, query, batch, &written)
                        .await
                        .unwrap_or_else(|error| panic!("writer {writer}: {error}"));
                    assert!(!done.already);
                }
            })
        });
        join_all(tasks)
            .await
            .into_iter()
            .for_each(|done| done.unwrap());
        let rows = WRITERS * 3;
        assert_eq!(
            place
                .query("select count(*), count(distinct id) from t")
                .await,
            format!("{rows}|{rows}"),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn commit_after_another_writers_delete_and_append_recommits_the_same_files() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    drain(&sink, query, 0, people(&[1, 2])).await.unwrap();
    let written = write(&sink, &[vec![people(&[3])]]).await.unwrap();
    let files = place.files_on_disk();
    // Another writer deletes what is there and appends, so that the sink's state is stale.
    let url = url::Url::from_directory_path(place.path()).unwrap();
    let table = deltalake::open_table(url).await.unwrap();
    table.delete().await.unwrap();
    drain(&place.sink(), QueryId::random(), 0, people(&[9]))
        .await
        .unwrap();

    let committed = commit(&sink, query, 1, &written).await.unwrap();
    assert_eq!((committed.version, committed.already), (Some(3), false));
    assert_eq!(place.query("select id from t order by id").await, "3\n9");
    assert_eq!(
        place.files_on_disk(),
        files + 1,
        "only the other writer wrote a file"
    );
}

#[tokio::test]
async fn table_that_vanishes_or_is_replaced_between_batches_is_an_error() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    drain(&sink, query, 0, people(&[1])).await.unwrap();
    let written = write(&sink, &[vec![people(&[2])]]).await.unwrap();
    std::fs::remove_dir_all(place.path()).unwrap();
    let error = commit(&sink, query, 1, &written).await.unwrap_err();
    assert_eq!(error.kind(), weir_plan::ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("is gone"), "{error}");

    drain(&place.sink(), QueryId::random(), 0, people(&[5]))
        .await
        .unwrap();
    let error = commit(&sink, query, 1, &written).await.unwrap_err();
    assert!(error.to_string().contains("was replaced"), "{error}");
}
