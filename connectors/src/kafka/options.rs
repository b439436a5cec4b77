//! The options of a Kafka read, each declared once, in Spark's spelling.

use weir_plan::OptionSpec;

/// Keys with this prefix go to the Kafka client, without it.
pub const KAFKA_PREFIX: &str = "kafka.";

macro_rules! specs {
    ($($key:literal: $doc:literal),* $(,)?) => {
        &[$(OptionSpec { key: $key, doc: $doc }),*]
    };
}

/// Options of `read_stream().format("kafka")`, beside `kafka.*`.
pub const STREAM_OPTIONS: &[OptionSpec] = specs! {
    "subscribe": "topics to read, separated by commas; one of subscribe, subscribePattern and assign is required",
    "subscribePattern": "regular expression that the whole name of a topic must match; new topics are found at every batch",
    "assign": "partitions to read, as JSON: {\"orders\":[0,1]}",
    "startingOffsets": "where a query without a checkpoint begins: earliest, latest, or JSON {\"orders\":{\"0\":23,\"1\":-2}} with every partition (-2 earliest, -1 latest); default latest",
    "startingTimestamp": "begin at the first record of each partition with this timestamp (milliseconds) or a later one; wins over the other starting options",
    "startingOffsetsByTimestamp": "as startingTimestamp, for each partition: {\"orders\":{\"0\":1700000000000}}; wins over startingOffsets",
    "startingOffsetsByTimestampStrategy": "for a partition without a record that young: error (default) or latest",
    "maxOffsetsPerTrigger": "most offsets in one batch, shared among partitions in proportion to their backlog; default none",
    "minPartitions": "split large ranges until there are about this many, to read one partition with several tasks; default none",
    "maxRecordsPerPartition": "split ranges longer than this many offsets; default none",
    "failOnDataLoss": "true (default): fail when records that were to be read are gone; false: warn and go on",
    "includeHeaders": "true: a column of the records' headers; default false",
    "kafkaConsumer.pollTimeoutMs": "how long a reader waits for the next record before it fails, in milliseconds; default 120000",
    "fetchOffset.numRetries": "how often a failed look-up of offsets is repeated; default 3",
    "fetchOffset.retryIntervalMs": "pause before a look-up is repeated, in milliseconds; default 10",
    "commitOffsetsOnCheckpoints": "true (default): after each batch its end is committed to the query's consumer group, for Kafka's own tools to show; false: no group is touched",
    "groupIdPrefix": "the group is named so, a dash and the query's id; default weir; kafka.group.id names it whole and wins",
};

/// Options of `read().format("kafka")`, beside `kafka.*`.
pub const BATCH_OPTIONS: &[OptionSpec] = specs! {
    "subscribe": "topics to read, separated by commas; one of subscribe, subscribePattern and assign is required",
    "subscribePattern": "regular expression that the whole name of a topic must match",
    "assign": "partitions to read, as JSON: {\"orders\":[0,1]}",
    "startingOffsets": "earliest (default), or JSON {\"orders\":{\"0\":23,\"1\":-2}} with every partition (-2 earliest)",
    "startingTimestamp": "begin at the first record of each partition with this timestamp (milliseconds) or a later one; wins over the other starting options",
    "startingOffsetsByTimestamp": "as startingTimestamp, for each partition: {\"orders\":{\"0\":1700000000000}}; wins over startingOffsets",
    "startingOffsetsByTimestampStrategy": "for a partition without a record that young: error (default) or latest",
    "endingOffsets": "latest (default), or JSON {\"orders\":{\"0\":50,\"1\":-1}} with every partition (-1 latest)",
    "endingTimestamp": "end before the first record of each partition with this timestamp (milliseconds) or a later one, or at its end; wins over the other ending options",
    "endingOffsetsByTimestamp": "as endingTimestamp, for each partition; wins over endingOffsets",
    "minPartitions": "split large ranges until there are about this many; default none",
    "maxRecordsPerPartition": "split ranges longer than this many offsets; default none",
    "failOnDataLoss": "true (default): fail when records that were to be read are gone; false: warn and go on",
    "includeHeaders": "true: a column of the records' headers; default false",
    "kafkaConsumer.pollTimeoutMs": "how long a reader waits for the next record before it fails, in milliseconds; default 120000",
    "fetchOffset.numRetries": "how often a failed look-up of offsets is repeated; default 3",
    "fetchOffset.retryIntervalMs": "pause before a look-up is repeated, in milliseconds; default 10",
};

/// For batch reads only.
pub(super) const ENDING_OPTIONS: &[&str] = &[
    "endingOffsets",
    "endingTimestamp",
    "endingOffsetsByTimestamp",
];

/// They delay a batch until enough has come in, which has no meaning for a drain.
pub(super) const DELAYING_OPTIONS: &[&str] = &["minOffsetsPerTrigger", "maxTriggerDelay"];

/// For streams only, and what to do in a batch read.
pub(super) const STREAM_ONLY_OPTIONS: &[(&str, &str)] = &[
    ("maxOffsetsPerTrigger", "use endingOffsets"),
    (
        "commitOffsetsOnCheckpoints",
        "a batch read commits no offsets, remove it",
    ),
    ("groupIdPrefix", "a batch read is in no group, remove it"),
];
