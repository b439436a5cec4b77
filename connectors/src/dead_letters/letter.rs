//! One dead letter, between a table's row and a topic's message.

use std::collections::BTreeMap;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use weir_plan::dead_letters::header;
use weir_plan::{Error, Result};

/// A header: its name, and its value, which may be null.
pub type Header = (String, Option<Vec<u8>>);

/// A dead letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where its record was read.
    pub topic: String,
    /// The partition of it.
    pub partition: i32,
    /// The offset of it.
    pub offset: i64,
    /// The record's time, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// The record's headers, in order.
    pub headers: Vec<Header>,
    /// What is wrong with it, an [`ErrorType`](weir_plan::dead_letters::ErrorType)'s name.
    pub error_type: String,
    /// The same in words.
    pub error_message: String,
    /// The first rule that made it a letter.
    pub rule: String,
    /// All rules that it breaks.
    pub rules: Vec<String>,
    /// The query that found it.
    pub query_id: String,
    /// The query's batch.
    pub batch_id: i64,
    /// The batch's time, in milliseconds since the epoch.
    pub failed_at_ms: i64,
    /// How often the record was produced again before.
    pub retry_count: i32,
}

impl DeadLetter {
    /// The letters in rows of [`letters_schema`](weir_plan::dead_letters::letters_schema), whose columns may be of like types.
    ///
    /// # Errors
    /// `SchemaMismatch`, naming a column that is not there or of another type.
    pub fn of_rows(rows: &RecordBatch) -> Result<Vec<Self>> {
        let texts = |name| -> Result<StringArray> {
            Ok(column(rows, name, &DataType::Utf8)?
                .as_string::<i32>()
                .clone())
        };
        let bytes = |name| -> Result<BinaryArray> {
            Ok(column(rows, name, &DataType::Binary)?
                .as_binary::<i32>()
                .clone())
        };
        let longs = |name| -> Result<Int64Array> {
            Ok(column(rows, name, &DataType::Int64)?.as_primitive().clone())
        };
        let ints = |name| -> Result<Int32Array> {
            Ok(column(rows, name, &DataType::Int32)?.as_primitive().clone())
        };
        let times = |name| -> Result<TimestampMicrosecondArray> {
            let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            Ok(column(rows, name, &zoned)?.as_primitive().clone())
        };
        let (topic, query) = (texts("topic")?, texts("query_id")?);
        let (error_type, message) = (texts("error_type")?, texts("error_message")?);
        let rule = texts("rule")?;
        let (key, value) = (bytes("key")?, bytes("value")?);
        let (offset, batch) = (longs("offset")?, longs("batch_id")?);
        let (partition, retries) = (ints("partition")?, ints("retry_count")?);
        let (timestamp, failed_at) = (times("timestamp")?, times("failed_at")?);
        let text = |texts: &StringArray, row| match texts.is_valid(row) {
            true => texts.value(row).to_owned(),
            false => String::new(),
        };
        let blob =
            |blobs: &BinaryArray, row| blobs.is_valid(row).then(|| blobs.value(row).to_vec());
        (0..rows.num_rows())
            .map(|row| {
                Ok(Self {
                    topic: text(&topic, row),
                    partition: partition.value(row),
                    offset: offset.value(row),
                    timestamp_ms: timestamp.is_valid(row).then(|| timestamp.value(row) / 1000),
                    key: blob(&key, row),
                    value: blob(&value, row),
                    headers: headers_of(rows, row)?,
                    error_type: text(&error_type, row),
                    error_message: text(&message, row),
                    rule: text(&rule, row),
                    rules: rules_of(rows, row)?,
                    query_id: text(&query, row),
                    batch_id: batch.value(row),
                    failed_at_ms: failed_at.value(row) / 1000,
                    retry_count: retries.value(row),
                })
            })
            .collect()
    }

    /// The headers of its message in a topic: the record's, without what an earlier letter said, and its own.
    #[must_use]
    pub fn message_headers(&self) -> Vec<Header> {
        let mut all = self.record_headers();
        let mut add = |name: &str, value: String| {
            all.push((name.to_owned(), Some(value.into_bytes())));
        };
        add(header::TOPIC, self.topic.clone());
        add(header::PARTITION, self.partition.to_string());
        add(header::OFFSET, self.offset.to_string());
        if let Some(time) = self.timestamp_ms {
            add(header::TIMESTAMP, time.to_string());
        }
        add(header::ERROR_TYPE, self.error_type.clone());
        add(header::ERROR_MESSAGE, self.error_message.clone());
        add(header::RULE, self.rule.clone());
        add(header::RULES, json!(self.rules).to_string());
        add(header::QUERY_ID, self.query_id.clone());
        add(header::BATCH_ID, self.batch_id.to_string());
        add(header::FAILED_AT, time_text(self.failed_at_ms));
        add(header::RETRY_COUNT, self.retry_count.to_string());
        all
    }

    /// The letter of a message in a topic; `None` for one that is none.
    #[must_use]
    pub fn of_message(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Vec<Header>,
    ) -> Option<Self> {
        let mut said: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, value) in &headers {
            if name.starts_with(header::PREFIX) {
                said.insert(name, std::str::from_utf8(value.as_deref()?).ok()?);
            }
        }
        let text = |name| said.get(name).map(|text| (*text).to_owned());
        let mut letter = Self {
            topic: text(header::TOPIC)?,
            partition: said.get(header::PARTITION)?.parse().ok()?,
            offset: said.get(header::OFFSET)?.parse().ok()?,
            timestamp_ms: said
                .get(header::TIMESTAMP)
                .and_then(|time| time.parse().ok()),
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers: Vec::new(),
            error_type: text(header::ERROR_TYPE)?,
            error_message: text(header::ERROR_MESSAGE).unwrap_or_default(),
            rule: text(header::RULE).unwrap_or_default(),
            rules: serde_json::from_str(said.get(header::RULES)?).ok()?,
            query_id: text(header::QUERY_ID)?,
            batch_id: said.get(header::BATCH_ID)?.parse().ok()?,
            failed_at_ms: DateTime::parse_from_rfc3339(said.get(header::FAILED_AT)?)
                .ok()?
                .timestamp_millis(),
            retry_count: said.get(header::RETRY_COUNT)?.parse().ok()?,
        };
        letter.headers = headers;
        letter.headers = letter.record_headers();
        Some(letter)
    }

    /// The headers of its record when it is produced again: those it came with, what became of it so far, and how often it was.
    #[must_use]
    pub fn redriven_headers(&self) -> Vec<Header> {
        let mut all = self.record_headers();
        let retries = self.retry_count.saturating_add(1);
        let history = json!({
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp_ms": self.timestamp_ms,
            "error_type": self.error_type,
            "error_message": self.error_message,
            "rule": self.rule,
            "query_id": self.query_id,
            "batch_id": self.batch_id,
            "failed_at": time_text(self.failed_at_ms),
            "retry": retries,
        });
        all.push((
            header::HISTORY.to_owned(),
            Some(history.to_string().into_bytes()),
        ));
        all.push((
            header::RETRY_COUNT.to_owned(),
            Some(retries.to_string().into_bytes()),
        ));
        all
    }

    /// For people and programs: bytes as text where they are UTF-8, as `{"base64": ...}` where not.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let time = |millis: Option<i64>| millis.map(time_text);
        let headers = self.headers.iter();
        let headers: Vec<Value> = headers
            .map(|(name, value)| json!({"key": name, "value": blob(value.as_deref())}))
            .collect();
        json!({
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp": time(self.timestamp_ms),
            "key": blob(self.key.as_deref()),
            "value": blob(self.value.as_deref()),
            "headers": headers,
            "error_type": self.error_type,
            "error_message": self.error_message,
            "rule": self.rule,
            "rules": self.rules,
            "query_id": self.query_id,
            "batch_id": self.batch_id,
            "failed_at": time_text(self.failed_at_ms),
            "retry_count": self.retry_count,
        })
    }

    /// The headers that are the record's own, or its history.
    fn record_headers(&self) -> Vec<Header> {
        let own = self.headers.iter();
        own.filter(|(name, _)| !name.starts_with(header::PREFIX))
            .cloned()
            .collect()
    }
}

fn blob(bytes: Option<&[u8]>) -> Value {
    use base64::Engine as _;
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Value::Null,
        Some((_, Ok(text))) => Value::String(text.to_owned()),
        Some((bytes, Err(_))) => {
            json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)})
        }
    }
}

fn time_text(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).map_or_else(
        || millis.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

fn column(rows: &RecordBatch, name: &str, wanted: &DataType) -> Result<ArrayRef> {
    let found = rows.column_by_name(name).ok_or_else(|| no_letters(name))?;
    cast(found, wanted).map_err(|error| no_letters(name).with_source(error))
}

fn headers_of(rows: &RecordBatch, row: usize) -> Result<Vec<Header>> {
    let name = "headers";
    let lists = rows.column_by_name(name).ok_or_else(|| no_letters(name))?;
    let lists = lists.as_list_opt::<i32>().ok_or_else(|| no_letters(name))?;
    if lists.is_null(row) {
        return Ok(Vec::new());
    }
    let list = lists.value(row);
    let list = list.as_struct_opt().ok_or_else(|| no_letters(name))?;
    let part = |part: &str, wanted| {
        let column = list.column_by_name(part).ok_or_else(|| no_letters(name))?;
        cast(column, wanted).map_err(|error| no_letters(name).with_source(error))
    };
    let (keys, values) = (
        part("key", &DataType::Utf8)?,
        part("value", &DataType::Binary)?,
    );
    let (keys, values) = (keys.as_string::<i32>(), values.as_binary::<i32>());
    let pairs = keys.iter().zip(values.iter());
    Ok(pairs
        .map(|(key, value)| {
            (
                key.unwrap_or_default().to_owned(),
                value.map(<[u8]>::to_vec),
            )
        })
        .collect())
}

fn rules_of(rows: &RecordBatch, row: usize) -> Result<Vec<String>> {
    let name = "rules";
    let lists = rows.column_by_name(name).ok_or_else(|| no_letters(name))?;
    let lists = lists.as_list_opt::<i32>().ok_or_else(|| no_letters(name))?;
    if lists.is_null(row) {
        return Ok(Vec::new());
    }
    let list = cast(&lists.value(row), &DataType::Utf8);
    let list = list.map_err(|error| no_letters(name).with_source(error))?;
    let names = list.as_string::<i32>().iter().flatten();
    Ok(names.map(str::to_owned).collect())
}

fn no_letters(column: &str) -> Error {
    Error::new(
        weir_plan::ErrorKind::SchemaMismatch,
        format!("these are no dead letters: column {column:?} is missing or of another type"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> DeadLetter {
        DeadLetter {
            topic: "orders".to_owned(),
            partition: 3,
            offset: 42,
            timestamp_ms: Some(1_000),
            key: Some(b"k".to_vec()),
            value: None,
            headers: vec![
                ("source".to_owned(), Some(vec![0xff])),
                (header::RETRY_COUNT.to_owned(), Some(b"2".to_vec())),
                ("empty".to_owned(), None),
            ],
            error_type: "SEMANTIC_ERROR".to_owned(),
            error_message: "no balance".to_owned(),
            rule: "given".to_owned(),
            rules: vec!["given".to_owned(), "known".to_owned()],
            query_id: "q".to_owned(),
            batch_id: 7,
            failed_at_ms: 2_000,
            retry_count: 2,
        }
    }

    #[test]
    fn letter_comes_back_from_its_message() {
        let letter = letter();
        let headers = letter.message_headers();
        let back = DeadLetter::of_message(Some(b"k"), None, headers).unwrap();
        let mut expected = letter;
        expected.headers.remove(1);
        assert_eq!(back, expected);
        assert_eq!(DeadLetter::of_message(None, None, Vec::new()), None);
    }

    #[test]
    fn record_that_is_produced_again_keeps_its_headers_and_its_history_grows() {
        let first = letter();
        let mut second = first.clone();
        second.headers = first.redriven_headers();
        second.retry_count = 3;
        second.offset = 99;
        let headers = second.redriven_headers();
        let named = |name: &str| {
            let own = headers.iter().filter(|(own, _)| own == name);
            let own = own.map(|(_, value)| String::from_utf8(value.clone().unwrap()).unwrap());
            own.collect::<Vec<_>>()
        };
        assert_eq!(named(header::RETRY_COUNT), ["4"]);
        let history = named(header::HISTORY);
        assert_eq!(history.len(), 2);
        let history: Vec<Value> = history
            .iter()
            .map(|h| serde_json::from_str(h).unwrap())
            .collect();
        assert_eq!(
            (&history[0]["offset"], &history[0]["retry"]),
            (&json!(42), &json!(3))
        );
        assert_eq!(
            (&history[1]["offset"], &history[1]["retry"]),
            (&json!(99), &json!(4))
        );
        assert_eq!(headers[0], ("source".to_owned(), Some(vec![0xff])));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_base64() {
        let shown = letter().to_json();
        assert_eq!(shown["headers"][0]["value"], json!({"base64": "/w=="}));
        assert_eq!(shown["key"], "k");
        assert_eq!(shown["value"], Value::Null);
        assert_eq!(shown["failed_at"], "1970-01-01T00:00:02.000Z");
    }
}
