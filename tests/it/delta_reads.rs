//! What is read of Delta tables: files that cannot hold rows of the query are left out, visibly.

use weir::dataframe::ExplainMode;
use weir::prelude::*;
use weir_tests::files::TempLake;

use crate::bronze::expect_parts;
use crate::stream::session;

/// Days 1 to 9 with two files of 100 ids each, and two files without a day.
async fn table(session: &Session, table: &str) {
    for half in 0..2 {
        let query = format!(
            "select case when value < 900 then cast(value / 100 + 1 as int) end as day,
                    value + 1000 * {half} as id, cast(value as varchar) as name
             from generate_series(0, 999) where {half} = {half}"
        );
        let rows = session.sql(&query).await.unwrap();
        let writer = rows.write().format("delta").mode(SaveMode::Append);
        let writer = writer
            .partition_by(["day"])
            .option("distributionMode", "hash");
        writer.save(table).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_files_out_and_explain_says_how_many() {
    let lake = TempLake::new();
    let location = lake.table_url("t");
    let session = session().await;
    table(&session, &location).await;
    let read = session.read().delta(&location).await.unwrap();
    for (filter, files, rows) in [
        ("true", 20, 2000),
        // Partition columns.
        ("day = 3", 2, 200),
        ("day in (3, 5, 77)", 4, 400),
        ("day >= 8", 4, 400),
        ("day between 2 and 4", 6, 600),
        ("day > 2 and day < 4", 2, 200),
        ("day is null", 2, 200),
        ("day is not null", 18, 1800),
        ("day <> 3", 16, 1600),
        ("day = 3 or day is null", 4, 400),
        ("day = 42", 0, 0),
        // Statistics.
        ("id = 1250", 1, 1),
        ("id < 100", 1, 100),
        ("id >= 1900", 1, 100),
        ("id in (5, 1105)", 2, 2),
        ("id between 190 and 310", 3, 121),
        ("id < 0", 0, 0),
        // Both.
        ("day = 3 and id > 1000", 1, 100),
        ("day is null and id < 950", 1, 50),
        // What a table has no statistics for is read.
        ("length(name) = 1", 20, 20),
    ] {
        let query = read.clone();
        query.create_or_replace_temp_view("t").unwrap();
        let query = session
            .sql(&format!("select id from t where {filter}"))
            .await
            .unwrap();
        let plan = query.explain_string(ExplainMode::Simple).await.unwrap();
        let expected = format!("files {files} of 20,");
        assert!(plan.contains(&expected), "{filter}: {plan}");
        assert_eq!(query.count().await.unwrap(), rows, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_table_version_and_filters_of_every_scan() {
    let lake = TempLake::new();
    let location = lake.table_url("t");
    let session = session().await;
    table(&session, &location).await;
    let older = session.read().format("delta").option("versionAsOf", 0);
    let older = older.load_path(&location).await.unwrap();
    let older = older
        .filter(col("day").eq(lit(3)).and(col("id").gt(lit(7))))
        .unwrap();
    let newest = session.read().delta(&location).await.unwrap();
    let both = older.union(newest).unwrap();
    for mode in [ExplainMode::Simple, ExplainMode::Extended] {
        let plan = both.explain_string(mode).await.unwrap();
        expect_parts(
            &plan,
            &[
                "== Delta Tables ==",
                &format!("table={location}/, version=0, files 1 of 10, partition filters [day = "),
                "data filters [id > ",
                &format!(
                    "table={location}/, version=1, files 20 of 20, partition filters [], data filters []"
                ),
            ],
        );
    }
    let plain = session.sql("select 1 as n").await.unwrap();
    let plan = plain.explain_string(ExplainMode::Simple).await.unwrap();
    assert!(!plan.contains("Delta"), "{plan}");
}
