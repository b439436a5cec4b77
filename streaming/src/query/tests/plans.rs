//! Which plans are streamed, and which are refused by name.

use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use serde_json::json;
use weir_plan::ErrorKind;

use super::*;

impl World {
    /// The plan of a query over `events` (the stream), `others` (another stream) and `known` (a
    /// static table with the offsets 0 and 2).
    pub(super) async fn sql(&self, query: &str) -> LogicalPlan {
        let context = self.runner.context();
        let streams: [(&str, Arc<dyn StreamSource>); 2] = [
            ("events", Arc::clone(&self.source) as _),
            ("others", Arc::new(MemorySource::new(&[1]))),
        ];
        for (name, source) in streams {
            context.deregister_table(name).unwrap();
            let table = Arc::new(StreamTable::new(source));
            context.register_table(name, table).unwrap();
        }
        let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
        let ids = Arc::new(Int64Array::from(vec![0, 2]));
        let known = RecordBatch::try_new(Arc::new(schema), vec![ids]).unwrap();
        context.deregister_table("known").unwrap();
        context.register_batch("known", known).unwrap();
        context.sql(query).await.unwrap().into_unoptimized_plan()
    }
}

#[tokio::test]
async fn operation_over_more_than_one_batch_is_refused_by_name() {
    let cases = [
        ("SELECT count(*) FROM events", "an aggregation"),
        (
            "SELECT offset, max(value) FROM events GROUP BY offset",
            "an aggregation",
        ),
        ("SELECT * FROM events ORDER BY value", "sorting"),
        ("SELECT * FROM events LIMIT 3", "a limit"),
        ("SELECT DISTINCT value FROM events", "removing duplicates"),
        (
            "SELECT row_number() OVER (ORDER BY value) FROM events",
            "a window function",
        ),
        (
            "SELECT e.value FROM events e JOIN others o ON e.offset = o.offset",
            "two streams",
        ),
        (
            "SELECT e.value FROM events e JOIN events o ON e.offset = o.offset",
            "two streams",
        ),
        (
            "SELECT id FROM known LEFT JOIN events ON id = offset",
            "static side",
        ),
        (
            "SELECT id FROM events FULL JOIN known ON id = offset",
            "static side",
        ),
        (
            "SELECT id FROM known LEFT ANTI JOIN events ON id = offset",
            "static side",
        ),
        (
            "SELECT offset FROM events UNION ALL SELECT id FROM known",
            "a union with a table",
        ),
        (
            "SELECT * FROM events WHERE offset IN (SELECT offset FROM others)",
            "a subquery",
        ),
        (
            "SELECT * FROM known WHERE EXISTS (SELECT 1 FROM events WHERE offset = id)",
            "a subquery",
        ),
        (
            "SELECT value FROM (SELECT * FROM events LIMIT 2) s",
            "a limit",
        ),
    ];
    let world = World::new(&[3]);
    for (query, name) in cases {
        let plan = world.sql(query).await;
        let started = StreamingQuery::start(world.spec_of(plan)).await;
        let error = started.expect_err(query);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{query}: {error}");
        assert!(error.to_string().contains(name), "{query}: {error}");
    }
    assert_eq!(
        world.store.get("metadata").await.unwrap(),
        None,
        "nothing was begun"
    );
}

#[tokio::test]
async fn plan_without_a_stream_is_refused() {
    let world = World::new(&[3]);
    let plan = world.sql("SELECT * FROM known").await;
    let error = StreamingQuery::start(world.spec_of(plan))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPlan);
    assert!(error.to_string().contains("use write()"), "{error}");
}

#[tokio::test]
async fn operation_row_by_row_or_with_a_static_table_adds_up_over_batches() {
    let all = ["0/0", "0/1", "0/2", "0/3"];
    let known = ["0/0", "0/2"];
    let cases: &[(&str, &[&str])] = &[
        ("SELECT value FROM events JOIN known ON id = offset", &known),
        ("SELECT value FROM known JOIN events ON id = offset", &known),
        (
            "SELECT value FROM events LEFT JOIN known ON id = offset",
            &all,
        ),
        (
            "SELECT value FROM known RIGHT JOIN events ON id = offset",
            &all,
        ),
        (
            "SELECT value FROM events LEFT SEMI JOIN known ON id = offset",
            &known,
        ),
        (
            "SELECT value FROM events LEFT ANTI JOIN known ON id = offset",
            &["0/1", "0/3"],
        ),
        (
            "SELECT value FROM events WHERE offset IN (SELECT id FROM known)",
            &known,
        ),
        (
            "SELECT value FROM events JOIN (SELECT max(id) AS id FROM known) m ON m.id = offset",
            &["0/2"],
        ),
        ("SELECT value FROM events WHERE offset > 2", &["0/3"]),
    ];
    for (query, expected) in cases {
        let world = World::with_limit(&[4], 1);
        let plan = world.sql(query).await;
        let summary = finish(world.spec_of(plan)).await.unwrap();
        assert_eq!(summary.batches, 4, "{query}");
        assert_eq!(world.sink.values("value"), *expected, "{query}");
    }
}

#[tokio::test]
async fn union_of_a_stream_with_itself_reads_one_range_twice() {
    let world = World::with_limit(&[4], 3);
    let plan = world
        .sql("SELECT value FROM events UNION ALL SELECT value FROM events")
        .await;
    let summary = finish(world.spec_of(plan)).await.unwrap();
    assert_eq!(
        (summary.batches, summary.input_rows, summary.output_rows),
        (2, 8, 8)
    );
    let mut twice = [world.source.values(), world.source.values()].concat();
    twice.sort_unstable();
    assert_eq!(world.sink.values("value"), twice);
    assert_eq!(world.source.reads().len(), 2, "one range per batch");
}

#[tokio::test]
async fn union_of_two_streams_reads_each_to_its_own_end() {
    let world = World::with_limit(&[3], 1);
    let plan = world
        .sql("SELECT value FROM events UNION ALL SELECT value FROM others")
        .await;
    let summary = finish(world.spec_of(plan)).await.unwrap();
    assert_eq!(summary.batches, 3);
    assert_eq!(summary.end_offsets, [json!([3]), json!([1])]);
    assert_eq!(world.sink.values("value"), ["0/0", "0/0", "0/1", "0/2"]);
}
