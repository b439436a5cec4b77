//! Overwriting whole tables, and what becomes of their columns.

use serde_json::json;
use weir::prelude::*;
use weir::{DataFrame, ErrorKind};
use weir_tests::files::delta_versions;

use super::{actions, days_or_skip, log, read, replace, rows, writer};
use crate::bronze::expect_parts;

#[tokio::test(flavor = "multi_thread")]
async fn overwrite_replaces_all_rows_and_older_versions_stay() {
    let Some((python, lake, table, session)) = days_or_skip().await else {
        return;
    };
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
async fn other_columns_are_refused_merged_or_become_the_tables() {
    let Some((python, lake, table, session)) = days_or_skip().await else {
        return;
    };
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
