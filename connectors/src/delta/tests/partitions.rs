//! Partition values: what is written is what is read.

use std::sync::Arc;

use arrow::array::{
    Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use weir_plan::{ErrorKind, QueryId, StreamSink as _};

use super::support::{Place, batch, drain, people, strings};

/// Partition values of every supported kind, nulls and unpleasant characters among them.
pub(super) fn awkward() -> RecordBatch {
    let texts = [
        Some("plain"),
        Some("a b/c=d%e"),
        Some("umlaut ü 漢字 🦀"),
        Some("q'uo\"te:+&?#\\*"),
        Some("%2F"),
        None,
        Some(".."),
        Some(" spaces "),
    ];
    let rows = texts.len() as i64;
    let times: TimestampMicrosecondArray = (0..rows)
        .map(|row| (row != 3).then_some(1_700_000_000_123_456 + row))
        .collect();
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter(0..rows))),
        ("text", strings(&texts)),
        (
            "day",
            Arc::new(Date32Array::from_iter(
                (0..8).map(|row| (row != 2).then_some(19_000 + row)),
            )),
        ),
        (
            "number",
            Arc::new(Int32Array::from_iter(
                (0..8).map(|row| (row != 1).then_some(row - 4)),
            )),
        ),
        ("time", Arc::new(times.with_timezone("UTC"))),
    ])
}

#[tokio::test]
async fn awkward_values_of_every_kind_are_read_back() {
    let place = Place::new();
    let sink = place.sink_with(&["text", "day", "number", "time"], &[]);
    drain(&sink, QueryId::random(), 0, awkward()).await.unwrap();
    let columns = "id, '<' || text || '>', day, number, cast(time as bigint)";
    let expected = "\
        0|<plain>|2022-01-08|-4|1700000000123456\n\
        1|<a b/c=d%e>|2022-01-09||1700000000123457\n\
        2|<umlaut ü 漢字 🦀>||-2|1700000000123458\n\
        3|<q'uo\"te:+&?#\\*>|2022-01-11|-1|\n\
        4|<%2F>|2022-01-12|0|1700000000123460\n\
        5||2022-01-13|1|1700000000123461\n\
        6|<..>|2022-01-14|2|1700000000123462\n\
        7|< spaces >|2022-01-15|3|1700000000123463";
    assert_eq!(
        place
            .query(&format!("select {columns} from t order by id"))
            .await,
        expected
    );
    assert_eq!(
        place
            .query("select id from t where text = 'a b/c=d%e'")
            .await,
        "1"
    );
    assert_eq!(
        place.query("select id from t where text is null").await,
        "5"
    );
    let time = "timestamp '2023-11-14T22:13:20.123456Z'";
    assert_eq!(
        place
            .query(&format!("select id from t where time = {time}"))
            .await,
        "0"
    );
}

#[tokio::test]
async fn timestamp_partition_values_name_their_zone() {
    let place = Place::new();
    let times =
        TimestampMicrosecondArray::from(vec![1_700_000_000_000_000]).with_timezone("+05:30");
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1]))),
        ("time", Arc::new(times)),
    ]);
    drain(&place.sink_with(&["time"], &[]), QueryId::random(), 0, rows)
        .await
        .unwrap();
    let log =
        std::fs::read_to_string(format!("{}/_delta_log/{:020}.json", place.path(), 0)).unwrap();
    assert!(
        log.contains(r#""time":"2023-11-14T22:13:20.000000Z""#),
        "{log}"
    );
}

#[tokio::test]
async fn empty_string_partition_value_is_stored_as_null() {
    let place = Place::new();
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("text", strings(&[Some(""), None, Some("x")])),
    ]);
    drain(&place.sink_with(&["text"], &[]), QueryId::random(), 0, rows)
        .await
        .unwrap();
    assert_eq!(
        place
            .query("select count(*) from t where text is null")
            .await,
        "2"
    );
    assert_eq!(
        place.query("select count(*) from t where text = ''").await,
        "0"
    );
    assert_eq!(place.files_on_disk(), 2);
}

#[tokio::test]
async fn values_without_a_text_form_are_refused_naming_the_column() {
    let place = Place::new();
    let null_mark = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1]))),
        ("p", strings(&[Some("__HIVE_DEFAULT_PARTITION__")])),
    ]);
    let far_day = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1]))),
        ("p", Arc::new(Date32Array::from(vec![i32::MAX]))),
    ]);
    let far_time = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1]))),
        (
            "p",
            Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN]).with_timezone("UTC")),
        ),
    ]);
    for rows in [null_mark, far_day, far_time] {
        let sink = place.sink_with(&["p"], &[]);
        let error = drain(&sink, QueryId::random(), 0, rows).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
        assert!(
            error.to_string().contains("partition column \"p\""),
            "{error}"
        );
    }
}

#[tokio::test]
async fn unfit_partition_columns_are_refused() {
    let place = Place::new();
    for (columns, expected) in [
        (&["nme"][..], "\"nme\" of delta table"),
        (&["id", "ID"], "given twice"),
        (&["id", "name"], "all of its columns"),
    ] {
        let sink = place.sink_with(columns, &[]);
        let error = sink
            .open(QueryId::random(), people(&[]).schema())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn tables_own_partitioning_is_used_or_contradicted_by_name() {
    let place = Place::new();
    let query = QueryId::random();
    drain(&place.sink_with(&["name"], &[]), query, 0, people(&[1]))
        .await
        .unwrap();
    drain(&place.sink(), query, 1, people(&[2])).await.unwrap();
    assert!(
        std::path::Path::new(&place.path())
            .join("name=name%202")
            .is_dir()
    );

    let other = place.sink_with(&["id"], &[]);
    let error = other.open(query, people(&[]).schema()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let text = error.to_string();
    assert!(text.contains("[name]") && text.contains("[id]"), "{text}");
}

#[tokio::test]
async fn many_values_in_one_task_get_a_file_each() {
    let place = Place::new();
    let values: StringArray = (0..300)
        .map(|row| Some(format!("v{}", row % 100)))
        .collect();
    let ids: Int64Array = (0..300).collect();
    let rows = batch(vec![("id", Arc::new(ids)), ("p", Arc::new(values))]);
    drain(&place.sink_with(&["p"], &[]), QueryId::random(), 0, rows)
        .await
        .unwrap();
    assert_eq!(place.files_on_disk(), 100);
    assert_eq!(
        place.query("select count(*), sum(id) from t").await,
        "300|44850"
    );
}
