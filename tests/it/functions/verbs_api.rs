//! What the verbs refuse and how they say so, and what no golden case can show.

use std::sync::{Arc, Mutex};

use weir::datafusion::arrow::array::{AsArray, Int64Array, RecordBatch};
use weir::datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use weir::prelude::*;
use weir::{ErrorKind, QueryEvent, QueryListener};

use crate::bronze::expect_parts;
use crate::stream::session;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};

async fn values(rows: &str) -> DataFrame {
    session().await.sql(rows).await.unwrap()
}

#[tokio::test]
async fn ambiguous_column_is_refused_naming_both_sides() {
    let rows = values("select 1 as id, 2 as v").await;
    let joined = |one: DataFrame, other: DataFrame| one.join(other, "id", "inner").unwrap();
    let error = joined(rows.clone(), rows.clone())
        .select(["v"])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPlan);
    expect_parts(
        &error.to_string(),
        &["\"v\" is ambiguous", "left.v and right.v", "alias()"],
    );
    let (o, p) = (rows.clone().alias("o").unwrap(), rows.alias("p").unwrap());
    for error in [
        joined(o.clone(), p.clone()).filter("v > 1").unwrap_err(),
        joined(o.clone(), p.clone()).order_by(["v"]).unwrap_err(),
        joined(o.clone(), p.clone())
            .group_by(["v"])
            .count()
            .unwrap_err(),
        o.clone().join(p, col("id").eq(lit(1)), "left").unwrap_err(),
    ] {
        expect_parts(&error.to_string(), &["is ambiguous", "o.", "p."]);
    }
}

#[tokio::test]
async fn what_verbs_cannot_do_is_refused_by_name() {
    let rows = values("select 1 as id, 'a' as kind").await;
    let r = || rows.clone();
    let nothing: [&str; 0] = [];
    for (error, kind, parts) in [
        (
            r().join(r(), "id", "left_otter").unwrap_err(),
            ErrorKind::InvalidArgument,
            vec!["\"left_otter\"", "leftouter"],
        ),
        (
            r().join(r(), "idd", "left").unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["\"idd\"", "did you mean \"id\"?"],
        ),
        (
            r().join(r(), nothing, "left").unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["cross_join()"],
        ),
        (
            r().select_expr(["idd + 1"]).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["in \"idd + 1\"", "did you mean \"id\"?"],
        ),
        (
            r().filter("id >").unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["in \"id >\""],
        ),
        (
            r().to_df(["a"]).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["1 names for 2 columns", "id, kind"],
        ),
        (
            r().with_columns([("a", lit(1)), ("a", lit(2))])
                .unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["\"a\" twice"],
        ),
        (
            r().union(r().drop(["id"]).unwrap()).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["union", "2 (id, kind)", "1 (kind)"],
        ),
        (
            r().union_by_name(r().with_column_renamed("kind", "kinds").unwrap(), false)
                .unwrap_err(),
            ErrorKind::InvalidPlan,
            vec![
                "\"kind\"",
                "did you mean \"kinds\"?",
                "allow_missing_columns",
            ],
        ),
        (
            r().group_by(["kind"]).sum(["kind"]).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["sum()", "\"kind\" is string"],
        ),
        (
            r().group_by(["kind"]).agg([col("id")]).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["\"id\"", "neither grouped by nor aggregated"],
        ),
        (
            r().group_by(["kind"])
                .pivot("id", Vec::<i32>::new())
                .unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["pivot()", "values"],
        ),
        (
            r().cube(["kind"]).pivot("id", [1]).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["pivot()", "cube"],
        ),
        (
            r().fillna_columns([("idd", 1)]).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["\"idd\"", "did you mean \"id\"?"],
        ),
        (
            r().dropna(DropNa::any().subset(["idd"])).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["did you mean \"id\"?"],
        ),
        (
            r().fillna_columns([("id", "x")]).unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["\"id\" (bigint)", "\"x\""],
        ),
        (
            r().unpivot(["id"], ["id", "kind"], "name", "value")
                .unwrap_err(),
            ErrorKind::InvalidPlan,
            vec!["unpivot", "\"id\" (bigint)", "\"kind\" (string)"],
        ),
        (
            r().session().range(0, 1, 0).unwrap_err(),
            ErrorKind::InvalidArgument,
            vec!["step is 0"],
        ),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        expect_parts(&error.to_string(), &parts);
    }
    rows.create_or_replace_temp_view("orders").unwrap();
    let error = rows.session().table("order").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    expect_parts(
        &error.to_string(),
        &["\"order\"", "did you mean \"orders\"?"],
    );
    let session = rows.session();
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
    let batch = rows.collect().await.unwrap();
    let error = session.create_dataframe(schema, batch).unwrap_err();
    expect_parts(&error.to_string(), &["batch 0", "\"kind\"", "\"n\""]);
}

#[tokio::test]
async fn verbs_that_need_all_rows_are_refused_on_a_stream_by_name() {
    let lake = TempLake::new();
    let session = session().await;
    let stream = session.read_stream().format("kafka");
    let stream = stream
        .option("kafka.bootstrap.servers", "127.0.0.1:1")
        .option("subscribe", "orders")
        .load()
        .await
        .unwrap();
    let stream = stream.select(["topic", "offset"]).unwrap();
    let table = session
        .sql("select 'a' as topic, 1 as offset")
        .await
        .unwrap();
    let s = || stream.clone();
    for (frame, what) in [
        (s().distinct(), "removing duplicates"),
        (s().drop_duplicates(["topic"]), "removing duplicates"),
        (s().order_by(["topic"]), "sorting"),
        (s().limit(1), "a limit"),
        (s().offset(1), "a limit"),
        (s().rollup(["topic"]).count(), "an aggregation"),
        (s().cube(["topic"]).count(), "an aggregation"),
        (
            s().group_by(["topic"])
                .pivot("offset", [1])
                .unwrap()
                .count(),
            "an aggregation",
        ),
        (s().union(table.clone()), "a union with a table"),
        (
            s().union_by_name(table.clone(), true),
            "a union with a table",
        ),
        (s().intersect(table.clone()), "removing duplicates"),
        (s().subtract(table.clone()), "removing duplicates"),
        (s().intersect_all(table.clone()), "a window function"),
        (s().except_all(table.clone()), "a window function"),
        (
            s().join(table.clone(), "topic", "full"),
            "a join that returns unmatched rows",
        ),
        (
            s().join(table.clone(), "topic", "right"),
            "a join that returns unmatched rows",
        ),
        (s().join(s(), "topic", "inner"), "a join of two streams"),
    ] {
        let writer = frame.unwrap().write_stream().format("delta");
        let writer = writer.option("checkpointLocation", lake.checkpoint_url("c"));
        let error = writer.start(&lake.table_url("t")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error}");
        expect_parts(&error.to_string(), &[what]);
    }
    for error in [
        stream.first().await.unwrap_err(),
        stream.tail(1).await.unwrap_err(),
        stream.is_empty().await.unwrap_err(),
        stream.to_local_iterator().await.map(|_| ()).unwrap_err(),
    ] {
        expect_parts(&error.to_string(), &["write_stream()", "read()"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_dropped_by_a_subset_leave_whole_rows() {
    let rows = "select value % 100 as k, value as a, value * 2 as b, cast(value as string) as c \
                from generate_series(1, 200000)";
    let rows = values(rows).await.drop_duplicates(["k"]).unwrap();
    assert_eq!(rows.columns(), ["k", "a", "b", "c"]);
    assert_eq!(rows.count().await.unwrap(), 100);
    let torn = rows
        .filter("b <> a * 2 or c <> cast(a as string) or k <> a % 100")
        .unwrap();
    assert_eq!(torn.count().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_stream_past_the_limit_of_a_result() {
    use std::future::poll_fn;
    let builder = Session::builder().master("local[2]");
    let builder = builder.config("weir.driver.maxResultSize", "64KB");
    let session = builder.create().await.unwrap();
    let rows = session.range(0, 100_000, 1).unwrap();
    assert_eq!(
        rows.collect().await.unwrap_err().kind(),
        ErrorKind::ResourcesExhausted
    );
    let mut stream = rows.to_local_iterator().await.unwrap();
    let (mut count, mut total) = (0, 0);
    while let Some(batch) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        let batch: RecordBatch = batch.unwrap();
        let ids: &Int64Array = batch.column(0).as_primitive::<Int64Type>();
        count += ids.len();
        total += ids.values().iter().sum::<i64>();
    }
    assert_eq!((count, total), (100_000, 99_999 * 50_000));
    // The last rows fit, though the others do not.
    let last = rows.tail(10).await.unwrap();
    let ids: Vec<i64> = last
        .iter()
        .flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    assert_eq!(ids, (99_990..100_000).collect::<Vec<_>>());
    let error = rows.tail(50_000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourcesExhausted);
}

#[tokio::test]
async fn trees_and_tables_are_printed() {
    let rows = values("select 1 as id").await;
    // What they print, `schema_string` and the like return; here they only must not fail.
    rows.print_schema().unwrap();
    rows.show().await.unwrap();
    rows.show_rows(1, None).await.unwrap();
    rows.explain(ExplainMode::Simple).await.unwrap();
    rows.explain_analyze().await.unwrap();
    assert_eq!(
        rows.schema_string(),
        "root\n |-- id: long (nullable = false)"
    );
}

#[tokio::test]
async fn engine_and_dataframe_convert_into_each_other() {
    let rows = values("select 1 as id").await;
    let session = rows.session().clone();
    let engine = rows.into_datafusion().limit(0, Some(0)).unwrap();
    let rows = DataFrame::from_datafusion(&session, engine);
    assert!(rows.is_empty().await.unwrap());
    assert!(
        session
            .datafusion()
            .table_exist("nothing")
            .is_ok_and(|exists| !exists)
    );
}

#[tokio::test]
async fn session_tells_what_it_was_made_with() {
    let builder = Session::builder().app_name("verbs").master("local[3]");
    let session = builder.create().await.unwrap();
    assert_eq!(session.app_name(), "verbs");
    assert_eq!(session.master().parallelism(), Some(3));
    assert!(session.settings().max_result_bytes().unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_of_a_session_hears_its_queries() {
    struct Heard(Mutex<Vec<String>>);
    impl QueryListener for Heard {
        fn on_event(&self, event: &QueryEvent) {
            let event = match event {
                QueryEvent::Started { .. } => "started".to_owned(),
                QueryEvent::Progress(progress) => format!("{} rows", progress.num_input_rows),
                QueryEvent::Terminated { error, .. } => format!("ended {error:?}"),
                _ => return,
            };
            self.0.lock().unwrap().push(event);
        }
    }
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("heard", 1).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 3, |_| Record::of("v")).await;
    let session = session().await;
    let heard = Arc::new(Heard(Mutex::default()));
    session.add_listener(heard.clone());
    let stream = session.read_stream().format("kafka");
    let stream = stream
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("subscribe", &topic)
        .option("startingOffsets", "earliest");
    let rows = stream.load().await.unwrap().select(["value"]).unwrap();
    let writer = rows.write_stream().format("delta");
    let writer = writer.option("checkpointLocation", lake.checkpoint_url("heard"));
    let writer = writer.trigger(Trigger::AvailableNow);
    let query = writer.start(&lake.table_url("heard")).await.unwrap();
    query.await_termination().await.unwrap();
    assert_eq!(
        *heard.0.lock().unwrap(),
        ["started", "3 rows", "ended None"]
    );
}

/// As partition columns are read.
#[tokio::test]
async fn values_stored_as_dictionaries_are_values_like_others() {
    let encoded = "select arrow_cast(k, 'Dictionary(UInt16, Utf8)') as k, n \
                   from (values ('a', 1), (null, 2)) v(k, n)";
    let encoded = values(encoded).await;
    let plain = values("select 'b' as k, 3 as n").await;
    assert_eq!(encoded.dtypes()[0], ("k".to_owned(), "string".to_owned()));
    expect_parts(&encoded.schema_string(), &["k: string"]);
    let rows = encoded.clone().union(plain).unwrap().fillna("?").unwrap();
    let rows = rows.order_by(["n"]).unwrap();
    let expected = "\
+---+---+
| k | n |
+---+---+
| a | 1 |
| ? | 2 |
| b | 3 |
+---+---+";
    assert_eq!(rows.show_string(9, None).await.unwrap(), expected);
    let filled = encoded.clone().fillna("?").unwrap().filter("k = '?'");
    assert_eq!(filled.unwrap().count().await.unwrap(), 1);
    let turned = encoded
        .clone()
        .unpivot(["n"], ["k"], "name", "value")
        .unwrap();
    assert_eq!(
        turned.dropna(DropNa::any()).unwrap().count().await.unwrap(),
        1
    );
    let groups = encoded
        .group_by(["n"])
        .pivot("k", ["a"])
        .unwrap()
        .count()
        .unwrap();
    let groups = groups.order_by(["n"]).unwrap();
    let expected = "\
+---+------+
| n | a    |
+---+------+
| 1 | 1    |
| 2 | NULL |
+---+------+";
    assert_eq!(groups.show_string(9, None).await.unwrap(), expected);
}
