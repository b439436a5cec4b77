//! Kafka positions: partitions, their offsets, and the ids of the topics they belong to.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};
use weir_plan::{Error, ErrorKind, Result, SourceOffset};

/// One partition of a topic. Ordered by topic, then by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TopicPartition {
    pub(super) topic: String,
    pub(super) partition: i32,
}

impl TopicPartition {
    pub(super) fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// As messages name it.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of topic {:?}", self.partition, self.topic)
    }
}

/// An offset, or a timestamp, per partition.
pub(super) type PerPartition = BTreeMap<TopicPartition, i64>;

/// A position in every partition: the offset of the next record to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KafkaOffset {
    pub(super) offsets: PerPartition,
    /// The cluster's id of each topic, where the brokers gave one.
    pub(super) topic_ids: BTreeMap<String, String>,
}

impl KafkaOffset {
    /// Reads what [`Self::to_source_offset`] wrote.
    pub(super) fn from_source_offset(offset: &SourceOffset) -> Result<Self> {
        let corrupt = |what: &str| {
            Error::new(
                ErrorKind::CorruptCheckpoint,
                format!("a kafka offset in the checkpoint {what}: {offset}"),
            )
        };
        let offsets = offset
            .0
            .get("offsets")
            .ok_or_else(|| corrupt("has no \"offsets\""))?;
        let offsets = parse_per_partition(offsets).map_err(|what| corrupt(&what))?;
        if offsets.values().any(|&value| value < 0) {
            return Err(corrupt("has a negative offset"));
        }
        let mut topic_ids = BTreeMap::new();
        match offset.0.get("topicIds") {
            None => {}
            Some(Value::Object(ids)) => {
                for (topic, id) in ids {
                    let id = id
                        .as_str()
                        .ok_or_else(|| corrupt("has a topic id that is no string"))?;
                    topic_ids.insert(topic.clone(), id.to_owned());
                }
            }
            Some(_) => return Err(corrupt("has \"topicIds\" that are no object")),
        }
        Ok(Self { offsets, topic_ids })
    }

    /// For the checkpoint: `{"offsets":{"topic":{"0":10}},"topicIds":{"topic":"..."}}`.
    pub(super) fn to_source_offset(&self) -> SourceOffset {
        SourceOffset(json!({"offsets": self.to_json(), "topicIds": self.topic_ids}))
    }

    /// Spark's form: `{"topic":{"0":10}}`.
    pub(super) fn to_json(&self) -> Value {
        let mut topics = Map::new();
        for (at, offset) in &self.offsets {
            let topic = topics
                .entry(at.topic.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(partitions) = topic {
                partitions.insert(at.partition.to_string(), json!(offset));
            }
        }
        Value::Object(topics)
    }
}

/// Reads `{"topic":{"0":10}}`; the error completes the sentence "the value ...".
pub(super) fn parse_per_partition(value: &Value) -> Result<PerPartition, String> {
    let topics = value
        .as_object()
        .ok_or("is no object of topics, e.g. {\"orders\":{\"0\":23,\"1\":-2}}")?;
    let mut all = PerPartition::new();
    for (topic, partitions) in topics {
        let partitions = partitions
            .as_object()
            .ok_or_else(|| format!("names no partitions of topic {topic:?}, e.g. {{\"0\":23}}"))?;
        for (partition, number) in partitions {
            let number_of = partition
                .parse::<i32>()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or_else(|| format!("has {partition:?} for a partition of topic {topic:?}"))?;
            let number = number.as_i64().ok_or_else(|| {
                format!(
                    "has {number} for partition {partition} of topic {topic:?}, which is no integer"
                )
            })?;
            all.insert(TopicPartition::new(topic.clone(), number_of), number);
        }
    }
    Ok(all)
}

/// A list of partitions as messages show it: the first few by name.
pub(super) fn list_partitions<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> String {
    const SHOWN: usize = 10;
    let all: Vec<String> = partitions
        .into_iter()
        .map(|at| format!("{}-{}", at.topic, at.partition))
        .collect();
    match all.len().checked_sub(SHOWN) {
        None | Some(0) => all.join(", "),
        Some(more) => format!("{} and {more} more", all[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> KafkaOffset {
        KafkaOffset {
            offsets: [
                (TopicPartition::new("b", 0), 5),
                (TopicPartition::new("a", 10), i64::MAX),
                (TopicPartition::new("a", 2), 0),
            ]
            .into(),
            topic_ids: [("a".to_owned(), "x1".to_owned())].into(),
        }
    }

    #[test]
    fn offset_survives_the_checkpoint() {
        let text = sample().to_source_offset().to_string();
        let back = SourceOffset(serde_json::from_str(&text).unwrap());
        assert_eq!(KafkaOffset::from_source_offset(&back).unwrap(), sample());
    }

    #[test]
    fn users_see_sparks_form_with_partitions_in_numeric_order() {
        assert_eq!(
            sample().to_json().to_string(),
            r#"{"a":{"2":0,"10":9223372036854775807},"b":{"0":5}}"#
        );
    }

    #[test]
    fn damaged_offset_is_a_corrupt_checkpoint() {
        for text in [
            "null",
            "{}",
            r#"{"offsets":7}"#,
            r#"{"offsets":{"a":7}}"#,
            r#"{"offsets":{"a":{"x":7}}}"#,
            r#"{"offsets":{"a":{"0":"7"}}}"#,
            r#"{"offsets":{"a":{"0":1.5}}}"#,
            r#"{"offsets":{"a":{"0":-1}}}"#,
            r#"{"offsets":{"a":{"-1":1}}}"#,
            r#"{"offsets":{},"topicIds":[]}"#,
            r#"{"offsets":{},"topicIds":{"a":1}}"#,
        ] {
            let offset = SourceOffset(serde_json::from_str(text).unwrap());
            let error = KafkaOffset::from_source_offset(&offset).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptCheckpoint, "{text}");
        }
    }

    #[test]
    fn long_lists_of_partitions_are_cut() {
        let all: Vec<_> = (0..12).map(|n| TopicPartition::new("t", n)).collect();
        assert!(list_partitions(&all).ends_with("t-9 and 2 more"));
        assert_eq!(list_partitions(&all[..2]), "t-0, t-1");
    }
}
