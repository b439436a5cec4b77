use std::time::Duration;

use super::*;

#[tokio::test]
async fn records_of_every_shape_are_delivered_and_counted() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("shapes", 2).await;
    let producer = broker.producer();

    let ledger = producer
        .produce_all(
            &topic,
            [
                (
                    0,
                    Record::of("value")
                        .key("key")
                        .timestamp_ms(1_700_000_000_123),
                ),
                (0, Record::tombstone("key")),
                (0, Record::default()),
                (
                    1,
                    Record::of([0xff, 0xfe])
                        .header("h", None)
                        .header("h", Some(b"x")),
                ),
                (1, Record::of("x".repeat(5 << 20))),
            ],
        )
        .await;

    assert_eq!(ledger.rows, 5);
    assert_eq!(
        broker.watermarks(&topic, 0).await,
        Watermarks { low: 0, high: 3 }
    );
    assert_eq!(producer.produce(&topic, 1, Record::of("next")).await, 2);
}

#[tokio::test]
async fn two_hundred_thousand_records_take_seconds() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("many", 4).await;
    let started = std::time::Instant::now();

    let ledger = broker
        .producer()
        .produce_n(&topic, 4, 200_000, |i| {
            Record::of(format!("{{\"id\":{i},\"name\":\"order number {i}\"}}"))
        })
        .await;

    assert_eq!(ledger.rows, 200_000);
    assert_eq!(broker.watermarks(&topic, 3).await.high, 50_000);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_topic_grows_is_trimmed_and_is_deleted() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = unique_topic("changing");
    broker
        .create_topic(&topic, 1, &[("cleanup.policy", "delete")])
        .await;
    broker
        .producer()
        .produce_n(&topic, 1, 10, |i| Record::of(i.to_string()))
        .await;

    broker.add_partitions(&topic, 3).await;
    broker.delete_records(&topic, 0, 4).await;

    assert_eq!(
        broker.watermarks(&topic, 0).await,
        Watermarks { low: 4, high: 10 }
    );
    assert_eq!(
        broker.watermarks(&topic, 2).await,
        Watermarks { low: 0, high: 0 }
    );
    broker.delete_topic(&topic).await;
}

#[tokio::test]
async fn transactions_leave_control_records_between_the_offsets() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("transactions", 1).await;
    let producer = broker.transactional_producer(&topic).await;

    producer.begin();
    producer
        .produce_n(&topic, 1, 3, |i| Record::of(i.to_string()))
        .await;
    producer.commit().await;
    producer.begin();
    let aborted = producer.produce(&topic, 0, Record::of("never read")).await;
    producer.abort().await;

    // 0, 1, 2, the commit's marker, the aborted record, the abort's marker.
    assert_eq!(aborted, 4);
    assert_eq!(broker.watermarks(&topic, 0).await.high, 6);
}

#[tokio::test]
async fn a_killed_private_broker_comes_back_with_its_records() {
    let Some(broker) = private_broker_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("durable", 1).await;
    let producer = broker.producer();
    producer
        .produce_n(&topic, 1, 100, |i| Record::of(i.to_string()))
        .await;

    broker.kill().await;
    broker.restart().await;
    assert_eq!(
        producer
            .produce(&topic, 0, Record::of("after the crash"))
            .await,
        100
    );

    broker.stop().await;
    broker.restart().await;
    assert_eq!(broker.watermarks(&topic, 0).await.high, 101);
}
