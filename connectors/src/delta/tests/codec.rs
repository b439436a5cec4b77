//! The write node on its way to an executor.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use weir_plan::{NodeCodec as _, QueryId};

use super::support::{Place, commit, people, run, source, write_plan};
use crate::delta::row_check::{CHECK_COLUMN, RowCheck, Rule};
use crate::delta::spec::WriteSpec;
use crate::delta::{DeltaWriteCodec, DeltaWriteExec};

async fn sent(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let payload = DeltaWriteCodec.encode(plan.as_ref()).unwrap().unwrap();
    let inputs: Vec<_> = plan.children().into_iter().cloned().collect();
    let back = DeltaWriteCodec.decode(&payload, &inputs).unwrap();
    assert_eq!(
        DeltaWriteCodec.encode(back.as_ref()).unwrap().unwrap(),
        payload
    );
    assert_eq!(
        displayable(back.as_ref()).indent(true).to_string(),
        displayable(plan.as_ref()).indent(true).to_string()
    );
    back
}

#[tokio::test]
async fn node_arrives_as_it_was_sent_and_writes() {
    let place = Place::new();
    let options = [
        ("targetFileSize", "2MB"),
        ("compression", "zstd"),
        ("distributionMode", "hash"),
    ];
    let sink = place.sink_with(&["name"], &options);
    let plan = write_plan(&sink, &[vec![people(&[1, 2])]]).await.unwrap();
    let there = sent(&plan).await;
    let written = run(there, Arc::default()).await.unwrap();
    commit(&sink, QueryId::random(), 0, &written).await.unwrap();
    assert_eq!(
        place.query("select id, name from t order by id").await,
        "1|name 1\n2|name 2"
    );
}

#[tokio::test]
async fn other_nodes_and_damaged_bytes_are_not_taken() {
    let other = source(&[vec![people(&[1])]], people(&[]).schema());
    assert!(DeltaWriteCodec.encode(other.as_ref()).unwrap().is_none());
    assert!(
        DeltaWriteCodec
            .decode(b"\xff\xff", &[Arc::clone(&other)])
            .is_err()
    );
    assert!(DeltaWriteCodec.decode(b"", &[other]).is_err());
    assert!(DeltaWriteCodec.decode(b"", &[]).is_err());
}

#[tokio::test]
async fn node_with_a_row_check_arrives_as_it_was_sent() {
    let place = Place::new();
    let sink = place.sink();
    let rows = people(&[1, 2]);
    let mut spec = sink.spec(&rows.schema(), None).unwrap();
    spec.row_check = Some(RowCheck {
        rule: Rule::AllMustMatch,
        predicate: "id < 2".to_owned(),
        columns: vec!["id".to_owned()],
    });
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(BooleanArray::from(vec![true, false])));
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(CHECK_COLUMN, DataType::Boolean, true)));
    let schema = Arc::new(Schema::new(fields));
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let input = source(&[vec![rows]], schema);
    let plan = |spec: &WriteSpec| -> Arc<dyn ExecutionPlan> {
        let spec = Arc::new(spec.clone());
        Arc::new(DeltaWriteExec::try_new(spec, Arc::clone(&input)).unwrap())
    };
    let there = sent(&plan(&spec)).await;
    let error = run(there, Arc::default()).await.unwrap_err();
    assert!(error.to_string().contains("id = 2"), "{error}");
    spec.row_check.as_mut().unwrap().rule = Rule::NotMatching;
    let there = sent(&plan(&spec)).await;
    assert_eq!(run(there, Arc::default()).await.unwrap().rows, 1);

    let lacking = source(&[vec![people(&[1])]], people(&[]).schema());
    let error = DeltaWriteExec::try_new(Arc::new(spec), lacking).unwrap_err();
    assert!(error.to_string().contains(CHECK_COLUMN), "{error}");
}
