//! Plans over a Kafka table, without a broker: each range is read by exactly one partition of one
//! node, whatever the plan around it.

use std::collections::BTreeMap;

use datafusion::physical_plan::execution_plan::ExecutionPlanProperties;
use datafusion::prelude::{SessionConfig, SessionContext};
use weir_plan::Options;

use super::*;
use crate::kafka::config::ReadKind;
use crate::kafka::offsets::TopicPartition;

/// Two topics of eight partitions with 10,000 offsets each.
fn ranges() -> Vec<OffsetRange> {
    ["orders", "events"]
        .into_iter()
        .flat_map(|topic| {
            (0..8).map(move |number| OffsetRange {
                at: TopicPartition::new(topic, number),
                start: 100,
                end: 10_100,
            })
        })
        .collect()
}

fn session(target_partitions: usize, options: &[(&str, &str)]) -> SessionContext {
    let mut all: Options = options.iter().copied().collect();
    all.set("kafka.bootstrap.servers", "127.0.0.1:1");
    all.set("subscribe", "orders,events");
    let config = ReadConfig::try_new(ReadKind::Stream, &all).unwrap();
    let session = SessionContext::new_with_config(
        SessionConfig::new().with_target_partitions(target_partitions),
    );
    let table = KafkaTable::new(Arc::new(config), ranges());
    session.register_table("kafka", Arc::new(table)).unwrap();
    session
}

async fn plan(session: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    let frame = session.sql(sql).await.unwrap();
    frame.create_physical_plan().await.unwrap()
}

fn reads(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<Vec<Vec<OffsetRange>>>) {
    if let Some(read) = plan.downcast_ref::<KafkaReadExec>() {
        assert_eq!(
            plan.output_partitioning().partition_count(),
            read.tasks().len()
        );
        found.push(read.tasks().to_vec());
    }
    for child in plan.children() {
        reads(child, found);
    }
}

/// Asserts that `sql` has `nodes` Kafka nodes, and that each reads every offset once.
async fn each_range_is_read_once(session: &SessionContext, sql: &str, nodes: usize) {
    let plan = plan(session, sql).await;
    let mut found = Vec::new();
    reads(&plan, &mut found);
    assert_eq!(found.len(), nodes, "{sql}");
    for tasks in found {
        let mut spans: BTreeMap<TopicPartition, Vec<(i64, i64)>> = BTreeMap::new();
        for range in tasks.into_iter().flatten() {
            spans
                .entry(range.at)
                .or_default()
                .push((range.start, range.end));
        }
        assert_eq!(spans.len(), 16, "{sql}");
        for (at, mut spans) in spans {
            spans.sort_unstable();
            assert_eq!(spans.first().map(|span| span.0), Some(100), "{at}");
            assert_eq!(spans.last().map(|span| span.1), Some(10_100), "{at}");
            assert!(spans.windows(2).all(|pair| pair[0].1 == pair[1].0), "{at}");
        }
    }
}

#[tokio::test]
async fn each_range_is_one_read_with_1_and_64_target_partitions_in_every_plan() {
    for target in [1, 64] {
        for options in [
            vec![],
            vec![("minPartitions", "40")],
            vec![("maxRecordsPerPartition", "3000")],
        ] {
            let session = session(target, &options);
            for (sql, nodes) in [
                ("SELECT * FROM kafka", 1),
                ("SELECT count(*) FROM kafka", 1),
                ("SELECT * FROM kafka LIMIT 5", 1),
                ("SELECT * FROM kafka WHERE partition > 3 LIMIT 5", 1),
                ("SELECT topic, max(\"offset\") FROM kafka GROUP BY topic", 1),
                ("SELECT * FROM kafka ORDER BY \"offset\"", 1),
                (
                    "SELECT a.value FROM kafka a JOIN kafka b ON a.key = b.key",
                    2,
                ),
                (
                    "SELECT value FROM kafka UNION ALL SELECT value FROM kafka",
                    2,
                ),
                (
                    "SELECT row_number() OVER (PARTITION BY topic ORDER BY \"offset\") FROM kafka",
                    1,
                ),
            ] {
                each_range_is_read_once(&session, sql, nodes).await;
            }
        }
    }
}

#[tokio::test]
async fn tasks_follow_target_partitions_and_min_partitions() {
    for (target, options, expected) in [
        (1, vec![], 1),
        (4, vec![], 4),
        (64, vec![], 16),
        (64, vec![("minPartitions", "32")], 32),
        (64, vec![("maxRecordsPerPartition", "5000")], 32),
        (4, vec![("minPartitions", "32")], 4),
    ] {
        let session = session(target, &options);
        let plan = plan(&session, "SELECT * FROM kafka").await;
        assert_eq!(
            plan.output_partitioning().partition_count(),
            expected,
            "{target} {options:?}"
        );
    }
}

#[tokio::test]
async fn only_the_columns_asked_for_are_read() {
    let session = session(2, &[]);
    let state = session.state();
    let table = session.table_provider("kafka").await.unwrap();
    for projection in [vec![4, 1], vec![]] {
        let plan = table
            .scan(&state, Some(&projection), &[], None)
            .await
            .unwrap();
        assert_eq!(plan.schema().fields().len(), projection.len());
        let read = plan.downcast_ref::<KafkaReadExec>().unwrap();
        assert_eq!(read.projection(), projection);
    }
}

#[tokio::test]
async fn statistics_are_inexact_as_offsets_have_gaps() {
    use datafusion::physical_plan::statistics::StatisticsArgs;
    let session = session(2, &[]);
    let table = session.table_provider("kafka").await.unwrap();
    let plan = table.scan(&session.state(), None, &[], None).await.unwrap();
    let statistics = plan
        .statistics_from_inputs(&[], &StatisticsArgs::new())
        .unwrap();
    assert_eq!(
        statistics.num_rows,
        datafusion::common::stats::Precision::Inexact(160_000)
    );
}

#[tokio::test]
async fn no_ranges_are_one_empty_partition() {
    let session = session(8, &[]);
    let all: Options = [
        ("kafka.bootstrap.servers", "127.0.0.1:1"),
        ("subscribe", "orders"),
    ]
    .into_iter()
    .collect();
    let config = ReadConfig::try_new(ReadKind::Stream, &all).unwrap();
    let table = KafkaTable::new(Arc::new(config), Vec::new());
    session.register_table("nothing", Arc::new(table)).unwrap();
    // No broker listens: nothing may be asked of one.
    let batches = session
        .sql("SELECT * FROM nothing")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(
        batches
            .iter()
            .map(arrow::array::RecordBatch::num_rows)
            .sum::<usize>(),
        0
    );
}

#[tokio::test]
async fn whole_plan_with_kafka_and_delta_nodes_survives_the_journey() {
    use datafusion::physical_plan::displayable;
    use datafusion_proto::bytes::{
        physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
    };
    use weir_plan::{StreamSink as _, WeirCodec};

    let dir = tempfile::tempdir().unwrap();
    let location = dir.path().join("table").display().to_string();
    let session = session(4, &[]);
    let read = plan(
        &session,
        "SELECT topic, \"offset\", value FROM kafka WHERE partition > 3",
    )
    .await;
    let stores = crate::ObjectStores::try_new([]).unwrap();
    let by = vec!["topic".to_owned()];
    let sink = crate::delta::DeltaSink::try_new(&location, by, &Options::new(), &stores).unwrap();
    sink.open(weir_plan::QueryId::random(), read.schema())
        .await
        .unwrap();
    let write = sink.write_step(read.schema()).await.unwrap();
    let sent = write.create_exec(read).unwrap();

    let codec = WeirCodec::new(crate::node_codecs());
    let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(&sent), &codec).unwrap();
    let context = session.task_ctx();
    let back = physical_plan_from_bytes_with_extension_codec(&bytes, &context, &codec).unwrap();
    let shown = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
    assert_eq!(shown(&back), shown(&sent));
    let (mut there, mut here) = (Vec::new(), Vec::new());
    reads(&back, &mut there);
    reads(&sent, &mut here);
    assert_eq!(there, here);

    // A registry that lacks a node refuses it by name, on either side.
    let none = WeirCodec::default();
    let refused = physical_plan_to_bytes_with_extension_codec(sent, &none).unwrap_err();
    assert!(refused.to_string().contains("DeltaWriteExec"), "{refused}");
    let refused =
        physical_plan_from_bytes_with_extension_codec(&bytes, &context, &none).unwrap_err();
    assert!(refused.to_string().contains("unknown here"), "{refused}");
}
