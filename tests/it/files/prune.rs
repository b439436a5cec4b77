//! Predicates leave out partitions, files and row groups, and `explain` shows it.

use weir::prelude::*;
use weir_tests::files::{TempLake, files_under};

use super::{explained, path, sql};
use crate::bronze::expect_parts;
use crate::stream::session;

#[tokio::test]
async fn predicates_leave_out_partitions_files_and_row_groups() {
    let lake = TempLake::new();
    let place = lake.table("pruned");
    let session = session().await;
    let query = "select value as n, value / 25000 as p from generate_series(0, 99999)";
    let writer = sql(&session, query).await.write().partition_by(["p"]);
    let writer = writer.option("maxRecordsPerFile", 5000);
    writer.parquet(path(&place)).await.unwrap();
    assert_eq!(files_under(&place, ".parquet").len(), 20);
    let read = session.read().parquet(path(&place)).await.unwrap();
    let files = |plan: &str| plan.matches(".parquet").count();
    let plan = explained(&read).await;
    expect_parts(&plan, &["DataSourceExec", "file_type=parquet"]);

    let partition = read.clone().filter(col("p").eq(lit(2))).unwrap();
    let plan = explained(&partition).await;
    assert_eq!(files(&plan), 5, "{plan}");
    // The directories answer it: no row is tested.
    assert!(
        !plan.contains("FilterExec") && !plan.contains("p=1/"),
        "{plan}"
    );
    assert_eq!(partition.count().await.unwrap(), 25_000);

    let rows = read
        .clone()
        .filter(col("n").between(lit(61_000), lit(61_010)))
        .unwrap();
    let plan = explained(&rows).await;
    assert_eq!(files(&plan), 1, "{plan}");
    expect_parts(&plan, &["p=2/", "pruning_predicate=", "n_min", "n_max"]);
    assert_eq!(rows.count().await.unwrap(), 11);

    let none = read.clone().filter(col("p").eq(lit(7))).unwrap();
    expect_parts(&explained(&none).await, &["EmptyExec"]);
    assert_eq!(none.count().await.unwrap(), 0);
    let none = read.filter(col("n").gt(lit(1_000_000))).unwrap();
    assert_eq!(none.count().await.unwrap(), 0);
}

#[tokio::test]
async fn row_groups_that_cannot_match_are_not_read() {
    let lake = TempLake::new();
    let place = lake.table("groups");
    let session = session().await;
    let query =
        "select value as n, md5(cast(value as string)) as text from generate_series(1, 100000)";
    let writer = sql(&session, query)
        .await
        .write()
        .option("parquet.block.size", "256KB");
    writer.parquet(path(&place)).await.unwrap();
    let read = session.read().parquet(path(&place)).await.unwrap();
    let one = read.filter(col("n").eq(lit(99_999))).unwrap();
    one.create_or_replace_temp_view("one").unwrap();
    let analyzed = sql(&session, "explain analyze select * from one").await;
    let batches = analyzed.into_datafusion().collect().await.unwrap();
    let shown = weir::datafusion::arrow::util::pretty::pretty_format_batches(&batches);
    let shown = shown.unwrap().to_string();
    // "row_groups_pruned_statistics=13 total → 1 matched"
    let (_, pruned) = shown.split_once("row_groups_pruned_statistics=").unwrap();
    let words: Vec<&str> = pruned.split([' ', ',', ']']).collect();
    assert_eq!((words[1], words[3]), ("total", "1"), "{pruned:.80}");
    assert!(words[0].parse::<u64>().unwrap() > 2, "{pruned:.80}");
}

#[tokio::test]
async fn partitions_of_json_files_are_left_out_too() {
    let lake = TempLake::new();
    let place = lake.table("json");
    let session = session().await;
    let query = "select value as n, value % 3 as p from generate_series(0, 8)";
    let writer = sql(&session, query).await.write().partition_by(["p"]);
    writer.json(path(&place)).await.unwrap();
    let read = session.read().json(path(&place)).await.unwrap();
    expect_parts(&explained(&read).await, &["JsonReadExec", "files=3"]);
    let one = read
        .filter(col("p").eq(lit(1)).and(col("n").gt(lit(1))))
        .unwrap();
    let plan = explained(&one).await;
    expect_parts(&plan, &["files=1", "p=1/", "FilterExec: n"]);
    assert_eq!(one.count().await.unwrap(), 2);
}
