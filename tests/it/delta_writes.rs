//! Batch writes that replace rows of Delta tables, as another implementation reads them back.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use weir::delta::DeltaTable;
use weir::prelude::*;
use weir::{DataFrame, DataFrameWriter, ErrorKind};
use weir_tests::files::{TempLake, delta_versions, files_under};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::{Python, python_or_skip};

use crate::bronze::expect_parts;
use crate::stream::{Stream, session};

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

#[tokio::test(flavor = "multi_thread")]
async fn replace_where_of_other_columns_keeps_the_other_rows_of_its_files() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;

    // Of three files, statistics leave one, which holds both kinds.
    let new = rows(&session, "('mon', 2, 'B'), ('wed', 2, 'BB')").await;
    replace(new, "id = 2").save(&table).await.unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        [
            "- 5 e", "mon 1 a", "mon 2 B", "tue 3 c", "tue 4 d", "wed 2 BB"
        ]
    );
    let first = log(&lake.table("t"), 1);
    assert_eq!(actions(&first, "remove").len(), 1);
    assert_eq!(actions(&first, "add").len(), 3);

    // A file that could hold such rows and has none stays as it is.
    let none = rows(&session, "('mon', 0, 'x')")
        .await
        .filter(col("id").gt(lit(0)))
        .unwrap();
    replace(none.clone(), "id > 2 and length(name) > 5")
        .save(&table)
        .await
        .unwrap();
    assert_eq!(delta_versions(&lake.table("t")), [0, 1]);

    // Null is not true: the row without a name stays.
    let nameless = rows(&session, "('tue', 6, cast(null as varchar))").await;
    writer(nameless, SaveMode::Append)
        .save(&table)
        .await
        .unwrap();
    replace(none.clone(), "name <> 'c' and day = 'tue'")
        .save(&table)
        .await
        .unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        [
            "- 5 e", "mon 1 a", "mon 2 B", "tue 3 c", "tue 6 -", "wed 2 BB"
        ]
    );

    // A part of a null partition, and a predicate that is an alternative of both kinds.
    let more = rows(&session, "(cast(null as varchar), 7, 'g')").await;
    writer(more, SaveMode::Append).save(&table).await.unwrap();
    let new = rows(&session, "('wed', 8, 'h')").await;
    replace(new, "id = 5 or day = 'wed'")
        .save(&table)
        .await
        .unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        [
            "- 7 g", "mon 1 a", "mon 2 B", "tue 3 c", "tue 6 -", "wed 8 h"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamic_mode_replaces_the_partitions_that_are_written() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    let dynamic = async |values: &str| {
        let writer = writer(rows(&session, values).await, SaveMode::Overwrite);
        writer
            .option("partitionOverwriteMode", "dynamic")
            .save(&table)
            .await
            .unwrap();
    };
    dynamic("('mon', 6, 'f'), ('wed', 7, 'g')").await;
    assert_eq!(
        read(&python, &session, &table).await,
        ["- 5 e", "mon 6 f", "tue 3 c", "tue 4 d", "wed 7 g"]
    );
    dynamic("(cast(null as varchar), 8, 'h')").await;
    assert_eq!(
        read(&python, &session, &table).await,
        ["- 8 h", "mon 6 f", "tue 3 c", "tue 4 d", "wed 7 g"]
    );
    // Static is the default, and a table without partitions is one.
    let all = session.read().delta(&table).await.unwrap();
    let plain = lake.table_url("plain");
    writer(all.clone(), SaveMode::Append)
        .save(&plain)
        .await
        .unwrap();
    let one = all.filter(col("id").eq(lit(8))).unwrap();
    let writer = writer(one, SaveMode::Overwrite).option("partitionOverwriteMode", "dynamic");
    writer.save(&plain).await.unwrap();
    assert_eq!(read(&python, &session, &plain).await, ["- 8 h"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_columns_are_refused_merged_or_become_the_tables() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    let wider = rows(&session, "('mon', 6, 'f')").await;
    let wider = wider.with_column("extra", lit(true)).unwrap();
    let overwrite = |rows: &DataFrame| writer(rows.clone(), SaveMode::Overwrite);
    let error = overwrite(&wider).save(&table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    expect_parts(&error.to_string(), &["extra"]);
    let retyped = wider.clone().with_column("id", lit("six")).unwrap();
    let error = overwrite(&retyped)
        .option("mergeSchema", true)
        .save(&table)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    let error = overwrite(&wider)
        .partition_by(["id"])
        .save(&table)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    assert_eq!(delta_versions(&lake.table("t")), [0]);

    let merging = replace(wider.clone(), "day = 'mon'").option("mergeSchema", true);
    merging.save(&table).await.unwrap();
    let columns = ["day", "id", "name", "extra"];
    let rows = python.read_rows(&table, &columns).await;
    assert_eq!(rows.len(), 4);
    assert_eq!(
        rows.iter()
            .filter(|row| row["extra"] == json!(true))
            .count(),
        1
    );

    let redefining = overwrite(&retyped).option("overwriteSchema", true);
    redefining
        .partition_by(["name"])
        .save(&table)
        .await
        .unwrap();
    let summary = python.read_delta(&table).await;
    assert_eq!(summary.partition_columns, ["name"]);
    assert_eq!(summary.column_type("id").unwrap(), "string");
    assert_eq!(summary.rows, 1);
    let id = |version: u64| {
        let log = log(&lake.table("t"), version);
        actions(&log, "metaData")[0]["id"].clone()
    };
    assert_eq!(id(0), id(2), "the table stays the same one");
    assert_eq!(python.read_delta_version(&table, 0).await.rows, 5);
    assert_eq!(
        session
            .read()
            .delta(&table)
            .await
            .unwrap()
            .count()
            .await
            .unwrap(),
        1
    );
    // Without partitions again.
    let redefining = overwrite(&retyped).option("overwriteSchema", true);
    redefining.save(&table).await.unwrap();
    assert!(python.read_delta(&table).await.partition_columns.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_since_the_read_conflict_if_they_touch_what_is_replaced() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    let append = async |values: &str| {
        let writer = writer(rows(&session, values).await, SaveMode::Append);
        writer.save(&table).await.unwrap();
    };
    // Read, and written from what was read.
    let correct = async |read: &DeltaTable, predicate: &str| {
        let part = read.to_df().unwrap();
        let part = part.filter(col("day").eq(lit("mon"))).unwrap();
        let corrected = part.with_column("name", lit("corrected")).unwrap();
        replace(corrected, predicate)
            .expected_version(read.version())
            .save(&table)
            .await
    };
    let read_at_0 = DeltaTable::for_path(&session, &table).await.unwrap();
    assert_eq!(read_at_0.version(), 0);
    append("('tue', 6, 'f')").await;
    correct(&read_at_0, "day = 'mon'").await.unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        [
            "- 5 e",
            "mon 1 corrected",
            "mon 2 corrected",
            "tue 3 c",
            "tue 4 d",
            "tue 6 f"
        ]
    );
    let info = log(&lake.table("t"), 2);
    assert_eq!(actions(&info, "commitInfo")[0]["readVersion"], 0);

    // Its files are gone since: replaced by the write before.
    let error = correct(&read_at_0, "day = 'mon'").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    expect_parts(
        &error.to_string(),
        &["version 2", "version 0", "again", "day = 'mon'", &table],
    );

    let read_at_2 = DeltaTable::for_path(&session, &table).await.unwrap();
    append("('mon', 7, 'g')").await;
    for predicate in ["day = 'mon'", "day = 'mon' and id < 10"] {
        let error = correct(&read_at_2, predicate).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        expect_parts(&error.to_string(), &["version 3", "added rows"]);
    }
    // What statistics keep apart is no conflict, unless any commit of rows is.
    let apart = rows(&session, "('mon', 1, 'x')").await;
    let error = replace(apart, "day = 'mon' and id < 5")
        .option("isolationLevel", "Serializable")
        .expected_version(read_at_2.version())
        .save(&table)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    expect_parts(&error.to_string(), &["version 3", "changed rows"]);
    correct(&read_at_2, "day = 'mon' and id < 5").await.unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        [
            "- 5 e",
            "mon 1 corrected",
            "mon 2 corrected",
            "mon 7 g",
            "tue 3 c",
            "tue 4 d",
            "tue 6 f"
        ]
    );
    // The whole table is replaced, or columns changed.
    let read_at_4 = DeltaTable::for_path(&session, &table).await.unwrap();
    let wider = rows(&session, "('wed', 9, 'i')")
        .await
        .with_column("extra", lit(1))
        .unwrap();
    let wider = writer(wider, SaveMode::Append).option("mergeSchema", true);
    wider.save(&table).await.unwrap();
    let whole = writer(read_at_4.to_df().unwrap(), SaveMode::Overwrite).expected_version(4);
    let error = whole.save(&table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let error = correct(&read_at_4, "day = 'mon'").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    expect_parts(&error.to_string(), &["metadata"]);

    let one = rows(&session, "('mon', 1, 'a')").await;
    let ahead = replace(one.clone(), "day = 'mon'").expected_version(77);
    let error = ahead.save(&table).await.unwrap_err();
    expect_parts(&error.to_string(), &["version 77", "newest is 5"]);
    let appending = writer(one.clone(), SaveMode::Append).expected_version(5);
    let error = appending.save(&table).await.unwrap_err();
    expect_parts(&error.to_string(), &["expected_version", "overwrite"]);
    let none = replace(one, "day = 'mon'").expected_version(0);
    let error = none.save(&lake.table_url("none")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(delta_versions(&lake.table("t")).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn table_is_replaced_by_what_is_computed_from_it() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    let own = session.read().delta(&table).await.unwrap();
    let fewer = own.clone().filter(col("id").gt(lit(2))).unwrap();
    writer(fewer, SaveMode::Overwrite)
        .save(&table)
        .await
        .unwrap();
    assert_eq!(
        read(&python, &session, &table).await,
        ["- 5 e", "tue 3 c", "tue 4 d"]
    );
    // What was read before is what it was: a restore.
    assert_eq!(own.clone().count().await.unwrap(), 5);
    writer(own, SaveMode::Overwrite).save(&table).await.unwrap();
    assert_eq!(read(&python, &session, &table).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn write_of_a_transaction_that_is_in_the_table_does_nothing() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    let once = async |mode: SaveMode, values: &str, version: u64| {
        let writer = writer(rows(&session, values).await, mode);
        let writer = writer
            .option("txnAppId", "nightly")
            .option("txnVersion", version);
        writer.save(&table).await.unwrap();
    };
    once(SaveMode::Append, "('mon', 6, 'f')", 1).await;
    once(SaveMode::Append, "('mon', 6, 'f')", 1).await;
    assert_eq!(read(&python, &session, &table).await.len(), 6);
    let first = log(&lake.table("t"), 1);
    assert_eq!(actions(&first, "txn")[0]["appId"], "nightly");
    assert_eq!(actions(&first, "txn")[0]["version"], 1);
    once(SaveMode::Overwrite, "('tue', 7, 'g')", 3).await;
    for earlier in [1, 2, 3] {
        once(SaveMode::Overwrite, "('wed', 8, 'h')", earlier).await;
        once(SaveMode::Append, "('wed', 8, 'h')", earlier).await;
    }
    assert_eq!(read(&python, &session, &table).await, ["tue 7 g"]);
    assert_eq!(delta_versions(&lake.table("t")), [0, 1, 2]);
    // Another application has versions of its own.
    let other = writer(rows(&session, "('wed', 8, 'h')").await, SaveMode::Append);
    let other = other.option("txnAppId", "other").option("txnVersion", 0);
    other.save(&table).await.unwrap();
    // A write without rows is remembered, too.
    let none = rows(&session, "('wed', 8, 'h')")
        .await
        .filter(col("id").lt(lit(0)))
        .unwrap();
    let writer = replace(none, "day = 'sun'")
        .option("txnAppId", "nightly")
        .option("txnVersion", 9);
    writer.save(&table).await.unwrap();
    once(SaveMode::Append, "('wed', 9, 'i')", 9).await;
    assert_eq!(
        read(&python, &session, &table).await,
        ["tue 7 g", "wed 8 h"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_another_writer_are_replaced_whole_and_in_part() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let made = python.script("make_table.py", &[&table, "days"]);
    made.wait(Duration::from_secs(60)).await.expect_success();
    let session = session().await;
    let expected = |new: &[(usize, &str)]| {
        let mut rows: Vec<String> = (0..8)
            .map(|n| {
                let day = ["a b", "x%20y", "ü / =", "-"][n % 4];
                let name = new.iter().find(|(id, _)| *id == n);
                let name = name.map_or(format!("n{n}"), |(_, name)| (*name).to_owned());
                format!("{day} {n} {name}")
            })
            .filter(|row| !row.ends_with(" gone"))
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(read(&python, &session, &table).await, expected(&[]));
    // Whole.
    for (day, predicate) in [
        ("'a b'", "day = 'a b'"),
        ("cast(null as varchar)", "day is null"),
    ] {
        let (one, other) = if day == "'a b'" { (0, 4) } else { (3, 7) };
        let new = format!("({day}, {one}, 'new'), ({day}, {other}, 'new')");
        replace(rows(&session, &new).await, predicate)
            .save(&table)
            .await
            .unwrap();
    }
    let whole = [(0, "new"), (4, "new"), (3, "new"), (7, "new")];
    assert_eq!(read(&python, &session, &table).await, expected(&whole));
    // In part.
    let new = rows(&session, "('x%20y', 5, 'part'), ('ü / =', 2, 'part')").await;
    replace(new, "id = 5 or id = 2").save(&table).await.unwrap();
    let parts = [&whole[..], &[(5, "part"), (2, "part")]].concat();
    assert_eq!(read(&python, &session, &table).await, expected(&parts));
    // Dynamically.
    let new = rows(&session, "('ü / =', 6, 'dynamic')").await;
    let dynamic = writer(new, SaveMode::Overwrite).option("partitionOverwriteMode", "dynamic");
    dynamic.save(&table).await.unwrap();
    let dynamic = [&whole[..], &[(5, "part"), (2, "gone"), (6, "dynamic")]].concat();
    assert_eq!(read(&python, &session, &table).await, expected(&dynamic));
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_goes_on_after_its_table_was_replaced() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("replaced", 2).await;
    let producer = broker.producer();
    let stream = Stream::new(broker, &lake, &[&topic]);
    let mut produced = producer
        .produce_n(&topic, 2, 40, |n| Record::of(format!("a{n}")))
        .await;
    stream.drain().await;
    let session = session().await;
    // The same rows in fewer files, while the next batch waits.
    produced.merge(
        &producer
            .produce_n(&topic, 2, 30, |n| Record::of(format!("b{n}")))
            .await,
    );
    let own = session.read().delta(&stream.table).await.unwrap();
    writer(own, SaveMode::Overwrite)
        .save(&stream.table)
        .await
        .unwrap();
    assert_eq!(stream.drain().await.output_rows, 30);
    // And a part of them.
    let own = session.read().delta(&stream.table).await.unwrap();
    let part = own.filter(col("partition").eq(lit(1))).unwrap();
    replace(part, "partition = 1")
        .save(&stream.table)
        .await
        .unwrap();
    produced.merge(
        &producer
            .produce_n(&topic, 2, 20, |n| Record::of(format!("c{n}")))
            .await,
    );
    assert_eq!(stream.drain().await.output_rows, 20);
    assert_eq!(stream.drain().await.batches, 0);
    python
        .read_delta(&stream.table)
        .await
        .expect_exactly(&produced);
}
