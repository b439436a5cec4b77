//! Replacing the rows that a predicate is true of, and the partitions that are written.

use std::time::Duration;

use weir::ErrorKind;
use weir::prelude::*;
use weir_tests::files::{TempLake, delta_versions, files_under};
use weir_tests::python::python_or_skip;

use super::{actions, days, days_or_skip, log, read, replace, rows, writer};
use crate::bronze::expect_parts;
use crate::stream::session;

#[tokio::test(flavor = "multi_thread")]
async fn replace_where_of_partitions_replaces_whole_files_and_no_others() {
    let Some((python, lake, table, session)) = days_or_skip().await else {
        return;
    };
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
    let Some((python, lake, table, session)) = days_or_skip().await else {
        return;
    };

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
    let Some((python, lake, table, session)) = days_or_skip().await else {
        return;
    };
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
