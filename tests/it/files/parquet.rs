//! Parquet: what is written is what others read, and the other way round.

use serde_json::json;
use weir::prelude::*;
use weir_tests::files::{TempLake, files_under};
use weir_tests::python::python_or_skip;

use super::{by_python, described, path, sorted, sql};
use crate::stream::session;

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_many_types_are_read_back_by_weir_and_by_pyarrow() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let place = lake.table("types");
    let session = session().await;
    let query = "select * from (values \
        (1, 'a', true, 1.5, date '2026-01-31', timestamp '2026-01-31 08:00:00.123456', \
         arrow_cast(12.34, 'Decimal128(10, 2)'), [1, 2], 'p/1'), \
        (2, null, null, null, null, null, null, null, null)) \
        v(n, text, flag, real, day, at, price, list, p)";
    let rows = sql(&session, query).await;
    let expected = sorted(rows.clone()).await;
    rows.write()
        .partition_by(["p"])
        .parquet(path(&place))
        .await
        .unwrap();
    let read = session.read().parquet(path(&place)).await.unwrap();
    assert_eq!(sorted(read).await, expected);
    assert!(place.join("p=p%2F1").is_dir());
    assert!(place.join("p=__HIVE_DEFAULT_PARTITION__").is_dir());
    assert!(place.join("_SUCCESS").is_file());
    let rows = by_python(&python, "parquet", &place).await;
    let first = json!({
        "n": 1, "text": "a", "flag": true, "real": 1.5, "day": "2026-01-31",
        "at": "2026-01-31T08:00:00.123456", "price": "12.34", "list": [1, 2], "p": "p/1",
    });
    assert_eq!(rows[0], first);
    assert_eq!(rows[1]["p"], json!(null));
    let file = &files_under(&place, ".parquet")[0];
    let described = described(&python, file).await;
    // Spark reads no nanoseconds, and no type of Arrow's own is in the file.
    assert_eq!(described["columns"]["at"], "timestamp[us]");
    assert_eq!(described["columns"]["text"], "string");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_compression_is_the_one_in_the_files() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let session = session().await;
    for (option, codec, suffix) in [
        (None, "SNAPPY", ".snappy.parquet"),
        (Some("snappy"), "SNAPPY", ".snappy.parquet"),
        (Some("ZSTD"), "ZSTD", ".zst.parquet"),
        (Some("gzip"), "GZIP", ".gz.parquet"),
        (Some("lz4"), "LZ4", ".lz4raw.parquet"),
        (Some("none"), "UNCOMPRESSED", ".parquet"),
        (Some("uncompressed"), "UNCOMPRESSED", ".parquet"),
    ] {
        let place = lake.table(option.unwrap_or("default"));
        let rows = sql(&session, "select value as n from generate_series(1, 1000)").await;
        let mut writer = rows.write();
        if let Some(option) = option {
            writer = writer.option("compression", option);
        }
        writer.parquet(path(&place)).await.unwrap();
        let files = files_under(&place, suffix);
        assert_eq!(files.len(), 1, "{option:?}");
        let described = described(&python, &files[0]).await;
        assert!(
            described["codecs"][0].as_str().unwrap().starts_with(codec),
            "{described}"
        );
        assert_eq!(described["rows"], json!([1000]));
        let read = session.read().parquet(path(&place)).await.unwrap();
        assert_eq!(read.count().await.unwrap(), 1000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_groups_end_at_the_size_that_is_asked_for() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let place = lake.table("groups");
    let session = session().await;
    let query =
        "select value as n, cast(random() as string) as text from generate_series(1, 100000)";
    let writer = sql(&session, query)
        .await
        .write()
        .option("parquet.block.size", "256KB");
    writer.parquet(path(&place)).await.unwrap();
    let files = files_under(&place, ".parquet");
    let described = described(&python, &files[0]).await;
    let groups = described["rows"].as_array().unwrap();
    assert!(groups.len() > 2, "{described}");
    assert_eq!(
        groups.iter().filter_map(|rows| rows.as_u64()).sum::<u64>(),
        100_000
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn layout_that_pyarrow_wrote_is_read_with_typed_partitions() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let place = lake.table("foreign");
    let process = python.script("files.py", &["write", "parquet", path(&place)]);
    process.wait(super::READ_WITHIN).await.expect_success();
    let read = session().await.read().parquet(path(&place)).await.unwrap();
    let rows = read
        .select([col("n"), col("at"), col("place"), col("day")])
        .unwrap();
    let expected = "\
+---+----------------------+-------+------------+
| n | at                   | place | day        |
+---+----------------------+-------+------------+
| 1 | 2026-01-31T08:00:00Z | a b/c | 2026-01-31 |
| 2 | 2026-01-31T08:00:00Z | ü=%   | 2026-01-31 |
| 3 | 2026-01-31T08:00:00Z | NULL  | 2026-02-01 |
| 4 | 2026-01-31T08:00:00Z | plain | NULL       |
+---+----------------------+-------+------------+";
    assert_eq!(sorted(rows.clone()).await, expected);
    // A null partition is found by its predicate, whatever the statistics say.
    let nulls = rows.clone().filter(col("place").is_null()).unwrap();
    assert_eq!(nulls.count().await.unwrap(), 1);
    let either = col("place").is_null().or(col("n").eq(lit(4)));
    assert_eq!(rows.filter(either).unwrap().count().await.unwrap(), 2);
}

#[tokio::test]
async fn columns_are_the_first_files_or_all_merged_or_those_given() {
    let lake = TempLake::new();
    let place = lake.table("merged");
    let session = session().await;
    for (name, query) in [("a", "select 1 as n"), ("b", "select 2 as n, 'x' as text")] {
        let writer = sql(&session, query).await.write();
        writer.parquet(path(&place.join(name))).await.unwrap();
    }
    let both = [
        path(&place.join("a")).to_owned(),
        path(&place.join("b")).to_owned(),
    ];
    let read = async |merge: bool| {
        let reader = session
            .read()
            .format("parquet")
            .option("mergeSchema", merge);
        reader.load_paths(both.clone()).await.unwrap()
    };
    assert_eq!(read(false).await.columns(), ["n"]);
    let merged = "\
+---+------+
| n | text |
+---+------+
| 1 | NULL |
| 2 | x    |
+---+------+";
    assert_eq!(sorted(read(true).await).await, merged);
    let given = read(true).await.schema().as_arrow().project(&[1]).unwrap();
    let reader = session.read().schema(given.into()).format("parquet");
    let texts = reader.load_paths(both.clone()).await.unwrap();
    assert_eq!(texts.columns(), ["text"]);
    assert_eq!(texts.count().await.unwrap(), 2);
    // A type that does not fit is told with the file.
    let other = place.join("c");
    let rows = sql(&session, "select true as n").await;
    rows.write().parquet(path(&other)).await.unwrap();
    let reader = session.read().format("parquet").option("mergeSchema", true);
    let error = reader
        .load_paths([path(&place.join("a")), path(&other)])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), weir::ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains(path(&other)), "{error}");
}

#[tokio::test]
async fn dataframe_without_rows_keeps_its_columns() {
    let lake = TempLake::new();
    let place = lake.table("none");
    let session = session().await;
    let rows = sql(&session, "select 1 as n, 'a' as text where false").await;
    rows.write().parquet(path(&place)).await.unwrap();
    let read = session.read().parquet(path(&place)).await.unwrap();
    assert_eq!(read.columns(), ["n", "text"]);
    assert_eq!(read.count().await.unwrap(), 0);
}
