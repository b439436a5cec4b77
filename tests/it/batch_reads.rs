//! Bounded reads of topics: `read().format("kafka")`.

use serde_json::json;
use weir::prelude::*;
use weir::{DataFrameReader, ErrorKind};
use weir_tests::kafka::{Broker, Record, broker_or_skip};

use crate::bronze::expect_parts;
use crate::stream::session;

/// Two partitions of ten records, with the timestamps 1000 to 10000 ms.
async fn topic(broker: &Broker) -> String {
    let topic = broker
        .new_topic_with("bounded", 2, &[("retention.ms", "-1")])
        .await;
    let record = |n: usize| Record::of("v").timestamp_ms(1_000 * (n as i64 / 2 + 1));
    broker.producer().produce_n(&topic, 2, 20, record).await;
    topic
}

async fn reader(broker: &Broker, topic: &str) -> DataFrameReader {
    let reader = session().await.read().format("kafka");
    reader
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("subscribe", topic)
}

/// Partition 0's first and last offset, and the number of rows of both partitions.
async fn read(reader: DataFrameReader) -> (Option<i64>, Option<i64>, u64) {
    let records = reader.load().await.unwrap();
    let first = records.clone().filter(col("partition").eq(lit(0))).unwrap();
    let offsets = first.agg([min(col("offset")), max(col("offset"))]).unwrap();
    let rows = offsets.collect().await.unwrap();
    let number = |column: usize| {
        use weir::datafusion::arrow::array::{Array, AsArray};
        use weir::datafusion::arrow::datatypes::Int64Type;
        let values = rows[0].column(column).as_primitive::<Int64Type>();
        values.is_valid(0).then(|| values.value(0))
    };
    (number(0), number(1), records.count().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn bounded_read_takes_everything_or_what_its_bounds_say() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = topic(broker).await;
    let reader = || reader(broker, &topic);
    assert_eq!(read(reader().await).await, (Some(0), Some(9), 20));

    let bounds = reader()
        .await
        .option("startingOffsets", json!({&topic: {"0": 3, "1": -2}}))
        .option("endingOffsets", json!({&topic: {"0": 7, "1": -1}}));
    assert_eq!(read(bounds).await, (Some(3), Some(6), 4 + 10));

    let times = reader().await.option("startingTimestamp", 2_500).option(
        "endingOffsetsByTimestamp",
        json!({&topic: {"0": 5_000, "1": 5_000}}),
    );
    assert_eq!(read(times).await, (Some(2), Some(3), 2 + 2));

    // An end that no record is young enough for is the end of the partition.
    let open = reader().await.option("endingTimestamp", 99_000);
    assert_eq!(read(open).await, (Some(0), Some(9), 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn bounded_read_is_fixed_when_it_is_made() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = topic(broker).await;
    let records = reader(broker, &topic).await.load().await.unwrap();
    broker
        .producer()
        .produce(&topic, 0, Record::of("later"))
        .await;
    assert_eq!(records.count().await.unwrap(), 20);
    // Counted twice over, a range is still one read.
    let twice = records.clone().union(records).unwrap();
    assert_eq!(twice.count().await.unwrap(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_that_make_no_sense_are_refused() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = topic(broker).await;
    let at = |offset: i64| json!({&topic: {"0": offset, "1": 5}}).to_string();
    for (options, parts) in [
        (
            vec![("startingOffsets", "latest".to_owned())],
            ["startingOffsets", "latest", "empty"],
        ),
        (
            vec![("startingOffsets", at(-1))],
            ["startingOffsets", "-1", "partition 0"],
        ),
        (
            vec![("endingOffsets", "earliest".to_owned())],
            ["endingOffsets", "earliest", "empty"],
        ),
        (
            vec![("endingOffsets", at(-2))],
            ["endingOffsets", "-2", "partition 0"],
        ),
        (
            vec![("startingOffsets", at(7)), ("endingOffsets", at(6))],
            ["partition 0", "7", "6"],
        ),
        (
            vec![
                ("startingTimestamp", "8000".to_owned()),
                ("endingTimestamp", "3000".to_owned()),
            ],
            ["partition 0", "7", "2"],
        ),
        (
            vec![("maxOffsetsPerTrigger", "5".to_owned())],
            ["maxOffsetsPerTrigger", "streams", "endingOffsets"],
        ),
    ] {
        let mut reader = reader(broker, &topic).await;
        for (key, value) in &options {
            reader = reader.option(*key, value);
        }
        let error = reader.load().await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidArgument,
            "{options:?}: {error}"
        );
        expect_parts(&error.to_string(), &parts);
    }
    // Ends belong to bounded reads.
    let stream = session().await.read_stream().format("kafka");
    let stream = stream
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("subscribe", &topic)
        .option("endingOffsets", "latest");
    let error = stream.load().await.unwrap_err();
    expect_parts(&error.to_string(), &["endingOffsets", "batch reads only"]);
    let reader = session().await.read().format("kafka");
    let error = reader.load_path("/somewhere").await.unwrap_err();
    expect_parts(&error.to_string(), &["/somewhere", "subscribe"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_vanish_before_a_bounded_read_are_data_loss_or_skipped() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = topic(broker).await;
    let tolerant = reader(broker, &topic).await.option("failOnDataLoss", false);
    let tolerant = tolerant.load().await.unwrap();
    let strict = reader(broker, &topic).await.load().await.unwrap();
    broker.delete_records(&topic, 0, 6).await;
    let error = strict.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss, "{error}");
    let parts = ["partition 0", &topic, "0 to 5", "failOnDataLoss"];
    expect_parts(&error.to_string(), &parts);
    let rows = tolerant.collect().await.unwrap();
    assert_eq!(
        rows.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        4 + 10
    );
}
