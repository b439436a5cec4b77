//! Batch writes that replace rows of Delta tables, as another implementation reads them back.

use std::path::Path;

use serde_json::{Value, json};
use weir::delta::DeltaTable;
use weir::prelude::*;
use weir::{DataFrame, DataFrameWriter, ErrorKind};
use weir_tests::files::{TempLake, delta_versions, files_under};
use weir_tests::python::{Python, python_or_skip};

use crate::bronze::expect_parts;
use crate::stream::session;

/// Rows (day, id, name).
async fn rows(session: &Session, values: &str) -> DataFrame {
    let query = format!(
        "select day, cast(id as bigint) as id, name from (values {values}) v(day, id, name)"
    );
    session.sql(&query).await.unwrap()
}

fn writer(rows: DataFrame, mode: SaveMode) -> DataFrameWriter {
    rows.write().format("delta").mode(mode)
}

/// A table partitioned by day: two rows in each of two days, and one without a day.
async fn days(session: &Session, table: &str) {
    let values =
        "('mon', 1, 'a'), ('mon', 2, 'b'), ('tue', 3, 'c'), ('tue', 4, 'd'), (null, 5, 'e')";
    let writer = writer(rows(session, values).await, SaveMode::ErrorIfExists);
    writer.partition_by(["day"]).save(table).await.unwrap();
}

fn replace(rows: DataFrame, predicate: &str) -> DataFrameWriter {
    writer(rows, SaveMode::Overwrite).option("replaceWhere", predicate)
}

/// The rows that Python's reader and Weir's see, as "day id name", sorted; both must see the same.
async fn read(python: &Python, session: &Session, table: &str) -> Vec<String> {
    let by_weir = session.read().delta(table).await.unwrap();
    let by_weir = texts(by_weir).await;
    let mut by_python: Vec<String> = python
        .read_rows(table, &["day", "id", "name"])
        .await
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("day"), row["id"], text("name"))
        })
        .collect();
    by_python.sort();
    assert_eq!(by_python, by_weir);
    by_weir
}

async fn texts(rows: DataFrame) -> Vec<String> {
    use weir::datafusion::arrow::array::AsArray;
    use weir::datafusion::arrow::compute::cast;
    use weir::datafusion::arrow::datatypes::DataType::Utf8;
    let rows = rows.select([col("day"), col("id"), col("name")]).unwrap();
    let mut found = Vec::new();
    for batch in rows.collect().await.unwrap() {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|c| cast(c, &Utf8).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| {
                let column = column.as_string::<i32>();
                column.iter().nth(row).unwrap().unwrap_or("-")
            });
            found.push(cells.collect::<Vec<_>>().join(" "));
        }
    }
    found.sort();
    found
}

/// The actions of a version.
fn log(table: &Path, version: u64) -> Vec<Value> {
    let path = table.join("_delta_log").join(format!("{version:020}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn actions<'a>(log: &'a [Value], kind: &str) -> Vec<&'a Value> {
    log.iter().filter_map(|action| action.get(kind)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn overwrite_replaces_all_rows_and_older_versions_stay() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    let new = rows(&session, "('wed', 6, 'f')").await;
    writer(new.clone(), SaveMode::Overwrite)
        .save(&table)
        .await
        .unwrap();
    assert_eq!(read(&python, &session, &table).await, ["wed 6 f"]);

    let log = log(&lake.table("t"), 1);
    let info = actions(&log, "commitInfo")[0];
    assert_eq!(info["operation"], "WRITE");
    assert_eq!(info["operationParameters"]["mode"], "Overwrite");
    assert_eq!(info["isBlindAppend"], false);
    assert_eq!(info["readVersion"], 0);
    assert_eq!(actions(&log, "add").len(), 1);
    let removes = actions(&log, "remove");
    assert_eq!(removes.len(), 3);
    for remove in removes {
        assert_eq!(remove["dataChange"], true);
        assert_eq!(remove["extendedFileMetadata"], true);
        assert!(remove["deletionTimestamp"].as_i64().unwrap() > 0);
        assert!(remove["size"].as_i64().unwrap() > 0);
        assert!(
            remove["partitionValues"]
                .as_object()
                .unwrap()
                .contains_key("day")
        );
    }

    let before = session.read().format("delta").option("versionAsOf", 0);
    assert_eq!(
        before
            .load_path(&table)
            .await
            .unwrap()
            .count()
            .await
            .unwrap(),
        5
    );
    assert_eq!(python.read_delta_version(&table, 0).await.rows, 5);

    // With no rows at all.
    let none = new.filter(col("id").lt(lit(0))).unwrap();
    writer(none, SaveMode::Overwrite)
        .save(&table)
        .await
        .unwrap();
    assert!(read(&python, &session, &table).await.is_empty());
    // And a table that is not there.
    let fresh = lake.table_url("fresh");
    let new = rows(&session, "('wed', 6, 'f')").await;
    writer(new, SaveMode::Overwrite).save(&fresh).await.unwrap();
    assert_eq!(read(&python, &session, &fresh).await, ["wed 6 f"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_where_of_partitions_replaces_whole_files_and_no_others() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    let files = files_under(&lake.table("t"), ".parquet").len();

    let new = rows(&session, "('mon', 7, 'g')").await;
    replace(new, "day = 'mon'").save(&table).await.unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        ["- 5 e", "mon 7 g", "tue 3 c", "tue 4 d"]
    );
    let first = log(&lake.table("t"), 1);
    assert_eq!(actions(&first, "remove").len(), 1);
    assert_eq!(actions(&first, "add").len(), 1);
    let parameters = &actions(&first, "commitInfo")[0]["operationParameters"];
    assert_eq!(parameters["predicate"], "day = 'mon'");

    // Names are found without regard to case; a row without a day is no row of another day.
    let new = rows(&session, "('tue', 8, 'h')").await;
    replace(new, "DAY <> 'mon'").save(&table).await.unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        ["- 5 e", "mon 7 g", "tue 8 h"]
    );
    let new = rows(&session, "(cast(null as varchar), 9, 'i')").await;
    replace(new, "day is null").save(&table).await.unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        ["- 9 i", "mon 7 g", "tue 8 h"]
    );
    // Nothing matches: an append.
    let new = rows(&session, "('wed', 10, 'j')").await;
    replace(new.clone(), "day in ('wed', 'thu')")
        .save(&table)
        .await
        .unwrap();
    assert!(actions(&log(&lake.table("t"), 4), "remove").is_empty());
    // Nothing is written: a deletion.
    let none = new.filter(col("id").lt(lit(0))).unwrap();
    replace(none.clone(), "day = 'mon' or day = 'tue'")
        .save(&table)
        .await
        .unwrap();
    assert_eq!(read(&python, &session, &table).await, ["- 9 i", "wed 10 j"]);
    // Neither: no commit.
    replace(none, "day = 'sun'").save(&table).await.unwrap();
    assert_eq!(delta_versions(&lake.table("t")).len(), 6);
    // Nothing was written again.
    assert_eq!(files_under(&lake.table("t"), ".parquet").len(), files + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_replace_where_is_not_true_of_are_refused_with_an_example() {
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    for (values, predicate, example) in [
        (
            "('mon', 7, 'g'), ('tue', 8, 'h')",
            "day = 'mon'",
            "day = tue",
        ),
        (
            "(null, 9, 'i'), ('mon', 7, 'g')",
            "day = 'mon'",
            "day = null",
        ),
        // An empty string in a partition column is stored as null.
        (
            "('', 9, 'i'), ('mon', 7, 'g')",
            "day in ('', 'mon')",
            "day = ",
        ),
        (
            "('mon', 7, 'g'), ('mon', 1, 'h')",
            "day = 'mon' and id > 5",
            "id = 1",
        ),
    ] {
        let writer = replace(rows(&session, values).await, predicate);
        let error = writer.save(&table).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        expect_parts(&error.to_string(), &[predicate, example, "replaceWhere"]);
    }
    // What the query leaves out is not looked at.
    let all = rows(&session, "('mon', 7, 'g'), ('tue', 8, 'h')").await;
    let monday = all.filter(col("day").eq(lit("mon"))).unwrap();
    replace(monday, "day = 'mon'").save(&table).await.unwrap();
    assert_eq!(delta_versions(&lake.table("t")), [0, 1]);

    let new = rows(&session, "('mon', 7, 'g')").await;
    for (predicate, kind, parts) in [
        (
            "dya = 'mon'",
            ErrorKind::InvalidArgument,
            ["dya", "day, id, name"],
        ),
        (
            "day = ",
            ErrorKind::InvalidArgument,
            ["day = ", "replaceWhere"],
        ),
        (
            "day",
            ErrorKind::InvalidArgument,
            ["\"day\"", "true or false"],
        ),
        (
            "day = 'mon' and random() < 2",
            ErrorKind::Unsupported,
            ["random", "literal"],
        ),
        (
            "count(day) = 1",
            ErrorKind::Unsupported,
            ["count", "literal"],
        ),
    ] {
        let error = replace(new.clone(), predicate)
            .save(&table)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        expect_parts(&error.to_string(), &parts);
    }
    assert_eq!(delta_versions(&lake.table("t")), [0, 1]);
}
