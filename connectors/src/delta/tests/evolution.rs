//! Rows whose columns are not the table's.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StructArray};
use arrow::datatypes::{DataType, Field};
use serde_json::json;
use weir_plan::{ErrorKind, QueryId, StreamSink as _};

use super::support::{Place, batch, commit, drain, people, strings, write};

fn with_city(id: i64) -> arrow::array::RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![id]))),
        ("city", strings(&[Some("Bern")])),
    ])
}

#[tokio::test]
async fn new_column_needs_merge_schema() {
    let place = Place::new();
    let query = QueryId::random();
    drain(&place.sink(), query, 0, people(&[1])).await.unwrap();
    let error = place
        .sink()
        .open(query, with_city(2).schema())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let text = error.to_string();
    assert!(
        text.contains("city (string)") && text.contains("mergeSchema to true"),
        "{text}"
    );

    let merging = place.sink_with(&[], &[("mergeSchema", "true")]);
    drain(&merging, query, 1, with_city(2)).await.unwrap();
    drain(&merging, query, 2, with_city(3)).await.unwrap();
    assert_eq!(
        place
            .query("select id, name, city from t order by id")
            .await,
        "1|name 1|\n2||Bern\n3||Bern"
    );
    assert_eq!(
        place
            .query_with("select * from t", &[("versionAsOf", "0")])
            .await
            .unwrap(),
        "1|name 1"
    );
}

#[tokio::test]
async fn column_the_rows_lack_is_null() {
    let place = Place::new();
    let query = QueryId::random();
    drain(&place.sink(), query, 0, people(&[1])).await.unwrap();
    let narrow = people(&[2]).project(&[0]).unwrap();
    drain(&place.sink(), query, 1, narrow).await.unwrap();
    assert_eq!(
        place.query("select id from t where name is null").await,
        "2"
    );
}

#[tokio::test]
async fn changed_type_is_refused_even_with_merge_schema() {
    let place = Place::new();
    let query = QueryId::random();
    drain(&place.sink(), query, 0, people(&[1])).await.unwrap();
    let changed = batch(vec![("id", strings(&[Some("x")]))]);
    let sink = place.sink_with(&[], &[("mergeSchema", "true")]);
    let error = sink.open(query, changed.schema()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("\"id\" is long") && text.contains("string in the rows"),
        "{text}"
    );
}

#[tokio::test]
async fn new_field_of_a_struct_is_merged() {
    let place = Place::new();
    let query = QueryId::random();
    let person = |fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields
            .iter()
            .map(|&(name, text)| {
                let field = Arc::new(Field::new(name, DataType::Utf8, true));
                (field, strings(&[Some(text)]))
            })
            .collect();
        batch(vec![("p", Arc::new(StructArray::from(fields)) as ArrayRef)])
    };
    drain(&place.sink(), query, 0, person(&[("a", "1")]))
        .await
        .unwrap();
    let wider = person(&[("b", "2"), ("a", "3")]);
    let error = place.sink().open(query, wider.schema()).await.unwrap_err();
    assert!(error.to_string().contains("p.b (string)"), "{error}");
    let merging = place.sink_with(&[], &[("mergeSchema", "true")]);
    drain(&merging, query, 1, wider).await.unwrap();
    assert_eq!(
        place.query("select p['a'], p['b'] from t order by 1").await,
        "1|\n3|2"
    );
}

#[tokio::test]
async fn two_queries_adding_columns_at_once_both_land() {
    let place = Place::new();
    drain(&place.sink(), QueryId::random(), 0, people(&[1]))
        .await
        .unwrap();
    let options = [("mergeSchema", "true")];
    let (one, two) = (
        place.sink_with(&[], &options),
        place.sink_with(&[], &options),
    );
    let towns = batch(vec![("town", strings(&[Some("Genf")]))]);
    let first = write(&one, &[vec![with_city(2)]]).await.unwrap();
    let second = write(&two, &[vec![towns]]).await.unwrap();
    commit(&one, QueryId::random(), 0, &first).await.unwrap();
    commit(&two, QueryId::random(), 0, &second).await.unwrap();
    assert_eq!(
        place
            .query("select id, name, city, town from t order by id")
            .await,
        "1|name 1||\n2||Bern|\n|||Genf"
    );
}

#[tokio::test]
async fn column_dropped_by_another_writer_before_the_commit_is_noticed() {
    let place = Place::new();
    let query = QueryId::random();
    let sink = place.sink();
    drain(&sink, query, 0, people(&[1])).await.unwrap();
    let written = write(&sink, &[vec![people(&[2])]]).await.unwrap();
    // Another engine replaces the schema.
    let meta = json!({"metaData": {
        "id": "other", "format": {"provider": "parquet", "options": {}},
        "schemaString": json!({"type": "struct", "fields": [
            {"name": "id", "type": "long", "nullable": true, "metadata": {}}]}).to_string(),
        "partitionColumns": [], "configuration": {}}});
    let id = place.log(0).into_iter().find_map(|action| match action {
        deltalake::kernel::Action::Metadata(metadata) => Some(metadata.id().to_owned()),
        _ => None,
    });
    let mut meta = meta;
    meta["metaData"]["id"] = json!(id.unwrap());
    place.write_log(1, &[meta]);
    let error = commit(&sink, query, 1, &written).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    assert!(error.to_string().contains("name (string)"), "{error}");
}
