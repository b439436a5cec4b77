//! Writing: modes, the size of files, partitions.

use weir::prelude::*;
use weir::{DataFrame, ErrorKind};
use weir_tests::files::{TempLake, files_under};

use super::{path, sorted, sql};
use crate::bronze::expect_parts;
use crate::stream::session;

#[tokio::test]
async fn modes_add_replace_fail_or_leave() {
    let lake = TempLake::new();
    let session = session().await;
    for format in ["parquet", "json"] {
        let place = lake.table(format);
        let save = async |n: u32, mode: &str| {
            let rows = sql(&session, &format!("select {n} as n")).await;
            let writer = rows.write().format(format).mode(mode.parse().unwrap());
            writer.save(path(&place)).await
        };
        let numbers = async || {
            let read = session
                .read()
                .format(format)
                .load_path(path(&place))
                .await
                .unwrap();
            let shown = sorted(read).await;
            let digits = shown
                .split(['|', '\n', ' '])
                .filter_map(|text| text.parse().ok());
            digits.collect::<Vec<u32>>()
        };
        save(1, "error").await.unwrap();
        let error = save(2, "errorifexists").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        expect_parts(&error.to_string(), &[path(&place), "append or overwrite"]);
        save(3, "ignore").await.unwrap();
        assert_eq!(numbers().await, [1]);
        save(4, "append").await.unwrap();
        assert_eq!(numbers().await, [1, 4]);
        save(5, "overwrite").await.unwrap();
        assert_eq!(numbers().await, [5]);
        assert_eq!(files_under(&place, format).len(), 1);
        assert!(!place.join("_temporary").exists());
    }
}

#[tokio::test]
async fn overwrite_of_what_is_read_reads_it_first() {
    let lake = TempLake::new();
    let place = lake.table("self");
    let session = session().await;
    let rows = sql(&session, "select value as n from generate_series(1, 1000)").await;
    rows.write().parquet(path(&place)).await.unwrap();
    let read = session.read().parquet(path(&place)).await.unwrap();
    let half = read.filter(col("n").lt_eq(lit(500))).unwrap();
    half.write()
        .mode(SaveMode::Overwrite)
        .parquet(path(&place))
        .await
        .unwrap();
    let read = session.read().parquet(path(&place)).await.unwrap();
    assert_eq!(read.count().await.unwrap(), 500);
}

#[tokio::test]
async fn write_that_fails_leaves_what_was_there() {
    let lake = TempLake::new();
    let session = session().await;
    let rows = async |query: &str| -> DataFrame { sql(&session, query).await };
    // The first rows are written before the last one fails.
    let failing = "select 1 / (value - 200000) as n from generate_series(1, 200000)";
    let fresh = lake.table("fresh");
    let error = rows(failing)
        .await
        .write()
        .parquet(path(&fresh))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compute, "{error}");
    assert!(!fresh.exists());
    let place = lake.table("kept");
    rows("select 7 as n")
        .await
        .write()
        .parquet(path(&place))
        .await
        .unwrap();
    let writer = rows(failing).await.write().mode(SaveMode::Overwrite);
    writer.parquet(path(&place)).await.unwrap_err();
    let read = session.read().parquet(path(&place)).await.unwrap();
    assert_eq!(read.count().await.unwrap(), 1);
    assert!(!place.join("_temporary").exists());
}

#[tokio::test]
async fn files_end_at_the_number_of_rows_and_the_size_asked_for() {
    let lake = TempLake::new();
    let session = session().await;
    let rows = sql(
        &session,
        "select value as n, md5(cast(value as string)) as text from generate_series(1, 40000)",
    )
    .await;
    let limits = [
        ("parquet", "maxRecordsPerFile", "12000", 4, 4),
        ("json", "maxRecordsPerFile", "12000", 4, 4),
        ("parquet", "targetFileSize", "300KB", 3, 20),
        ("json", "targetFileSize", "500KB", 3, 20),
    ];
    for (format, option, value, least, most) in limits {
        let place = lake.table(&format!("{format}-{option}"));
        let writer = rows.clone().write().format(format).option(option, value);
        writer.save(path(&place)).await.unwrap();
        let files = files_under(&place, format).len();
        assert!(
            (least..=most).contains(&files),
            "{format} {option}: {files}"
        );
        let read = session
            .read()
            .format(format)
            .load_path(path(&place))
            .await
            .unwrap();
        assert_eq!(read.count().await.unwrap(), 40_000);
    }
}

#[tokio::test]
async fn partition_columns_leave_the_files_and_come_last() {
    let lake = TempLake::new();
    let place = lake.table("partitioned");
    let session = session().await;
    let query = "select * from (values ('x', 1, date '2026-01-31', true), ('', 2, null, false), \
                 (null, 3, date '2026-02-01', null)) v(p, n, day, flag)";
    let writer = sql(&session, query)
        .await
        .write()
        .partition_by(["DAY", "p"]);
    writer.json(path(&place)).await.unwrap();
    let read = session.read().json(path(&place)).await.unwrap();
    let expected = "\
+-------+---+------------+------+
| flag  | n | day        | p    |
+-------+---+------------+------+
| NULL  | 3 | 2026-02-01 | NULL |
| false | 2 | NULL       | NULL |
| true  | 1 | 2026-01-31 | x    |
+-------+---+------------+------+";
    assert_eq!(sorted(read).await, expected);
    assert!(place.join("day=2026-01-31/p=x").is_dir());
}

#[tokio::test]
async fn more_partitions_than_memory_become_more_files_not_an_error() {
    let lake = TempLake::new();
    let place = lake.table("many");
    let builder = Session::builder()
        .master("local[2]")
        .config("weir.memory.limit", "60MB");
    let session = builder.create().await.unwrap();
    let query = "select value as n, repeat('x', 100) as text, value % 10 as p from generate_series(1, 400000)";
    let writer = sql(&session, query).await.write().partition_by(["p"]);
    writer.parquet(path(&place)).await.unwrap();
    assert!(files_under(&place, ".parquet").len() > 10);
    let read = session.read().parquet(path(&place)).await.unwrap();
    assert_eq!(read.count().await.unwrap(), 400_000);
}
