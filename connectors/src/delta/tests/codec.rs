//! The write node on its way to an executor.

use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};
use weir_plan::{NodeCodec as _, QueryId};

use super::support::{Place, commit, people, run, source, write_plan};
use crate::delta::DeltaWriteCodec;

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
