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

/// A hash table cannot spill: what does not fit the memory is sorted.
#[tokio::test(flavor = "multi_thread")]
async fn join_whose_hash_table_does_not_fit_the_memory_is_sorted_and_spills() {
    const ROWS: i64 = 1_500_000;
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = Session::builder()
            .master(master)
            .config(
                "weir.executor.program",
                env!("CARGO_BIN_EXE_weir-test-node"),
            )
            .config("weir.sql.autoBroadcastJoinThreshold", -1)
            .config("weir.sql.shuffle.partitions", 2)
            .config(
                "weir.memory.limit",
                if master == "local[2]" {
                    "240MB"
                } else {
                    "480MB"
                },
            );
        let session = session.create().await.unwrap();
        let rows = session.range(0, ROWS, 1).unwrap();
        let text = rows
            .expr("concat('the text of row ', cast(id as string))")
            .unwrap();
        let side = |name: &str| rows.clone().with_column(name, text.clone()).unwrap();
        let joined = side("a").join(side("b"), "id", "inner").unwrap();
        let length = |name: &str| {
            joined
                .expr(&format!("sum(length({name}))"))
                .unwrap()
                .alias(name)
        };
        let sums = joined.clone().agg([length("a"), length("b")]).unwrap();
        let digits: i64 = (0..ROWS).map(|id| id.to_string().len() as i64).sum();
        let expected = digits + 16 * ROWS;
        let shown = super::rows_of(sums.clone()).await;
        assert!(
            shown.contains(&format!("| {expected} | {expected} |")),
            "{master}: {shown}"
        );
        let profile = sums.profile().await.unwrap();
        let spilled: u64 = profile.stages.iter().map(|stage| stage.spilled_bytes).sum();
        assert!(
            spilled > 0 && profile.plan.contains("SortMergeJoin"),
            "{master}: {profile}"
        );
    }
}
