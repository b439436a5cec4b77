//! Weir's Kafka source alone: all of its columns as Arrow batches, which are counted and dropped.

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Int64Type;
use futures::StreamExt as _;
use weir::datafusion::physical_plan::execute_stream_partitioned;
use weir::prelude::*;

use crate::drain::arguments::Source;
use crate::drain::expected::Counted;

/// Reads the topic whole and prints what was counted as JSON.
///
/// # Errors
/// The source's.
pub async fn run(source: &Source, max_records: Option<u64>) -> weir::Result<()> {
    let session = Session::builder().get_or_create().await?;
    let mut reader = session
        .read()
        .format("kafka")
        .option("kafka.bootstrap.servers", &source.bootstrap)
        .option("subscribe", &source.topic);
    if let Some(max) = max_records {
        reader = reader.option("maxRecordsPerPartition", max);
    }
    let rows = reader.load().await?.into_datafusion();
    let context = std::sync::Arc::new(rows.task_ctx());
    let plan = rows.create_physical_plan().await?;
    let tasks: Vec<_> = execute_stream_partitioned(plan, context)?
        .into_iter()
        .map(|mut batches| {
            tokio::spawn(async move {
                let mut counted = Counted::default();
                while let Some(batch) = batches.next().await {
                    let batch = batch?;
                    let values = batch.column_by_name("value").expect("column value");
                    let offsets = batch.column_by_name("offset").expect("column offset");
                    counted.records += batch.num_rows() as u64;
                    counted.value_bytes += values.as_binary::<i32>().value_data().len() as u64;
                    let sum = arrow::compute::sum(offsets.as_primitive::<Int64Type>());
                    counted.offset_sum += sum.unwrap_or(0).unsigned_abs();
                    assert_eq!(values.null_count(), 0);
                }
                Ok::<_, weir::Error>(counted)
            })
        })
        .collect();
    let mut counted = Counted::default();
    for task in tasks {
        counted += task.await.expect("a task that ends")?;
    }
    println!(
        "{}",
        serde_json::to_string(&counted).expect("plain numbers")
    );
    Ok(())
}
