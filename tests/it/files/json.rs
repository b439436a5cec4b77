//! JSON lines: forms of values, inference, and lines that are no records.

use std::fs;

use serde_json::json;
use weir::prelude::*;
use weir::{DataFrame, ErrorKind};
use weir_tests::files::{TempLake, files_under};
use weir_tests::python::python_or_skip;

use super::{by_python, path, sorted, sql};
use crate::bronze::expect_parts;
use crate::stream::session;

#[tokio::test(flavor = "multi_thread")]
async fn values_are_written_in_spark_s_forms_and_nulls_left_out() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let session = session().await;
    let query = "select * from (values \
        (1, 'a\"b', true, date '2026-01-31', timestamp '2026-01-31 08:00:00.123456', \
         arrow_cast(timestamp '2026-01-31 08:00:00', 'Timestamp(Microsecond, Some(\"UTC\"))'), [1, 2], \
         named_struct('x', 1, 'y', cast(null as bigint))), \
        (2, null, null, null, null, null, null, null)) v(n, text, flag, day, ntz, at, list, nested)";
    let rows = sql(&session, query).await;
    let place = lake.table("forms");
    rows.clone().write().json(path(&place)).await.unwrap();
    let read = by_python(&python, "json", &place).await;
    let first = json!({
        "n": 1, "text": "a\"b", "flag": true, "day": "2026-01-31",
        "ntz": "2026-01-31T08:00:00.123456", "at": "2026-01-31T08:00:00.000000+00:00",
        "list": [1, 2], "nested": {"x": 1},
    });
    assert_eq!(read, [first, json!({"n": 2})]);
    let explicit = lake.table("explicit");
    let writer = rows.clone().write().option("ignoreNullFields", false);
    writer.json(path(&explicit)).await.unwrap();
    let read = by_python(&python, "json", &explicit).await;
    assert_eq!(read[1]["text"], json!(null));
    assert_eq!(read[1].as_object().unwrap().len(), 8);
    // With its schema, what was written comes back, types and all.
    let schema = rows.schema().as_arrow().clone();
    let back = session
        .read()
        .schema(schema.into())
        .json(path(&place))
        .await
        .unwrap();
    assert_eq!(sorted(back).await, sorted(rows).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_compression_is_written_and_read_by_its_suffix() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let session = session().await;
    for (codec, suffix) in [
        ("none", ".json"),
        ("gzip", ".json.gz"),
        ("bzip2", ".json.bz2"),
        ("xz", ".json.xz"),
        ("zstd", ".json.zst"),
    ] {
        let place = lake.table(codec);
        let rows = sql(&session, "select value as n from generate_series(1, 5000)").await;
        rows.write()
            .option("compression", codec)
            .json(path(&place))
            .await
            .unwrap();
        assert_eq!(files_under(&place, suffix).len(), 1, "{codec}");
        let by_python = by_python(&python, "json", &place).await;
        assert_eq!(by_python.len(), 5000, "{codec}");
        assert_eq!(by_python[4999], json!({"n": 5000}));
        let read = session.read().json(path(&place)).await.unwrap();
        let total = read.agg([sum(col("n")).alias("s")]).unwrap();
        expect_parts(&sorted(total).await, &["12502500"]);
    }
}

#[tokio::test]
async fn columns_are_inferred_from_every_line_as_spark_infers_them() {
    let lake = TempLake::new();
    let root = lake.table("inferred");
    fs::create_dir_all(&root).unwrap();
    let first =
        r#"{"z":1,"b":true,"mixed":1,"real":1,"nested":{"k":1},"none":null,"text":{"o":[1]}}"#;
    let second = r#"{"a":[1,null],"mixed":"x","real":2.5,"nested":{"l":"v"},"text":"t"}"#;
    fs::write(root.join("1.json"), format!("{first}\n\n")).unwrap();
    fs::write(root.join("2.json"), second).unwrap();
    let session = session().await;
    let read = session.read().json(path(&root)).await.unwrap();
    let columns = ["a", "b", "mixed", "nested", "none", "real", "text", "z"];
    assert_eq!(read.columns(), columns);
    let shown = sorted(
        read.select(["z", "mixed", "real", "text", "none"].map(col))
            .unwrap(),
    )
    .await;
    let expected = "\
+------+-------+------+-----------+------+
| z    | mixed | real | text      | none |
+------+-------+------+-----------+------+
| NULL | x     | 2.5  | t         | NULL |
| 1    | 1     | 1.0  | {\"o\":[1]} | NULL |
+------+-------+------+-----------+------+";
    assert_eq!(shown, expected);
    let reader = session.read().option("primitivesAsString", true);
    let strings = reader.json(path(&root)).await.unwrap();
    for name in ["b", "real", "z"] {
        let field = strings.schema().field_with_unqualified_name(name).unwrap();
        assert_eq!(field.data_type().to_string(), "Utf8");
    }
    // No column is asked for: rows are still counted.
    assert_eq!(strings.count().await.unwrap(), 2);
}

const LINES: &str = "{\"n\":1,\"t\":\"a\"}\n{\"n\":\"no number\",\"t\":\"b\"}\n{\"n\":3,\n[1]\n{\"n\":5,\"t\":\"e\"}\n";

async fn bad_lines(
    lake: &TempLake,
    session: &Session,
    mode: &str,
    corrupt: bool,
) -> weir::Result<DataFrame> {
    use weir::datafusion::arrow::datatypes::{DataType, Field, Schema};
    let root = lake.table("bad");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("lines.json"), LINES).unwrap();
    let mut fields = vec![
        Field::new("n", DataType::Int64, true),
        Field::new("t", DataType::Utf8, true),
    ];
    if corrupt {
        fields.push(Field::new("bad", DataType::Utf8, true));
    }
    let reader = session
        .read()
        .schema(Schema::new(fields).into())
        .option("mode", mode);
    reader
        .option("columnNameOfCorruptRecord", "bad")
        .json(path(&root))
        .await
}

#[tokio::test]
async fn permissive_mode_keeps_what_fits_and_the_line_that_does_not() {
    let (lake, session) = (TempLake::new(), session().await);
    let rows = bad_lines(&lake, &session, "permissive", true)
        .await
        .unwrap();
    let expected = "\
+------+------+---------------------------+
| n    | t    | bad                       |
+------+------+---------------------------+
| NULL | NULL | [1]                       |
| NULL | NULL | {\"n\":3,                   |
| NULL | b    | {\"n\":\"no number\",\"t\":\"b\"} |
| 1    | a    | NULL                      |
| 5    | e    | NULL                      |
+------+------+---------------------------+";
    assert_eq!(sorted(rows).await, expected);
    let rows = bad_lines(&lake, &session, "PERMISSIVE", false)
        .await
        .unwrap();
    assert_eq!(rows.count().await.unwrap(), 5);
    // Without a schema, the column is added when a line needs it.
    let inferred = session.read().json(path(&lake.table("bad"))).await.unwrap();
    assert_eq!(inferred.columns(), ["_corrupt_record", "n", "t"]);
}

#[tokio::test]
async fn dropmalformed_mode_leaves_out_lines_that_do_not_fit() {
    let (lake, session) = (TempLake::new(), session().await);
    let rows = bad_lines(&lake, &session, "DROPMALFORMED", false)
        .await
        .unwrap();
    let expected = "\
+---+---+
| n | t |
+---+---+
| 1 | a |
| 5 | e |
+---+---+";
    assert_eq!(sorted(rows).await, expected);
}

#[tokio::test]
async fn failfast_mode_names_the_file_and_the_line() {
    let (lake, session) = (TempLake::new(), session().await);
    let rows = bad_lines(&lake, &session, "failfast", false).await.unwrap();
    let error = rows.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compute);
    expect_parts(
        &error.to_string(),
        &["line 2", "bad/lines.json", "no number", "PERMISSIVE"],
    );
    let root = lake.table("bad");
    let reader = session.read().option("mode", "FAILFAST");
    let error = reader.json(path(&root)).await.unwrap_err();
    expect_parts(&error.to_string(), &["line 3", "bad/lines.json"]);
}

#[tokio::test]
async fn rows_of_a_file_larger_than_a_block_keep_their_line_numbers() {
    let lake = TempLake::new();
    let root = lake.table("large");
    fs::create_dir_all(&root).unwrap();
    let mut lines: String = (1..=40_000)
        .map(|n| format!("{{\"n\":{n},\"pad\":\"{:0>40}\"}}\n", n))
        .collect();
    lines.push_str("oops\n");
    fs::write(root.join("x.json"), lines).unwrap();
    let session = session().await;
    let reader = session.read().option("mode", "DROPMALFORMED");
    let read = reader.json(path(&root)).await.unwrap();
    assert_eq!(read.count().await.unwrap(), 40_000);
    let reader = session
        .read()
        .schema(read.schema().as_arrow().clone().into());
    let failing = reader
        .option("mode", "FAILFAST")
        .json(path(&root))
        .await
        .unwrap();
    let error = failing.collect().await.unwrap_err();
    expect_parts(&error.to_string(), &["line 40001", "oops"]);
    // A limit is met before the line is.
    assert_eq!(failing.take(3).await.unwrap()[0].num_rows(), 3);
}
