//! What a dead letter holds: its columns in a table, its headers in a topic.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// The names of a letter's columns, in order. The first seven are its record, as it came.
pub const LETTER_COLUMNS: [&str; 15] = [
    "topic",
    "partition",
    "offset",
    "timestamp",
    "key",
    "value",
    "headers",
    "error_type",
    "error_message",
    "rule",
    "rules",
    "query_id",
    "batch_id",
    "failed_at",
    "retry_count",
];

/// How many of [`LETTER_COLUMNS`] are the record's.
pub(super) const RECORD_COLUMNS: usize = 7;

/// Headers of a letter in a topic, beside those that its record had.
pub mod header {
    /// What all of them begin with. A record that is produced again loses these and gets [`RETRY_COUNT`] and the `REDRIVE_` ones.
    pub const PREFIX: &str = "weir.dlq.";
    /// The record's topic.
    pub const TOPIC: &str = "weir.dlq.topic";
    /// Its partition.
    pub const PARTITION: &str = "weir.dlq.partition";
    /// Its offset.
    pub const OFFSET: &str = "weir.dlq.offset";
    /// Its time, in milliseconds since the epoch.
    pub const TIMESTAMP: &str = "weir.dlq.timestamp";
    /// What is wrong with it ([`ErrorType`](super::super::ErrorType)).
    pub const ERROR_TYPE: &str = "weir.dlq.error.type";
    /// The same in words.
    pub const ERROR_MESSAGE: &str = "weir.dlq.error.message";
    /// The first rule that made it a letter.
    pub const RULE: &str = "weir.dlq.rule";
    /// All rules that it breaks, as a JSON list.
    pub const RULES: &str = "weir.dlq.rules";
    /// The query that found it.
    pub const QUERY_ID: &str = "weir.dlq.query.id";
    /// The query's batch.
    pub const BATCH_ID: &str = "weir.dlq.batch.id";
    /// The batch's time, RFC 3339 in UTC.
    pub const FAILED_AT: &str = "weir.dlq.failed.at";
    /// How often the record was produced again.
    pub const RETRY_COUNT: &str = "weir.dlq.retry.count";
    /// Of a record that was produced again, once for each time: where it was read before and why it failed, as a JSON object.
    pub const HISTORY: &str = "weir.redrive.history";
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let header = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Binary, true),
    ]);
    let headers = Field::new("element", DataType::Struct(header), false);
    let rules = Field::new("element", DataType::Utf8, true);
    let types = [
        DataType::Utf8,
        DataType::Int32,
        DataType::Int64,
        time(),
        DataType::Binary,
        DataType::Binary,
        DataType::List(Arc::new(headers)),
        DataType::Utf8,
        DataType::Utf8,
        DataType::Utf8,
        DataType::List(Arc::new(rules)),
        DataType::Utf8,
        DataType::Int64,
        time(),
        DataType::Int32,
    ];
    let fields = LETTER_COLUMNS.into_iter().zip(types);
    let fields: Vec<Field> = fields
        .map(|(name, data_type)| Field::new(name, data_type, true))
        .collect();
    Arc::new(Schema::new(fields))
});

/// The columns of dead letters in a table:
/// - `topic`, `partition`, `offset`, `timestamp`, `key`, `value`, `headers`: the record as it came;
/// - `error_type`, `error_message`: what is wrong with it;
/// - `rule`, the first rule that made it a letter, and `rules`, all that it breaks;
/// - `query_id`, `batch_id`, `failed_at`: who found it, and the time of that batch;
/// - `retry_count`: how often it was produced again before.
#[must_use]
pub fn letters_schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}
