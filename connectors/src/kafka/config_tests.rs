//! Tests of the options, by line of the Kafka part of docs on streaming semantics.

use weir_plan::ErrorKind;

use super::*;
use crate::kafka::offsets::TopicPartition;

fn options(pairs: &[(&str, &str)]) -> Options {
    let mut options: Options = pairs.iter().copied().collect();
    options.set("kafka.bootstrap.servers", "broker:9092");
    options
}

fn stream(pairs: &[(&str, &str)]) -> Result<ReadConfig> {
    ReadConfig::try_new(ReadKind::Stream, &options(pairs))
}

fn orders(pairs: &[(&str, &str)]) -> Result<ReadConfig> {
    stream(&[&[("subscribe", "orders")], pairs].concat())
}

fn batch(pairs: &[(&str, &str)]) -> Result<ReadConfig> {
    ReadConfig::try_new(
        ReadKind::Batch,
        &options(&[&[("subscribe", "orders")], pairs].concat()),
    )
}

fn refused(config: Result<ReadConfig>, kind: ErrorKind, part: &str) {
    let error = config.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(part), "{error}");
}

fn at(partition: i32, value: i64) -> PerPartition {
    [(TopicPartition::new("orders", partition), value)].into()
}

#[test]
fn exactly_one_subscription_is_taken() {
    let bad = ErrorKind::InvalidArgument;
    refused(stream(&[]), bad, "needs one of");
    refused(
        stream(&[("subscribe", "a"), ("assign", r#"{"a":[0]}"#)]),
        bad,
        "subscribe and assign",
    );
    refused(stream(&[("subscribe", " ")]), bad, "empty");
    refused(stream(&[("subscribe", " , ")]), bad, "names no topic");
    refused(
        stream(&[("subscribePattern", "a(")]),
        bad,
        "regular expression",
    );
    for text in [
        "[]",
        "{}",
        r#"{"a":[]}"#,
        r#"{"a":[-1]}"#,
        r#"{"a":0}"#,
        "x",
    ] {
        refused(stream(&[("assign", text)]), bad, "assign");
    }
}

#[test]
fn descriptions_name_what_is_read() {
    for (pairs, expected) in [
        (("SUBSCRIBE", "b, a,,b"), "kafka[subscribe: a,b]"),
        (
            ("subscribePattern", "raw\\..*"),
            "kafka[subscribePattern: raw\\..*]",
        ),
        (
            ("assign", r#"{"a":[1,0],"b":[2]}"#),
            "kafka[assign: a-0,a-1,b-2]",
        ),
    ] {
        assert_eq!(stream(&[pairs]).unwrap().description(), expected);
    }
}

#[test]
fn pattern_matches_whole_names_and_never_kafkas_own_topics() {
    let config = stream(&[("subscribePattern", "raw|__.*")]).unwrap();
    assert!(config.subscription.matches("raw"));
    assert!(!config.subscription.matches("raw2"));
    assert!(!config.subscription.matches("__consumer_offsets"));
    assert!(config.subscription.matches("__mine"));
}

#[test]
fn option_keys_are_case_insensitive_and_unknown_ones_refused() {
    assert!(
        orders(&[("INCLUDEHEADERS", "true")])
            .unwrap()
            .include_headers
    );
    refused(
        orders(&[("includeHeader", "true")]),
        ErrorKind::InvalidArgument,
        "did you mean \"includeHeaders\"",
    );
}

#[test]
fn start_precedence_is_timestamp_then_per_partition_then_offsets() {
    let by_timestamp = ("startingOffsetsByTimestamp", r#"{"orders":{"0":7}}"#);
    let offsets = ("startingOffsets", "earliest");
    let all = [("startingTimestamp", "5"), by_timestamp, offsets];
    assert_eq!(orders(&all).unwrap().starting, Position::Timestamp(5));
    assert_eq!(
        orders(&all[1..]).unwrap().starting,
        Position::Timestamps(at(0, 7))
    );
    assert_eq!(orders(&all[2..]).unwrap().starting, Position::Earliest);
    assert_eq!(orders(&[]).unwrap().starting, Position::Latest);
    assert_eq!(batch(&[]).unwrap().starting, Position::Earliest);
    assert_eq!(batch(&[]).unwrap().ending, Position::Latest);
}

#[test]
fn malformed_positions_are_refused_by_option() {
    for (key, value) in [
        ("startingOffsets", "beginning"),
        ("startingOffsets", r#"{"orders":{"0":-3}}"#),
        ("startingOffsets", r#"{"orders":{"0":"1"}}"#),
        ("startingOffsets", r#"{"orders":[0]}"#),
        ("startingOffsets", "{}"),
        ("startingOffsets", "{"),
        ("startingTimestamp", "yesterday"),
        ("startingTimestamp", "-1"),
        ("startingOffsetsByTimestamp", r#"{"orders":{"0":-1}}"#),
        ("startingOffsetsByTimestampStrategy", "earliest"),
    ] {
        refused(orders(&[(key, value)]), ErrorKind::InvalidArgument, key);
    }
}

#[test]
fn stream_refuses_ending_options_by_name() {
    for (key, value) in [
        ("endingOffsets", "latest"),
        ("endingTimestamp", "1"),
        ("endingOffsetsByTimestamp", r#"{"orders":{"0":1}}"#),
    ] {
        refused(orders(&[(key, value)]), ErrorKind::InvalidArgument, key);
    }
}

#[test]
fn batch_refuses_bounds_that_read_nothing() {
    let bad = ErrorKind::InvalidArgument;
    refused(
        batch(&[("startingOffsets", "latest")]),
        bad,
        "startingOffsets",
    );
    refused(
        batch(&[("startingOffsets", r#"{"orders":{"0":-1}}"#)]),
        bad,
        "partition 0 of topic \"orders\"",
    );
    refused(
        batch(&[("endingOffsets", "earliest")]),
        bad,
        "endingOffsets",
    );
    refused(
        batch(&[("endingOffsets", r#"{"orders":{"0":-2}}"#)]),
        bad,
        "endingOffsets",
    );
    refused(
        batch(&[
            ("startingOffsets", r#"{"orders":{"0":8}}"#),
            ("endingOffsets", r#"{"orders":{"0":7}}"#),
        ]),
        bad,
        "startingOffsets has 8, beyond endingOffsets, 7",
    );
    refused(batch(&[("maxOffsetsPerTrigger", "5")]), bad, "streams only");
}

#[test]
fn delaying_options_are_refused_by_name_and_min_must_not_exceed_max() {
    refused(
        orders(&[("minOffsetsPerTrigger", "5")]),
        ErrorKind::Unsupported,
        "minOffsetsPerTrigger",
    );
    refused(
        orders(&[("maxTriggerDelay", "15m")]),
        ErrorKind::Unsupported,
        "maxTriggerDelay",
    );
    refused(
        orders(&[("minOffsetsPerTrigger", "5"), ("maxOffsetsPerTrigger", "4")]),
        ErrorKind::InvalidArgument,
        "more than maxOffsetsPerTrigger, 4",
    );
}

#[test]
fn numbers_must_be_positive() {
    for key in [
        "maxOffsetsPerTrigger",
        "minPartitions",
        "maxRecordsPerPartition",
        "kafkaConsumer.pollTimeoutMs",
    ] {
        for value in ["0", "-1", "many", "1.5"] {
            refused(orders(&[(key, value)]), ErrorKind::InvalidArgument, key);
        }
    }
}

#[test]
fn defaults_are_sparks() {
    let config = orders(&[]).unwrap();
    assert!(config.fail_on_data_loss && !config.include_headers);
    assert_eq!(config.poll_timeout, Duration::from_secs(120));
    assert_eq!(
        (config.retry.times, config.retry.pause),
        (3, Duration::from_millis(10))
    );
    assert_eq!(config.max_offsets_per_trigger, None);
    assert_eq!(config.no_match, NoMatch::Error);
}

#[test]
fn secrets_are_in_no_debug_output() {
    let config = orders(&[("kafka.sasl.password", "hunter2")]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn group_is_the_given_one_or_of_a_prefix_or_none() {
    let prefix = |text: &str| Some(GroupName::Prefix(text.to_owned()));
    assert_eq!(orders(&[]).unwrap().group, prefix("weir"));
    let pairs = [("groupIdPrefix", "acme")];
    assert_eq!(orders(&pairs).unwrap().group, prefix("acme"));
    let pairs = [("groupIdPrefix", "acme"), ("kafka.group.id", "billing")];
    let config = orders(&pairs).unwrap();
    assert_eq!(config.group, Some(GroupName::Given("billing".to_owned())));
    // The clients that read are in no group.
    let mut client = config.client;
    assert_eq!(client.take_group_id(), None);
    let pairs = [("commitOffsetsOnCheckpoints", "false"), pairs[1]];
    assert_eq!(orders(&pairs).unwrap().group, None);
    // A batch read hands it to the client, as Spark does.
    let mut client = batch(&pairs[1..]).unwrap().client;
    assert_eq!(client.take_group_id().as_deref(), Some("billing"));
}

#[test]
fn group_options_are_refused_where_they_mean_nothing() {
    let kind = ErrorKind::InvalidArgument;
    for key in ["groupIdPrefix", "kafka.group.id"] {
        refused(orders(&[(key, " ")]), kind, key);
    }
    let key = "commitOffsetsOnCheckpoints";
    refused(orders(&[(key, "perhaps")]), kind, key);
    for (key, value) in [(key, "true"), ("groupIdPrefix", "acme")] {
        refused(batch(&[(key, value)]), kind, "streams only");
    }
    refused(
        batch(&[("maxOffsetsPerTrigger", "1")]),
        kind,
        "endingOffsets",
    );
}
