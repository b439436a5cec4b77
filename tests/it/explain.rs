//! What `explain` shows in each of its modes, and what a query that ran has measured.

use weir::ExplainMode;
use weir::prelude::*;
use weir_tests::files::TempLake;

use crate::cluster::{facts, view};

const JOINED: &str =
    "select l.bucket, count(*) as n from facts l join facts r on l.id = r.id group by l.bucket";

async fn session(master: &str) -> Session {
    let session = Session::builder()
        .master(master)
        .config(
            "weir.executor.program",
            env!("CARGO_BIN_EXE_weir-test-node"),
        )
        .config("weir.sql.files.maxPartitionBytes", 1)
        .config("weir.sql.shuffle.partitions", 4)
        .config("weir.sql.autoBroadcastJoinThreshold", -1);
    session.create().await.unwrap()
}

/// The titles of the sections, in their order.
fn titles(text: &str) -> Vec<&str> {
    let titles = text.lines().filter_map(|line| line.strip_prefix("== "));
    titles.filter_map(|line| line.strip_suffix(" ==")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_show_their_sections_and_nodes_their_estimates() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(master).await;
        view(&session, &facts).await;
        let joined = session.sql(JOINED).await.unwrap();
        let explained = async |mode| joined.explain_string(mode).await.unwrap();
        let (analyzed, optimized) = ("Analyzed Logical Plan", "Optimized Logical Plan");
        let simple = explained(ExplainMode::Simple).await;
        assert_eq!(titles(&simple), ["Physical Plan", "Joins"], "{simple}");
        assert!(!simple.contains("statistics="), "{simple}");
        let extended = explained(ExplainMode::Extended).await;
        assert_eq!(
            titles(&extended),
            [analyzed, optimized, "Physical Plan", "Joins"]
        );
        let cost = explained(ExplainMode::Cost).await;
        assert_eq!(titles(&cost), [optimized, "Physical Plan", "Joins"]);
        assert!(cost.contains("statistics=[Rows="), "{cost}");
        let formatted = explained(ExplainMode::Formatted).await;
        assert_eq!(titles(&formatted), ["Physical Plan", "Joins"]);
        let join = formatted
            .lines()
            .find(|line| line.contains("HashJoinExec ("));
        let number = join.and_then(|line| line.rsplit("HashJoinExec ").next());
        let whole = format!(
            "\n{} HashJoinExec\nOutput [1]: bucket: Int64\nArguments: mode=Partitioned",
            number.unwrap()
        );
        assert!(formatted.contains(&whole), "{whole}\n{formatted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_counts_the_rows_bytes_and_tasks_of_each_stage() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(master).await;
        view(&session, &facts).await;
        let joined = session.sql(JOINED).await.unwrap();
        let read = session
            .sql("select * from facts")
            .await
            .unwrap()
            .count()
            .await
            .unwrap();
        let profile = joined.profile().await.unwrap();
        let text = profile.to_string();
        assert_eq!(titles(&text), ["Physical Plan", "Stages"], "{text}");
        assert!(text.contains("output_rows="), "{text}");
        let of = |name: &str| {
            let found = profile
                .stages
                .iter()
                .filter(|stage| stage.what.contains(name));
            found.cloned().collect::<Vec<_>>()
        };
        let join = of("HashJoinExec");
        let [join] = join.as_slice() else {
            panic!("{text}")
        };
        // Four on one machine, four on each of two executors.
        let tasks = if master == "local[2]" { 4 } else { 8 };
        assert_eq!(join.tasks, tasks, "{text}");
        assert!(join.max >= join.median && join.total >= join.max, "{text}");
        assert!(join.skew() >= 1.0);
        assert_eq!(join.received_bytes > 0, master != "local[2]", "{text}");
        let exchanged = of("RepartitionExec");
        let rows = exchanged.iter().filter(|stage| stage.rows == read).count();
        assert_eq!(rows, 2, "both sides are read whole: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_of_an_aggregation_beyond_its_memory_shows_what_it_spilled() {
    let session = Session::builder()
        .master("local[2]")
        .config("weir.memory.limit", "128MB")
        .config("weir.sql.shuffle.partitions", 2);
    let session = session.create().await.unwrap();
    let rows = session.range(0, 3_000_000, 1).unwrap();
    let rows = rows
        .select([col("id"), lit("0123456789").alias("text")])
        .unwrap();
    let sorted = rows.sort([col("id").desc()]).unwrap();
    let profile = sorted.profile().await.unwrap();
    let spilled: u64 = profile.stages.iter().map(|stage| stage.spilled_bytes).sum();
    assert!(spilled > 0, "{profile}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_of_persisted_rows_reads_what_is_kept() {
    let session = session("local[2]").await;
    let rows = session.range(0, 100, 1).unwrap().persist().unwrap();
    let before = rows.explain_string(ExplainMode::Extended).await.unwrap();
    assert!(
        before.contains("Persist") && !before.contains("exchange_"),
        "{before}"
    );
    rows.count().await.unwrap();
    let after = rows.explain_string(ExplainMode::Extended).await.unwrap();
    assert!(after.contains("TableScan: exchange_"), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_which_files_partitions_and_filters_leave_out() {
    let lake = TempLake::new();
    let session = session("local[2]").await;
    let url = lake.table_url("sales");
    let rows = "select value as id, value % 3 as day from generate_series(1, 300) as t(value)";
    for from in [0, 1000] {
        let rows = session.sql(rows).await.unwrap();
        let rows = rows.with_column("id", col("id") + lit(from)).unwrap();
        let writer = rows.write().format("delta").partition_by(["day"]);
        let writer = writer.mode(weir::SaveMode::Append);
        writer.save(&url).await.unwrap();
    }
    let mut shown = String::new();
    for filter in [
        "true",
        "day = 1",
        "day = 1 and id > 1000",
        "id between 2000 and 3000",
        "day > 7",
    ] {
        let rows = session
            .read()
            .delta(&url)
            .await
            .unwrap()
            .filter(filter)
            .unwrap();
        let text = rows.explain_string(ExplainMode::Simple).await.unwrap();
        let tables = text
            .split("== Delta Tables ==\n")
            .nth(1)
            .unwrap_or("none\n");
        let places = [
            lake.table_url("sales"),
            lake.table("sales").display().to_string(),
        ];
        let tables = places.iter().fold(tables.to_owned(), |text, place| {
            text.replace(place, "<sales>")
        });
        shown += &format!("{filter}\n    {}\n", tables.trim());
    }
    insta::assert_snapshot!(shown);
}
