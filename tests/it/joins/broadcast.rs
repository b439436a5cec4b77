//! Broadcasts that turn out too large.

use std::fs;

use weir::prelude::*;
use weir::{ErrorKind, SessionBuilder};
use weir_tests::files::TempLake;

use super::{joins_of, rows_of, session, table};

fn builder(master: &str, limit: &str) -> SessionBuilder {
    let node = env!("CARGO_BIN_EXE_weir-test-node");
    Session::builder()
        .master(master)
        .config("weir.executor.program", node)
        .config("weir.sql.shuffle.partitions", 4)
        .config("weir.sql.files.maxPartitionBytes", 1)
        .config("weir.sql.broadcastLimit", limit)
}

async fn views(lake: &TempLake, session: &Session) {
    for name in ["orders", "products"] {
        let place = lake.table(name).display().to_string();
        let rows = session.read().parquet(&place).await.unwrap();
        rows.create_or_replace_temp_view(name).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcast_over_its_limit_is_planned_again_as_a_shuffle() {
    let lake = TempLake::new();
    let plain = session(&lake, "local[2]", "-1").await;
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = builder(master, "100B").create().await.unwrap();
        views(&lake, &session).await;
        for how in ["inner", "left"] {
            let join = async |session: &Session, hint: Option<&str>| {
                let mut products = table(session, "products").await;
                if let Some(hint) = hint {
                    products = products.hint(hint).unwrap();
                }
                let orders = table(session, "orders").await;
                orders.join(products, "id", how).unwrap()
            };
            let expected = rows_of(join(&plain, None).await).await;
            for hint in [None, Some("broadcast")] {
                let joined = join(&session, hint).await;
                let said = joins_of(&joined).await;
                assert!(said.contains("broadcast hash join"), "{said}");
                let place = lake.table(&format!("joined-{how}-{hint:?}-{}", master.len()));
                let place = place.display().to_string();
                let rows = joined.clone().write().format("delta");
                rows.save(&place).await.unwrap();
                let written = session.read().delta(&place).await.unwrap();
                assert_eq!(rows_of(written).await, expected, "{master}: {how} {hint:?}");
                let last = joined.tail(1_000).await.unwrap();
                let last: usize = last.iter().map(|batch| batch.num_rows()).sum();
                assert_eq!(last as u64, joined.count().await.unwrap());
                assert_eq!(rows_of(joined).await, expected, "{master}: {how} {hint:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcast_over_its_limit_without_another_way_fails_naming_the_setting() {
    let lake = TempLake::new();
    session(&lake, "local[2]", "-1").await;
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = builder(master, "100B").create().await.unwrap();
        views(&lake, &session).await;
        for query in [
            "select * from orders o join products p on o.id < p.id",
            "select * from orders cross join products",
        ] {
            let error = session
                .sql(query)
                .await
                .unwrap()
                .collect()
                .await
                .unwrap_err();
            let said = error.to_string();
            let named = said.contains("weir.sql.broadcastLimit = 100 bytes");
            assert!(named, "{master}: {query}: {said}");
        }
        // The session, and its executors, go on.
        let rows = session.sql("select count(*) from orders").await.unwrap();
        assert_eq!(rows.collect().await.unwrap()[0].num_rows(), 1);
    }
    let error = builder("local[1]", "0").create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(
        error.to_string().contains("weir.sql.broadcastLimit"),
        "{error}"
    );
}

/// A log that says 3 rows of a table of 60,000.
#[tokio::test(flavor = "multi_thread")]
async fn statistics_that_lie_are_corrected_when_the_query_runs() {
    let lake = TempLake::new();
    let session = builder("local[2]", "64KB").create().await.unwrap();
    let dims = "select value as id, 'name of ' || value as name from generate_series(1, 60000) as t(value)";
    let place = lake.table("dims").display().to_string();
    let dims = session.sql(dims).await.unwrap();
    dims.write().format("delta").save(&place).await.unwrap();
    let log = lake
        .table("dims")
        .join("_delta_log/00000000000000000000.json");
    let told = fs::read_to_string(&log).unwrap();
    let lied = told
        .lines()
        .map(|line| match line.split_once("\\\"numRecords\\\":") {
            Some((before, after)) => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}\\\"numRecords\\\":3{rest}\n")
            }
            None => format!("{line}\n"),
        })
        .collect::<String>();
    assert_ne!(lied, told);
    fs::write(&log, lied).unwrap();
    let dims = session.read().delta(&place).await.unwrap();
    let facts = "select value * 2 as id from generate_series(1, 100000) as t(value)";
    let facts = session.sql(facts).await.unwrap();
    let joined = facts.join(dims, "id", "inner").unwrap();
    let said = joins_of(&joined).await;
    assert!(said.contains("broadcast hash join"), "{said}");
    assert_eq!(
        joined
            .collect()
            .await
            .unwrap()
            .iter()
            .map(|b| b.num_rows())
            .sum::<usize>(),
        30_000
    );
}
