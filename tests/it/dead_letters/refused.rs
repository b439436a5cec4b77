//! Rules and places for dead letters that cannot be meant are refused before anything is read.

use weir::prelude::*;
use weir::quality::{Action, Expectation, Expectations};
use weir::{DataFrame, ErrorKind};
use weir_tests::files::TempLake;
use weir_tests::kafka::{Broker, broker_or_skip};

use super::{Accounts, good};
use crate::stream::session;

async fn records(broker: &Broker, topic: &str, headers: bool) -> DataFrame {
    let reader = session().await.read_stream().format("kafka");
    reader
        .option("kafka.bootstrap.servers", broker.bootstrap())
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("includeHeaders", headers)
        .load()
        .await
        .unwrap()
}

fn keyed(action: Action) -> Expectations {
    Expectations::new([Expectation::new("keyed", col("key").is_not_null()).action(action)])
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_places_that_cannot_be_meant_are_refused_by_name() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("refused", 1).await;
    broker.producer().produce_n(&topic, 1, 10, good).await;
    let table = lake.table_url("rows");
    let inside = format!("{table}/dlq");
    let refuse = async |headers: bool,
                        rules: Option<Expectations>,
                        options: &[(&str, &str)],
                        kind: ErrorKind,
                        parts: &[&str]| {
        let rows = records(broker, &topic, headers).await;
        let mut writer = rows
            .write_stream()
            .format("delta")
            .option("checkpointLocation", lake.checkpoint_url("rows"))
            .trigger(Trigger::AvailableNow);
        if let Some(rules) = rules {
            writer = writer.expectations(rules);
        }
        for (key, value) in options {
            writer = writer.option(*key, value);
        }
        let error = writer.start(&table).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part:?}: {error}");
        }
        assert!(!lake.table("rows").exists() && !lake.checkpoint("rows").exists());
    };
    let invalid = ErrorKind::InvalidArgument;
    let quarantine = || Some(keyed(Action::Quarantine));
    let dlq = lake.table_url("dlq");
    let dlq = ("dlqTable", dlq.as_str());
    refuse(true, quarantine(), &[], invalid, &["\"keyed\"", "dlqTable"]).await;
    refuse(false, quarantine(), &[dlq], invalid, &["includeHeaders"]).await;
    refuse(true, None, &[dlq], invalid, &["dlqTable", "expectations()"]).await;
    let warn = Some(keyed(Action::Warn));
    refuse(true, warn, &[dlq], invalid, &["no rule makes any"]).await;
    let own = [("dlqTable", table.as_str())];
    refuse(true, quarantine(), &own, invalid, &["must not lie"]).await;
    let inside = [("dlqTable", inside.as_str())];
    refuse(true, quarantine(), &inside, invalid, &["must not lie"]).await;
    for (key, value) in [("maxDlqRate", "lots"), ("maxDlqRateAction", "shout")] {
        let parts = [key, value];
        refuse(true, quarantine(), &[dlq, (key, value)], invalid, &parts).await;
    }
    let servers = ("kafka.bootstrap.servers", "b:9092");
    refuse(true, quarantine(), &[dlq, servers], invalid, &["dlqTopic"]).await;
    let spaced = [("dlqTopic", "a b"), servers];
    refuse(true, quarantine(), &spaced, invalid, &["dlqTopic", "a b"]).await;
    let group = [("dlqTopic", "dlq"), servers, ("kafka.group.id", "mine")];
    refuse(true, quarantine(), &group, invalid, &["kafka.group.id"]).await;
    let unknown = Expectations::new([Expectation::new("r", col("keys").is_not_null())]);
    let plan = ErrorKind::InvalidPlan;
    refuse(true, Some(unknown), &[], plan, &["\"keys\"", "\"key\""]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn table_that_holds_no_dead_letters_is_refused_as_their_place() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("other", 1).await;
    broker.producer().produce_n(&topic, 1, 10, good).await;
    let first = Accounts::new(broker, &lake, &topic);
    first.drain().await;
    let session = session().await;
    let rows = session.sql("select 1 as id").await.unwrap();
    let place = lake.table_url("numbers");
    rows.write().format("delta").save(&place).await.unwrap();
    let job = Accounts::bare(broker, &lake, &topic).option("dlqTable", &place);
    job.refuse(&["no table of dead letters", "numbers"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_dropped_or_end_the_query_as_their_rule_says() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.new_topic("actions", 1).await;
    let producer = broker.producer();
    producer.produce_n(&topic, 1, 10, good).await;
    producer
        .produce(&topic, 0, weir_tests::kafka::Record::of("no key"))
        .await;
    let run = async |action: Action| {
        let rows = records(broker, &topic, false).await;
        let name = action.as_str();
        let query = rows
            .write_stream()
            .format("delta")
            .expectations(keyed(action))
            .option("checkpointLocation", lake.checkpoint_url(name))
            .trigger(Trigger::AvailableNow)
            .start(&lake.table_url(name))
            .await
            .unwrap();
        query.await_termination().await.map(|()| query.summary())
    };
    let summary = run(Action::Drop).await.unwrap();
    assert_eq!((summary.output_rows, summary.dropped_rows), (10, 1));
    assert_eq!((summary.rules[0].passed, summary.rules[0].failed), (10, 1));
    let example = summary.rules[0].example.as_deref().unwrap();
    assert!(example.starts_with(&format!("{topic}-0@10: ")), "{example}");
    let summary = run(Action::Warn).await.unwrap();
    assert_eq!((summary.output_rows, summary.dropped_rows), (11, 0));
    assert_eq!(summary.rules[0].failed, 1);
    let error = run(Action::Fail).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compute, "{error}");
    assert!(error.to_string().contains("\"keyed\""), "{error}");
    assert!(!lake.table("fail").exists());
}
