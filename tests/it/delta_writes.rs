//! Batch writes that replace rows of Delta tables, as another implementation reads them back.

mod commits;
mod overwrite;
mod replace;

use std::path::Path;

use serde_json::Value;
use weir::prelude::*;
use weir::{DataFrame, DataFrameWriter};
use weir_tests::files::TempLake;
use weir_tests::python::{Python, python_or_skip};

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

/// What most of these tests need: the other reader, and a table of [`days`] in a lake, beside the session that wrote it.
async fn days_or_skip() -> Option<(Python, TempLake, String, Session)> {
    let python = python_or_skip().await?;
    let lake = TempLake::new();
    let table = lake.table_url("t");
    let session = session().await;
    days(&session, &table).await;
    Some((python, lake, table, session))
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
