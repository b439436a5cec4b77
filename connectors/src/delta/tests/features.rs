//! Tables made by other engines, with features a writer must know.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};
use weir_plan::{ErrorKind, QueryId, StreamSink as _};

use super::support::{Place, batch, drain, people, strings};

/// A table of (id long, name string) with the given protocol, configuration and column metadata.
fn table(protocol: &Value, configuration: &Value, of_name: &Value, id_nullable: bool) -> Place {
    let place = Place::new();
    let schema = json!({"type": "struct", "fields": [
        {"name": "id", "type": "long", "nullable": id_nullable, "metadata": {}},
        {"name": "name", "type": "string", "nullable": true, "metadata": of_name},
    ]});
    let metadata = json!({"metaData": {
        "id": "a-table", "format": {"provider": "parquet", "options": {}},
        "schemaString": schema.to_string(), "partitionColumns": [],
        "configuration": configuration, "createdTime": 0}});
    place.write_log(0, &[json!({"protocol": protocol}), metadata]);
    place
}

fn features(writer: &[&str], reader: &[&str]) -> Value {
    if reader.is_empty() {
        json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": writer})
    } else {
        json!({"minReaderVersion": 3, "minWriterVersion": 7, "writerFeatures": writer,
               "readerFeatures": reader})
    }
}

async fn refused(place: &Place) -> String {
    let query = QueryId::random();
    let error = place
        .sink()
        .open(query, people(&[]).schema())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let text = error.to_string();
    assert!(text.contains(&place.path()), "{text}");
    let again = drain(&place.sink(), query, 0, people(&[1]))
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Unsupported, "{again}");
    assert_eq!(place.files_on_disk(), 0);
    text
}

#[tokio::test]
async fn features_that_cannot_be_honoured_are_refused_by_name() {
    for feature in [
        "identityColumns",
        "rowTracking",
        "domainMetadata",
        "inCommitTimestamp",
        "clustering",
        "allowColumnDefaults",
        "icebergCompatV1",
        "a-feature-of-tomorrow",
    ] {
        let place = table(&features(&[feature], &[]), &json!({}), &json!({}), true);
        let text = refused(&place).await;
        assert!(text.contains(feature), "{text}");
    }
    for feature in ["typeWidening", "variantType"] {
        let place = table(
            &features(&[feature], &[feature]),
            &json!({}),
            &json!({}),
            true,
        );
        assert!(refused(&place).await.contains(feature));
    }
}

#[tokio::test]
async fn clauses_that_rows_would_have_to_satisfy_are_refused_by_name() {
    let none = json!({});
    let version = |writer: i32| json!({"minReaderVersion": 1, "minWriterVersion": writer});
    let check = json!({"delta.constraints.positive": "id > 0"});
    let text = refused(&table(&version(3), &check, &none, true)).await;
    assert!(text.contains("CHECK constraint \"positive\""), "{text}");

    let generated = json!({"delta.generationExpression": "concat(id, 'x')"});
    let text = refused(&table(&version(4), &none, &generated, true)).await;
    assert!(
        text.contains("\"name\"") && text.contains("generated column"),
        "{text}"
    );

    let invariant = json!({"delta.invariants": "{\"expression\":{\"expression\":\"name > 'a'\"}}"});
    let text = refused(&table(&version(2), &none, &invariant, true)).await;
    assert!(text.contains("invariant"), "{text}");

    let text = refused(&table(&version(6), &none, &none, true)).await;
    assert!(text.contains("identity columns"), "{text}");
}

#[tokio::test]
async fn column_mapping_is_refused() {
    let mapped = json!({"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"});
    let place = Place::new();
    let schema = json!({"type": "struct", "fields": [
        {"name": "id", "type": "long", "nullable": true, "metadata": mapped}]});
    place.write_log(0, &[
        json!({"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}),
        json!({"metaData": {
            "id": "a-table", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema.to_string(), "partitionColumns": [],
            "configuration": {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1"},
            "createdTime": 0}}),
    ]);
    assert!(refused(&place).await.contains("column mapping"));
}

#[tokio::test]
async fn features_an_append_has_nothing_to_do_for_are_written_to() {
    let configuration = json!({"delta.appendOnly": "true", "delta.enableChangeDataFeed": "true",
                               "delta.enableDeletionVectors": "true"});
    let protocol = features(
        &[
            "appendOnly",
            "changeDataFeed",
            "deletionVectors",
            "checkConstraints",
            "generatedColumns",
            "invariants",
        ],
        &["deletionVectors"],
    );
    let place = table(&protocol, &configuration, &json!({}), true);
    drain(&place.sink(), QueryId::random(), 0, people(&[1]))
        .await
        .unwrap();
    assert_eq!(place.query("select id from t").await, "1");
}

fn required(ids: Vec<Option<i64>>) -> RecordBatch {
    let rows = ids.len();
    batch(vec![
        ("id", Arc::new(Int64Array::from(ids))),
        ("name", Arc::new(StringArray::from(vec!["n"; rows]))),
    ])
}

#[tokio::test]
async fn null_in_a_not_null_column_fails_the_write_naming_it() {
    let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 2});
    let place = table(&protocol, &json!({}), &json!({}), false);
    let query = QueryId::random();
    drain(&place.sink(), query, 0, required(vec![Some(1)]))
        .await
        .unwrap();
    let bad = required(vec![Some(2), None]);
    let error = drain(&place.sink(), query, 1, bad).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(
        error
            .to_string()
            .contains("1 of 2 rows have a null in column \"id\""),
        "{error}"
    );
    assert_eq!(place.files_on_disk(), 1);

    let lacking = batch(vec![("name", strings(&[Some("n")]))]);
    let error = place
        .sink()
        .open(query, lacking.schema())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("lack column \"id\""), "{error}");
}

#[tokio::test]
async fn tables_properties_about_files_are_followed() {
    let configuration =
        json!({"delta.dataSkippingNumIndexedCols": "1", "delta.targetFileSize": "1mb"});
    let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 2});
    let place = table(&protocol, &configuration, &json!({}), true);
    drain(&place.sink(), QueryId::random(), 0, people(&[1]))
        .await
        .unwrap();
    let log =
        std::fs::read_to_string(format!("{}/_delta_log/{:020}.json", place.path(), 1)).unwrap();
    assert!(log.contains(r#"minValues\":{\"id\":1}"#), "{log}");
    let step = place
        .sink()
        .write_step(Arc::new(Schema::new(vec![Field::new(
            "id",
            DataType::Int64,
            true,
        )])))
        .await
        .unwrap();
    let plan = step
        .create_exec(super::support::source(
            &[vec![]],
            Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)])),
        ))
        .unwrap();
    let shown = datafusion::physical_plan::displayable(plan.as_ref())
        .one_line()
        .to_string();
    assert!(shown.contains("target_file_size_bytes=1048576"), "{shown}");
}
