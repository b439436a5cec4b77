//! Which files a read is of: partitions, patterns, filters, and names that are left out.

use std::fs;
use std::path::Path;

use weir::prelude::*;
use weir::{DataFrame, ErrorKind};
use weir_tests::files::TempLake;

use super::{path, sorted};
use crate::bronze::expect_parts;
use crate::stream::session;

/// A file of JSON lines with one field `n`.
fn put(root: &Path, name: &str, n: u32) {
    let file = root.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, format!("{{\"n\":{n}}}\n")).unwrap();
}

async fn numbers(rows: DataFrame) -> Vec<i64> {
    let rows = rows
        .select([col("n")])
        .unwrap()
        .order_by([col("n")])
        .unwrap();
    let mut numbers = Vec::new();
    for batch in rows.collect().await.unwrap() {
        let column = weir::datafusion::arrow::array::AsArray::as_primitive::<
            weir::datafusion::arrow::datatypes::Int64Type,
        >(batch.column(0).as_ref());
        numbers.extend(column.values().iter().copied());
    }
    numbers
}

#[tokio::test]
async fn partition_directories_become_columns_of_the_narrowest_types() {
    let lake = TempLake::new();
    let root = lake.table("typed");
    put(&root, "i=1/l=1/d=2026-01-31/s=01a/f=1/x.json", 1);
    put(
        &root,
        "i=-2/l=3000000000/d=__HIVE_DEFAULT_PARTITION__/s=b%3Ac/f=1.5/x.json",
        2,
    );
    let read = session().await.read().json(path(&root)).await.unwrap();
    let types: Vec<String> = read
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    assert_eq!(
        types,
        [
            "n Int64",
            "i Int32",
            "l Int64",
            "d Date32",
            "s Utf8",
            "f Float64"
        ]
    );
    let expected = "\
+---+----+------------+------------+-----+-----+
| n | i  | l          | d          | s   | f   |
+---+----+------------+------------+-----+-----+
| 1 | 1  | 1          | 2026-01-31 | 01a | 1.0 |
| 2 | -2 | 3000000000 | NULL       | b:c | 1.5 |
+---+----+------------+------------+-----+-----+";
    assert_eq!(sorted(read).await, expected);
}

#[tokio::test]
async fn hidden_names_and_directories_that_are_no_partitions_are_left_out() {
    let lake = TempLake::new();
    let root = lake.table("hidden");
    put(&root, "a.json", 1);
    put(&root, "_b.json", 2);
    put(&root, ".c.json", 3);
    put(&root, "_temporary/job/d.json", 4);
    put(&root, "sub/e.json", 5);
    put(&root, "sub/deeper/f.json", 6);
    fs::write(root.join("empty.json"), "").unwrap();
    let session = session().await;
    let read = session.read().json(path(&root)).await.unwrap();
    assert_eq!(numbers(read).await, [1]);
    let reader = session.read().option("recursiveFileLookup", true);
    assert_eq!(
        numbers(reader.json(path(&root)).await.unwrap()).await,
        [1, 5, 6]
    );
}

#[tokio::test]
async fn filters_patterns_and_lists_choose_files() {
    let lake = TempLake::new();
    let root = lake.table("chosen");
    put(&root, "day=1/a.json", 1);
    put(&root, "day=2/a.json", 2);
    put(&root, "day=3/b.jsonl", 3);
    let session = session().await;
    let reader = session.read().option("pathGlobFilter", "*.json");
    let read = reader.json(path(&root)).await.unwrap();
    assert_eq!(read.columns(), ["n", "day"]);
    assert_eq!(numbers(read).await, [1, 2]);
    // What a pattern matches is what is read: its directories are no columns.
    let pattern = format!("{}/day=[12]", path(&root));
    let read = session.read().json(&pattern).await.unwrap();
    assert_eq!(read.columns(), ["n"]);
    assert_eq!(numbers(read).await, [1, 2]);
    let reader = session.read().option("basePath", path(&root));
    let read = reader.json(&pattern).await.unwrap();
    assert_eq!(read.columns(), ["n", "day"]);
    let one = read.filter(col("day").eq(lit(2))).unwrap();
    assert_eq!(numbers(one).await, [2]);
    let files = [root.join("day=1/a.json"), root.join("day=3/b.jsonl")];
    let reader = session.read().format("json");
    let read = reader
        .load_paths(files.iter().map(|file| path(file)))
        .await
        .unwrap();
    assert_eq!(numbers(read).await, [1, 3]);
    let error = session
        .read()
        .option("basePath", path(&root.join("day=1")))
        .json(path(&root))
        .await;
    expect_parts(&error.unwrap_err().to_string(), &["basePath", "day=1"]);
}

#[tokio::test]
async fn directories_of_different_columns_are_refused_naming_both() {
    let lake = TempLake::new();
    let root = lake.table("mixed");
    put(&root, "day=1/a.json", 1);
    put(&root, "month=2/a.json", 2);
    let error = session().await.read().json(path(&root)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    expect_parts(
        &error.to_string(),
        &["day=1/a.json", "[day]", "month=2/a.json", "[month]"],
    );
}

#[tokio::test]
async fn given_types_of_partitions_hold_and_a_value_that_is_none_is_named() {
    use weir::datafusion::arrow::datatypes::{DataType, Field, Schema};
    let lake = TempLake::new();
    let root = lake.table("given");
    put(&root, "p=01/a.json", 1);
    let session = session().await;
    let read = async |data_type: DataType| {
        let fields = vec![
            Field::new("n", DataType::Int64, false),
            Field::new("p", data_type, false),
        ];
        let reader = session.read().schema(Schema::new(fields).into());
        reader.json(path(&root)).await
    };
    let text = read(DataType::Utf8).await.unwrap();
    let expected = "\
+---+----+
| n | p  |
+---+----+
| 1 | 01 |
+---+----+";
    assert_eq!(sorted(text).await, expected);
    let error = read(DataType::Boolean).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    expect_parts(&error.to_string(), &["p=01", "a.json", "Boolean"]);
}
