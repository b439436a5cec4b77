//! What write tasks leave on disk and report.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::prelude::{SessionConfig, SessionContext};
use deltalake::kernel::Action;
use futures::StreamExt as _;
use weir_plan::{QueryId, StreamSink as _};

use super::support::{Place, batch, commit, drain, people, run, write, write_plan};

#[tokio::test]
async fn each_task_reports_at_least_one_row_and_its_files_add_up() {
    let place = Place::new();
    let sink = place.sink();
    let plan = write_plan(
        &sink,
        &[vec![people(&[1, 2])], vec![people(&[])], vec![people(&[3])]],
    )
    .await
    .unwrap();
    let written = run(Arc::clone(&plan), Arc::new(TaskContext::default()))
        .await
        .unwrap();
    assert_eq!((written.files.len(), written.rows), (2, 3));
    let metrics = plan.metrics().unwrap();
    assert_eq!(metrics.sum_by_name("rows_written").unwrap().as_usize(), 3);
    assert_eq!(
        metrics.sum_by_name("bytes_written").unwrap().as_usize() as u64,
        written.bytes
    );
    assert_eq!(place.files_on_disk(), 2);
}

#[tokio::test]
async fn every_attempt_writes_files_of_its_own() {
    let place = Place::new();
    let sink = place.sink();
    let plan = write_plan(&sink, &[vec![people(&[1])]]).await.unwrap();
    let first = run(Arc::clone(&plan), Arc::default()).await.unwrap();
    let second = run(plan, Arc::default()).await.unwrap();
    assert_ne!(first.files, second.files);
    assert_eq!(place.files_on_disk(), 2);
    commit(&sink, QueryId::random(), 0, &second).await.unwrap();
    assert_eq!(place.query("select count(*) from t").await, "1");
}

#[tokio::test]
async fn statistics_of_files_reach_the_log() {
    let place = Place::new();
    drain(&place.sink(), QueryId::random(), 0, people(&[3, 1, 2]))
        .await
        .unwrap();
    let add = place.log(0).into_iter().find_map(|action| match action {
        Action::Add(add) => Some(add),
        _ => None,
    });
    let stats: serde_json::Value = serde_json::from_str(&add.unwrap().stats.unwrap()).unwrap();
    assert_eq!(stats["numRecords"], 3);
    assert_eq!(stats["minValues"]["id"], 1);
    assert_eq!(stats["maxValues"]["name"], "name 3");
    assert_eq!(stats["nullCount"]["id"], 0);
}

fn noise(rows: usize) -> RecordBatch {
    let texts: StringArray = (0..rows)
        .map(|_| Some(uuid::Uuid::new_v4().to_string().repeat(4)))
        .collect();
    let ids: Int64Array = (0..rows as i64).collect();
    batch(vec![("id", Arc::new(ids)), ("text", Arc::new(texts))])
}

#[tokio::test]
async fn target_file_size_splits_a_tasks_rows() {
    let place = Place::new();
    let sink = place.sink_with(&[], &[("targetFileSize", "1MB")]);
    let written = write(&sink, &[vec![noise(30_000), noise(30_000)]])
        .await
        .unwrap();
    assert!(written.files.len() > 2, "{} files", written.files.len());
    commit(&sink, QueryId::random(), 0, &written).await.unwrap();
    assert_eq!(place.query("select count(*) from t").await, "60000");
}

#[tokio::test]
async fn short_memory_makes_smaller_files_and_loses_nothing() {
    let place = Place::new();
    let sink = place.sink();
    let rows: Vec<_> = (0..12).map(|_| noise(8_192)).collect();
    let plan = write_plan(&sink, &[rows]).await.unwrap();
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(4 << 20, 1.0)
        .build_arc()
        .unwrap();
    let session = SessionContext::new_with_config_rt(SessionConfig::new(), runtime);
    let written = run(plan, session.task_ctx()).await.unwrap();
    assert!(written.files.len() > 2, "{} files", written.files.len());
    assert_eq!(written.rows, 12 * 8_192);
}

#[tokio::test]
async fn dropped_or_failed_task_leaves_nothing_readable() {
    let place = Place::new();
    let sink = place.sink();
    drain(&sink, QueryId::random(), 0, people(&[1]))
        .await
        .unwrap();
    let plan = write_plan(&sink, &[vec![people(&[2]), people(&[3])]])
        .await
        .unwrap();
    let mut streams = execute_stream_partitioned(plan, Arc::default()).unwrap();
    // Polled once, then dropped.
    let _ = futures::poll!(streams[0].next());
    drop(streams);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(place.query("select id from t").await, "1");
    assert_eq!(sink.latest_version().await.unwrap(), Some(0));
}

#[tokio::test]
async fn hash_distribution_writes_each_partition_value_in_one_task() {
    let place = Place::new();
    let sink = place.sink_with(&["day"], &[("distributionMode", "hash")]);
    let days: StringArray = (0..400)
        .map(|row| Some(format!("day {}", row % 8)))
        .collect();
    let ids: Int64Array = (0..400).collect();
    let rows = batch(vec![("id", Arc::new(ids)), ("day", Arc::new(days))]);
    let partitions: Vec<_> = (0..4)
        .map(|part| vec![rows.slice(part * 100, 100)])
        .collect();
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4));
    let plan = write_plan(&sink, &partitions).await.unwrap();
    let plan = session
        .state()
        .physical_optimizers()
        .iter()
        .fold(plan, |plan, rule| {
            rule.optimize(plan, session.state().config_options())
                .unwrap()
        });
    let written = run(plan, session.task_ctx()).await.unwrap();
    assert_eq!(written.files.len(), 8, "one file per partition value");
    commit(&sink, QueryId::random(), 0, &written).await.unwrap();
    assert_eq!(place.query("select count(*) from t").await, "400");

    // Without it, each task writes its own file of each value.
    let plain = place.sink();
    assert_eq!(write(&plain, &partitions).await.unwrap().files.len(), 32);
}

#[tokio::test]
async fn column_order_and_case_of_the_rows_do_not_matter() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    drain(&sink, query, 0, people(&[1])).await.unwrap();
    let turned = batch(vec![
        ("NAME", super::support::strings(&[Some("two")])),
        ("Id", Arc::new(Int64Array::from(vec![2]))),
    ]);
    drain(&sink, query, 1, turned).await.unwrap();
    assert_eq!(
        place.query("select id, name from t order by id").await,
        "1|name 1\n2|two"
    );
}

#[tokio::test]
async fn manifest_rows_carry_task_partition_and_attempt() {
    let place = Place::new();
    let plan = write_plan(&place.sink(), &[vec![people(&[1])], vec![people(&[2])]])
        .await
        .unwrap();
    let streams = execute_stream_partitioned(plan, Arc::default()).unwrap();
    for (number, stream) in streams.into_iter().enumerate() {
        let rows: Vec<_> = stream.collect::<Vec<_>>().await;
        let manifest = rows[0].as_ref().unwrap();
        let numbers = ["task", "tasks", "partition", "partitions"].map(|name| {
            let column = manifest.column_by_name(name).unwrap();
            column
                .as_primitive::<arrow::datatypes::UInt32Type>()
                .value(0) as usize
        });
        assert_eq!(numbers, [0, 1, number, 2]);
        let attempt = manifest.column_by_name("attempt").unwrap();
        assert!(uuid::Uuid::parse_str(attempt.as_string::<i32>().value(0)).is_ok());
    }
}
