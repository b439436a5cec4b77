//! Arrow types on their way into a table.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date64Array, Decimal128Array, DictionaryArray,
    FixedSizeListArray, Float32Array, Int8Array, Int32Array, Int64Array, LargeListArray,
    LargeStringArray, ListArray, MapBuilder, StringBuilder, StringViewArray, StructArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalUnit, Schema};
use weir_plan::{ErrorKind, QueryId, StreamSink as _};

use super::support::{Place, batch, drain, strings};

fn map_of_strings() -> ArrayRef {
    // The builder's own names of a map's entries are not Delta's.
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).unwrap();
    Arc::new(map.finish())
}

#[tokio::test]
async fn views_dictionaries_and_large_and_nested_types_are_read_back_plain() {
    let place = Place::new();
    let dictionary: DictionaryArray<Int32Type> = [Some("d")].into_iter().collect();
    let nested = StructArray::from(vec![(
        Arc::new(Field::new("inner", DataType::Utf8View, true)),
        Arc::new(StringViewArray::from(vec![Some("in")])) as ArrayRef,
    )]);
    let list = || Some(vec![Some(1), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("view", Arc::new(StringViewArray::from(vec![Some("s")]))),
        ("large", Arc::new(LargeStringArray::from(vec![Some("l")]))),
        ("dict", Arc::new(dictionary)),
        (
            "bytes",
            Arc::new(BinaryViewArray::from(vec![Some(b"b" as &[u8])])),
        ),
        ("date64", Arc::new(Date64Array::from(vec![86_400_000]))),
        (
            "nanos",
            Arc::new(TimestampNanosecondArray::from(vec![1_999]).with_timezone("UTC")),
        ),
        (
            "millis",
            Arc::new(TimestampMillisecondArray::from(vec![5]).with_timezone("+01:00")),
        ),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from(vec![12_345])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        (
            "list",
            Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>([
                list(),
            ])),
        ),
        (
            "fixed",
            Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
                [list()],
                2,
            )),
        ),
        ("nested", Arc::new(nested)),
        ("map", map_of_strings()),
        ("bool", Arc::new(BooleanArray::from(vec![true]))),
    ];
    drain(&place.sink(), QueryId::random(), 0, batch(columns))
        .await
        .unwrap();
    let query = "select view, large, dict, cast(bytes as varchar), date64, \
                 cast(nanos as bigint), cast(millis as bigint), decimal, list, fixed, \
                 get_field(nested, 'inner'), map, bool from t";
    assert_eq!(
        place.query(query).await,
        "s|l|d|b|1970-01-02|1|5000|123.45|[1, ]|[1, ]|in|{k: v}|true"
    );
}

#[tokio::test]
async fn rows_are_found_by_decimals_that_a_float_does_not_hold() {
    let place = Place::new();
    let decimals = |values: Vec<i128>| -> ArrayRef {
        let values = Decimal128Array::from(values);
        Arc::new(values.with_precision_and_scale(18, 2).unwrap())
    };
    let columns = vec![
        ("d", decimals(vec![9_007_199_254_740_993])),
        ("e", decimals(vec![150])),
    ];
    drain(&place.sink(), QueryId::random(), 0, batch(columns))
        .await
        .unwrap();
    let query = "select d from t where d = cast('90071992547409.93' as decimal(18, 2))";
    assert_eq!(place.query(query).await, "90071992547409.93");
    let log = std::fs::read_to_string(format!(
        "{}/_delta_log/00000000000000000000.json",
        place.path()
    ));
    let log = log.unwrap();
    for bounds in [r#"minValues\":{\"e\":1.5}"#, r#"maxValues\":{\"e\":1.5}"#] {
        assert!(log.contains(bounds), "{log}");
    }
}

#[tokio::test]
async fn narrower_numbers_fit_wider_columns_and_not_the_reverse() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    let wide = batch(vec![
        ("n", Arc::new(Int64Array::from(vec![1]))),
        ("f", Arc::new(arrow::array::Float64Array::from(vec![1.0]))),
    ]);
    let narrow = batch(vec![
        ("n", Arc::new(Int8Array::from(vec![2]))),
        ("f", Arc::new(Float32Array::from(vec![2.5]))),
    ]);
    drain(&sink, query, 0, wide.clone()).await.unwrap();
    drain(&sink, query, 1, narrow.clone()).await.unwrap();
    assert_eq!(
        place.query("select n, f from t order by n").await,
        "1|1.0\n2|2.5"
    );

    let other = Place::new();
    drain(&other.sink(), query, 0, narrow).await.unwrap();
    let error = drain(&other.sink(), query, 1, wide).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("cast it to byte"), "{error}");
}

#[tokio::test]
async fn types_a_table_cannot_store_are_refused_with_a_way_out() {
    let place = Place::new();
    let sink = place.sink();
    for (data_type, hint) in [
        (DataType::UInt32, "bigint"),
        (DataType::UInt64, "decimal(20, 0)"),
        (DataType::Null, "column of nulls"),
        (DataType::Float16, "float"),
        (DataType::Decimal256(50, 2), "decimal(38, s)"),
        (DataType::Decimal128(10, -2), "0 <= s"),
        (DataType::Interval(IntervalUnit::MonthDayNano), "string"),
        (
            DataType::Time64(arrow::datatypes::TimeUnit::Microsecond),
            "string",
        ),
    ] {
        let nested = DataType::List(Arc::new(Field::new("item", data_type.clone(), true)));
        for (given, path) in [(data_type, "\"c\""), (nested, "\"c.element\"")] {
            let schema = Arc::new(Schema::new(vec![Field::new("c", given, true)]));
            let error = sink.open(QueryId::random(), schema).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
            let text = error.to_string();
            assert!(text.contains(hint) && text.contains(path), "{text}");
        }
    }
}

#[tokio::test]
async fn columns_that_differ_in_case_only_are_refused() {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("ID", DataType::Int64, true),
    ]);
    let error = Place::new()
        .sink()
        .open(QueryId::random(), Arc::new(schema))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("\"id\" and \"ID\""), "{error}");
}

#[tokio::test]
async fn timestamps_without_zone_make_a_table_with_their_feature() {
    let place = Place::new();
    let rows = batch(vec![(
        "at",
        Arc::new(TimestampMillisecondArray::from(vec![1_500])),
    )]);
    drain(&place.sink(), QueryId::random(), 0, rows.clone())
        .await
        .unwrap();
    drain(&place.sink(), QueryId::random(), 0, rows)
        .await
        .unwrap();
    assert_eq!(
        place.query("select cast(at as bigint) from t").await,
        "1500000\n1500000"
    );

    let plain = Place::new();
    let query = QueryId::random();
    drain(&plain.sink(), query, 0, super::support::people(&[1]))
        .await
        .unwrap();
    let merging = plain.sink_with(&[], &[("mergeSchema", "true")]);
    let schema = Schema::new(vec![Field::new(
        "at",
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
        true,
    )]);
    let error = merging.open(query, Arc::new(schema)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("timestampNtz"), "{error}");
}

#[tokio::test]
async fn unsigned_rows_never_reach_a_file() {
    let place = Place::new();
    let rows = batch(vec![("u", Arc::new(UInt32Array::from(vec![1])))]);
    let error = drain(&place.sink(), QueryId::random(), 0, rows)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert_eq!(place.files_on_disk(), 0);
}

#[tokio::test]
async fn deep_lists_with_gaps_and_empties_survive() {
    let place = Place::new();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        None,
        Some(vec![]),
        Some(vec![None]),
    ]);
    let rows = batch(vec![
        ("id", Arc::new(Int32Array::from(vec![0, 1, 2, 3]))),
        ("list", Arc::new(lists)),
        ("text", strings(&[None, Some(""), Some("a"), None])),
    ]);
    // Sliced: offsets do not begin at zero.
    drain(&place.sink(), QueryId::random(), 0, rows.slice(1, 3))
        .await
        .unwrap();
    assert_eq!(
        place
            .query("select id, list, text is null from t order by id")
            .await,
        "1||false\n2|[]|false\n3|[]|true"
    );
}
