//! A write that tells its rows apart: on its way to an executor, its two kinds of files, the letters' commit.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray,
    StringBuilder, StructArray, new_null_array,
};
use arrow::datatypes::{Field, Schema};
use datafusion::physical_plan::ExecutionPlan;
use weir_plan::dead_letters::{
    Action, Diversion, ErrorType, LETTER, LETTER_COLUMNS, LetterRule, letters_schema,
};
use weir_plan::{BatchId, NodeCodec as _, QueryId, StreamSink as _, Written};

use super::support::{Place, commit, people, run, source};
use crate::dead_letters::DeadLetter;
use crate::delta::DeltaWriteCodec;

/// People with their letters: those with an odd id break rule `even`.
fn lettered(ids: &[i64]) -> RecordBatch {
    let rows = people(ids);
    let count = ids.len();
    let mut broken = ListBuilder::new(StringBuilder::new());
    for id in ids {
        if id % 2 == 1 {
            broken.values().append_value("even");
        }
        broken.append(true);
    }
    let value = |id: &i64| id.to_string().into_bytes();
    let values: Vec<Vec<u8>> = ids.iter().map(value).collect();
    let own: Vec<(&str, ArrayRef)> = vec![
        ("topic", Arc::new(StringArray::from(vec!["t"; count]))),
        ("partition", Arc::new(Int32Array::from(vec![3; count]))),
        ("offset", Arc::new(Int64Array::from(ids.to_vec()))),
        ("value", Arc::new(BinaryArray::from_iter_values(values))),
    ];
    let record = letters_schema().fields()[..7].to_vec();
    let columns = record.iter().map(|field| {
        let own = own.iter().find(|(name, _)| name == field.name());
        own.map_or_else(
            || new_null_array(field.data_type(), count),
            |(_, column)| Arc::clone(column),
        )
    });
    let record = StructArray::new(record.clone().into(), columns.collect(), None);
    let broken = broken.finish();
    let parts = [
        ("record", Arc::new(record) as ArrayRef),
        ("broken", Arc::new(broken)),
    ];
    let fields: Vec<Field> = parts
        .iter()
        .map(|(name, part)| Field::new(*name, part.data_type().clone(), true))
        .collect();
    let parts = parts.into_iter().map(|(_, part)| part).collect();
    let letter: ArrayRef = Arc::new(StructArray::new(fields.into(), parts, None));
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(
        LETTER,
        letter.data_type().clone(),
        false,
    )));
    let columns = rows.columns().iter().cloned().chain([letter]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn diversion() -> Diversion {
    Diversion {
        rules: vec![LetterRule {
            name: "even".to_owned(),
            action: Action::Quarantine,
            error_type: ErrorType::SemanticError,
            reason: "an odd one".to_owned(),
        }],
        query_id: QueryId::random(),
        batch_id: BatchId(4),
        timestamp_ms: 1_000,
    }
}

async fn plan(rows: &Place, letters: Option<&Place>, batch: RecordBatch) -> Arc<dyn ExecutionPlan> {
    let schema = batch.schema();
    let letters = match letters {
        None => None,
        Some(letters) => {
            let step = letters.sink().write_step(letters_schema()).await;
            Some(step.unwrap())
        }
    };
    let sink = rows.sink();
    let step = sink.diverting_step(Arc::clone(&schema), diversion(), letters);
    let step = step.await.unwrap();
    step.create_exec(source(&[vec![batch]], schema)).unwrap()
}

#[tokio::test]
async fn rows_and_letters_are_files_of_two_tables_each_committed_by_itself() {
    let (rows, letters) = (Place::new(), Place::new());
    let there = plan(&rows, Some(&letters), lettered(&[1, 2, 3, 4, 6])).await;
    let payload = DeltaWriteCodec.encode(there.as_ref()).unwrap().unwrap();
    let inputs: Vec<_> = there.children().into_iter().cloned().collect();
    let there = DeltaWriteCodec.decode(&payload, &inputs).unwrap();
    assert_eq!(
        DeltaWriteCodec.encode(there.as_ref()).unwrap().unwrap(),
        payload
    );

    let written = run(Arc::clone(&there), Arc::default()).await.unwrap();
    assert_eq!((written.rows, written.files.len()), (3, 1));
    let diverted = written.diverted.clone().unwrap();
    assert_eq!((diverted.rows, diverted.files.len()), (2, 1));
    assert_eq!(
        (diverted.counts.rows, diverted.counts.rules["even"].failed),
        (5, 2)
    );
    let metric = |name| {
        there
            .metrics()
            .unwrap()
            .sum_by_name(name)
            .unwrap()
            .as_usize()
    };
    assert_eq!(
        (
            metric("rows_written"),
            metric("dead_letters"),
            metric("rows_dropped")
        ),
        (3, 2, 0)
    );

    let query = QueryId::random();
    let of_letters = Written {
        files: diverted.files,
        rows: diverted.rows,
        bytes: diverted.bytes,
        diverted: None,
    };
    // What is to be committed can be read before.
    use futures::TryStreamExt as _;
    let sink = letters.sink();
    let read: Vec<RecordBatch> = sink
        .read_written(&of_letters)
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let read = DeadLetter::of_rows(&read[0]).unwrap();
    assert_eq!(
        (read[0].offset, read[0].partition, read[0].batch_id),
        (1, 3, 4)
    );
    assert_eq!(read[1].value.as_deref(), Some(&b"3"[..]));
    assert_eq!(read[1].error_message, "an odd one");
    for _ in 0..2 {
        commit(&letters.sink(), query, 4, &of_letters)
            .await
            .unwrap();
        commit(&rows.sink(), query, 4, &written).await.unwrap();
    }
    assert_eq!(rows.query("select id from t order by id").await, "2\n4\n6");
    assert_eq!(
        letters
            .query("select offset, rule, error_type, batch_id from t order by offset")
            .await,
        "1|even|SEMANTIC_ERROR|4\n3|even|SEMANTIC_ERROR|4"
    );
    sink.delete_staged().await.unwrap();
    sink.delete_staged().await.unwrap();
    let error = sink
        .read_written(&of_letters)
        .unwrap()
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
}

#[tokio::test]
async fn columns_of_letters_are_not_columns_of_the_table() {
    let (rows, letters) = (Place::new(), Place::new());
    let there = plan(&rows, Some(&letters), lettered(&[2])).await;
    let written = run(there, Arc::default()).await.unwrap();
    assert_eq!(
        written.diverted.as_ref().unwrap().files,
        Vec::<String>::new()
    );
    commit(&rows.sink(), QueryId::random(), 0, &written)
        .await
        .unwrap();
    assert_eq!(rows.query("select * from t").await, "2|name 2");
    assert_eq!(LETTER_COLUMNS.len(), letters_schema().fields().len());
}

#[tokio::test]
async fn letter_without_a_place_is_an_error_and_no_loss() {
    let rows = Place::new();
    let there = plan(&rows, None, lettered(&[1])).await;
    let error = run(there, Arc::default()).await.unwrap_err();
    assert!(error.to_string().contains("no place"), "{error}");
    let lacking = people(&[1]);
    let sink = rows.sink();
    let step = sink.diverting_step(lacking.schema(), diversion(), None);
    let error = step.await.unwrap_err();
    assert!(error.to_string().contains(LETTER), "{error}");
}
