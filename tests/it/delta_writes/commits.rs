//! Commits of others, of the same transaction, and of streams beside a replacement.

use weir::ErrorKind;
use weir::delta::DeltaTable;
use weir::prelude::*;
use weir_tests::files::{TempLake, delta_versions};
use weir_tests::kafka::{Record, broker_or_skip};
use weir_tests::python::python_or_skip;

use super::{actions, days_or_skip, log, read, replace, rows, writer};
use crate::bronze::expect_parts;
use crate::stream::{Stream, session};

#[tokio::test(flavor = "multi_thread")]
async fn commits_since_the_read_conflict_if_they_touch_what_is_replaced() {
    let Some((python, lake, table, session)) = days_or_skip().await else {
        return;
    };
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
    let Some((python, _lake, table, session)) = days_or_skip().await else {
        return;
    };
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
    let Some((python, lake, table, session)) = days_or_skip().await else {
        return;
    };
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
