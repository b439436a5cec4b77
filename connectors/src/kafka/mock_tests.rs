//! Tests against librdkafka's mock cluster: an embedded imitation of a broker. It shows the plumbing
//! (produce, plan, read, stop); what depends on a broker's own behaviour (transactions, retention,
//! timestamps) is shown against a real one, in the integration tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use datafusion::catalog::TableProvider;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use weir_plan::{ErrorKind, Options, ReadLimit, SourceOffset, SourceRange, StreamSource};

use super::{KafkaSource, batch_table};

const LIMIT: ReadLimit = ReadLimit::SourceOptions;

struct Mock {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Mock {
    fn new(topics: &[(&str, i32)]) -> Self {
        let cluster = MockCluster::new(2).unwrap();
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).unwrap();
        }
        let producer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("message.max.bytes", "20000000")
            .set("linger.ms", "1")
            .create()
            .unwrap();
        Self { cluster, producer }
    }

    fn send(&self, topic: &str, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
        record.key = key;
        record.payload = value;
        record.timestamp = Some(1_700_000_000_123);
        self.producer
            .send(record)
            .map_err(|(error, _)| error)
            .unwrap();
    }

    /// `count` records in each partition, values `partition:number`.
    fn fill(&self, topic: &str, partitions: i32, count: usize) {
        for number in 0..count {
            for partition in 0..partitions {
                let value = format!("{partition}:{number}");
                self.send(topic, partition, None, Some(value.as_bytes()));
            }
        }
        self.flush();
    }

    fn flush(&self) {
        self.producer.flush(Duration::from_secs(10)).unwrap();
    }

    fn options(&self, pairs: &[(&str, &str)]) -> Options {
        let mut options: Options = pairs.iter().copied().collect();
        options.set("kafka.bootstrap.servers", self.cluster.bootstrap_servers());
        options
    }

    fn source(&self, pairs: &[(&str, &str)]) -> KafkaSource {
        KafkaSource::try_new(&self.options(pairs)).unwrap()
    }
}

fn session(target_partitions: usize) -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(target_partitions))
}

async fn rows(session: &SessionContext, table: Arc<dyn TableProvider>) -> Vec<RecordBatch> {
    session.read_table(table).unwrap().collect().await.unwrap()
}

/// (topic, partition, offset) of every row, sorted.
fn positions(batches: &[RecordBatch]) -> Vec<(String, i32, i64)> {
    let mut all: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            let topics = batch.column_by_name("topic").unwrap().as_string::<i32>();
            let partitions = batch
                .column_by_name("partition")
                .unwrap()
                .as_primitive::<Int32Type>();
            let offsets = batch
                .column_by_name("offset")
                .unwrap()
                .as_primitive::<Int64Type>();
            (0..batch.num_rows())
                .map(|row| {
                    (
                        topics.value(row).to_owned(),
                        partitions.value(row),
                        offsets.value(row),
                    )
                })
                .collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    all
}

fn expected(
    topic: &str,
    partitions: i32,
    offsets: std::ops::Range<i64>,
) -> Vec<(String, i32, i64)> {
    (0..partitions)
        .flat_map(|partition| offsets.clone().map(move |offset| (partition, offset)))
        .map(|(partition, offset)| (topic.to_owned(), partition, offset))
        .collect()
}

/// Everything from `reached` to the end that `latest` froze, batch by batch.
async fn drain(
    source: &KafkaSource,
    mut reached: SourceOffset,
    latest: &SourceOffset,
) -> (Vec<(String, i32, i64)>, usize, SourceOffset) {
    let session = session(2);
    let (mut all, mut batches) = (Vec::new(), 0);
    while let Some(range) = source.next_range(&reached, latest, LIMIT).await.unwrap() {
        assert_eq!(range.start, reached);
        let read = rows(&session, source.read(&range).await.unwrap()).await;
        let positions = positions(&read);
        assert_eq!(positions.len() as u64, source.records(&range).unwrap());
        all.extend(positions);
        reached = range.end;
        batches += 1;
    }
    all.sort();
    (all, batches, reached)
}

#[tokio::test]
async fn mock_drain_reads_every_record_once_and_later_ones_wait() {
    let mock = Mock::new(&[("orders", 3)]);
    mock.fill("orders", 3, 200);
    let source = mock.source(&[
        ("subscribe", "orders"),
        ("startingOffsets", "earliest"),
        ("maxOffsetsPerTrigger", "150"),
    ]);
    let start = source.initial_offset().await.unwrap();
    assert_eq!(
        source.display_offset(&start).to_string(),
        r#"{"orders":{"0":0,"1":0,"2":0}}"#
    );
    let latest = source.latest_offset(&start).await.unwrap();
    mock.fill("orders", 3, 50);
    let (all, batches, reached) = drain(&source, start, &latest).await;
    assert_eq!(all, expected("orders", 3, 0..200));
    assert_eq!(batches, 4);
    let (rest, _, reached) = {
        let latest = source.latest_offset(&reached).await.unwrap();
        drain(&source, reached, &latest).await
    };
    assert_eq!(rest, expected("orders", 3, 200..250));
    let latest = source.latest_offset(&reached).await.unwrap();
    assert_eq!(
        source.next_range(&reached, &latest, LIMIT).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn mock_range_read_again_gives_the_same_records() {
    let mock = Mock::new(&[("orders", 2)]);
    mock.fill("orders", 2, 100);
    let source = mock.source(&[("subscribe", "orders"), ("minPartitions", "8")]);
    let range = SourceRange {
        start: SourceOffset(serde_json::json!({"offsets":{"orders":{"0":10,"1":99}}})),
        end: SourceOffset(serde_json::json!({"offsets":{"orders":{"0":60,"1":100}}})),
    };
    let mut wanted = expected("orders", 1, 10..60);
    wanted.push(("orders".to_owned(), 1, 99));
    for target in [1, 8] {
        let table = source.read(&range).await.unwrap();
        assert_eq!(positions(&rows(&session(target), table).await), wanted);
    }
}

#[tokio::test]
async fn mock_nulls_and_empty_values_and_headers_arrive_as_they_are() {
    let mock = Mock::new(&[("orders", 1)]);
    mock.send("orders", 0, None, None);
    mock.send("orders", 0, Some(b""), Some(b""));
    mock.send("orders", 0, Some(b"\xff\x00"), Some(b"v"));
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "a",
            value: Some("1"),
        })
        .insert(Header {
            key: "a",
            value: None::<&str>,
        });
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to("orders").partition(0).headers(headers);
    mock.producer
        .send(record)
        .map_err(|(error, _)| error)
        .unwrap();
    mock.flush();
    let table = batch_table(&mock.options(&[("subscribe", "orders"), ("includeHeaders", "true")]))
        .await
        .unwrap();
    let session = session(1);
    session.register_table("t", table).unwrap();
    let shown = session
        .sql("SELECT encode(key,'hex') k, encode(value,'hex') v, \"timestampType\" tt, headers FROM t ORDER BY \"offset\"")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let batch = arrow::compute::concat_batches(&shown[0].schema(), &shown).unwrap();
    let text = |column: usize, row: usize| {
        let values =
            arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8).unwrap();
        let values = values.as_string::<i32>().clone();
        values.is_valid(row).then(|| values.value(row).to_owned())
    };
    assert_eq!((text(0, 0), text(1, 0)), (None, None));
    assert_eq!(
        (text(0, 1), text(1, 1)),
        (Some(String::new()), Some(String::new()))
    );
    assert_eq!(
        (text(0, 2), text(1, 2)),
        (Some("ff00".into()), Some("76".into()))
    );
    let headers = batch.column(3).as_list::<i32>();
    assert!(headers.is_null(0));
    let items = headers.value(3);
    let items = items.as_struct();
    assert_eq!(
        items
            .column(0)
            .as_string::<i32>()
            .iter()
            .flatten()
            .collect::<Vec<_>>(),
        ["a", "a"]
    );
    let values = items.column(1).as_binary::<i32>();
    assert_eq!(values.iter().collect::<Vec<_>>(), [Some(&b"1"[..]), None]);
}

#[tokio::test]
async fn mock_count_reads_no_columns_and_timestamps_are_utc() {
    let mock = Mock::new(&[("orders", 2)]);
    mock.fill("orders", 2, 500);
    let session = session(2);
    let table = batch_table(&mock.options(&[("subscribe", "orders")]))
        .await
        .unwrap();
    session.register_table("t", table).unwrap();
    let shown = session
        .sql("SELECT count(*), count(DISTINCT value) FROM t WHERE \"timestamp\" = '1970-01-01' OR true")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(
        shown[0].column(0).as_primitive::<Int64Type>().value(0),
        1000
    );
    let shown = session
        .sql("SELECT count(*) FROM t")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(
        shown[0].column(0).as_primitive::<Int64Type>().value(0),
        1000
    );
}

#[tokio::test]
async fn mock_record_bigger_than_every_fetch_size_is_read_alone() {
    let mock = Mock::new(&[("orders", 1)]);
    mock.send("orders", 0, None, Some(b"before"));
    mock.flush();
    mock.send("orders", 0, None, Some(&vec![7_u8; 4_900_000]));
    mock.flush();
    let options = mock.options(&[
        ("subscribe", "orders"),
        ("kafka.fetch.message.max.bytes", "1000"),
    ]);
    let batches = rows(&session(1), batch_table(&options).await.unwrap()).await;
    assert_eq!(positions(&batches), expected("orders", 1, 0..2));
}

#[tokio::test]
async fn mock_limit_stops_the_readers_promptly() {
    let mock = Mock::new(&[("orders", 2)]);
    mock.fill("orders", 2, 20_000);
    let session = session(2);
    let table = batch_table(&mock.options(&[("subscribe", "orders")]))
        .await
        .unwrap();
    let frame = session.read_table(table).unwrap();
    let mut stream = frame.execute_stream().await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert!(first.num_rows() <= 8192);
    let before = Instant::now();
    drop(stream);
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn mock_pattern_finds_topics_and_topics_made_later() {
    let mock = Mock::new(&[("raw.a", 1), ("other", 1)]);
    mock.fill("raw.a", 1, 5);
    let source = mock.source(&[
        ("subscribePattern", "raw\\..*"),
        ("startingOffsets", "earliest"),
    ]);
    let start = source.initial_offset().await.unwrap();
    assert_eq!(
        source.display_offset(&start).to_string(),
        r#"{"raw.a":{"0":0}}"#
    );
    mock.cluster.create_topic("raw.b", 2, 1).unwrap();
    mock.fill("raw.b", 2, 3);
    let latest = source.latest_offset(&start).await.unwrap();
    let range = source
        .next_range(&start, &latest, LIMIT)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        source.display_offset(&range.start).to_string(),
        r#"{"raw.a":{"0":0},"raw.b":{"0":0,"1":0}}"#
    );
    assert_eq!(source.records(&range).unwrap(), 11);
}

#[tokio::test]
async fn mock_missing_topic_and_partition_are_not_found_by_name() {
    let mock = Mock::new(&[("orders", 1)]);
    for (pair, part) in [
        (("subscribe", "orders,missing"), "missing"),
        (("subscribePattern", "missing.*"), "missing.*"),
        (("assign", r#"{"orders":[0,5]}"#), "orders-5"),
    ] {
        let error = mock.source(&[pair]).initial_offset().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(
            error
                .to_string()
                .contains(&mock.cluster.bootstrap_servers()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn mock_explicit_and_latest_starts_are_resolved() {
    let mock = Mock::new(&[("orders", 3)]);
    mock.fill("orders", 3, 10);
    for (given, offsets) in [
        ("latest", r#"{"orders":{"0":10,"1":10,"2":10}}"#),
        (
            r#"{"orders":{"0":-2,"1":4,"2":-1}}"#,
            r#"{"orders":{"0":0,"1":4,"2":10}}"#,
        ),
    ] {
        let source = mock.source(&[("subscribe", "orders"), ("startingOffsets", given)]);
        let start = source.initial_offset().await.unwrap();
        assert_eq!(source.display_offset(&start).to_string(), offsets);
    }
    let bad = mock.source(&[
        ("subscribe", "orders"),
        ("startingOffsets", r#"{"orders":{"0":11,"1":0,"2":0}}"#),
    ]);
    let error = bad.initial_offset().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss);
}

#[tokio::test]
async fn refused_connections_are_unavailable_within_seconds_naming_the_servers() {
    let before = Instant::now();
    for pair in [("subscribe", "orders"), ("subscribePattern", "o.*")] {
        let options: Options = [("kafka.bootstrap.servers", "127.0.0.1:1"), pair]
            .into_iter()
            .collect();
        let source = KafkaSource::try_new(&options).unwrap();
        let error = source.initial_offset().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    }
    assert!(
        before.elapsed() < Duration::from_secs(15),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test]
async fn mock_reader_left_without_records_gives_up_after_the_poll_timeout() {
    let mock = Mock::new(&[("orders", 1)]);
    mock.fill("orders", 1, 3);
    let source = mock.source(&[
        ("subscribe", "orders"),
        ("kafkaConsumer.pollTimeoutMs", "500"),
    ]);
    let range = SourceRange {
        start: SourceOffset(serde_json::json!({"offsets":{"orders":{"0":0}}})),
        end: SourceOffset(serde_json::json!({"offsets":{"orders":{"0":3}}})),
    };
    let table = source.read(&range).await.unwrap();
    mock.cluster.broker_down(1).unwrap();
    mock.cluster.broker_down(2).unwrap();
    let session = session(1);
    let error = session
        .read_table(table)
        .unwrap()
        .collect()
        .await
        .unwrap_err();
    let error = weir_plan::Error::from(error);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error
            .to_string()
            .contains("partition 0 of topic \"orders\""),
        "{error}"
    );
}

#[tokio::test]
async fn mock_zero_record_run_is_quick() {
    let mock = Mock::new(&[("orders", 6)]);
    mock.fill("orders", 6, 1);
    let before = Instant::now();
    let source = mock.source(&[("subscribe", "orders")]);
    let start = source.initial_offset().await.unwrap();
    let latest = source.latest_offset(&start).await.unwrap();
    assert_eq!(
        source.next_range(&start, &latest, LIMIT).await.unwrap(),
        None
    );
    drop(source);
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
}
