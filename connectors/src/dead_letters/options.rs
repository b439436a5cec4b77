//! Options of a streaming write about its dead letters.

use weir_plan::{Error, OptionSpec, Options, Result};

use crate::kafka::KAFKA_PREFIX;

const DLQ_TABLE: &str = "dlqTable";
const DLQ_TOPIC: &str = "dlqTopic";
const MAX_DLQ_RATE: &str = "maxDlqRate";
const MAX_DLQ_RATE_ACTION: &str = "maxDlqRateAction";

/// Options of a streaming write about its dead letters.
pub const DEAD_LETTER_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        key: DLQ_TABLE,
        doc: "the Delta table that dead letters go to: a directory or a URL; made by the first of them",
    },
    OptionSpec {
        key: DLQ_TOPIC,
        doc: "the Kafka topic that dead letters go to, which exists; {topic} stands for the record's own: {topic}.dlq. Its cluster and client \
              are described by options kafka.*, as those of a source",
    },
    OptionSpec {
        key: MAX_DLQ_RATE,
        doc: "the part of a batch's rows that may be dead letters: 0.001 or 0.1% (the default), up to 1 or 100%",
    },
    OptionSpec {
        key: MAX_DLQ_RATE_ACTION,
        doc: "what more of them do: warn, or fail before anything of the batch is committed (default warn)",
    },
];

/// A part of all rows, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub f64);

impl std::str::FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let given = text.trim();
        let (number, of) = match given.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 100.0),
            None => (given, 1.0),
        };
        match number.parse::<f64>().map(|number| number / of) {
            Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(Self(rate)),
            _ => Err(Error::invalid_argument(format!(
                "{text:?} is no rate; it takes a part of all rows like 0.001 or 0.1%, at most 1 or 100%"
            ))),
        }
    }
}

/// [`DEAD_LETTER_OPTIONS`], as they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeadLetterOptions {
    /// The Delta table.
    pub table: Option<String>,
    /// The Kafka topic.
    pub topic: Option<String>,
    /// The topic's `kafka.*` options.
    pub kafka: Options,
    /// The greatest rate.
    pub max_rate: Option<Rate>,
    /// What happens beyond it.
    pub over_rate: Option<String>,
}

impl DeadLetterOptions {
    /// Takes them out of `options`.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that is none.
    pub fn take(options: &mut Options) -> Result<Self> {
        let max_rate = match options.remove(MAX_DLQ_RATE) {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|error: Error| error.context(format!("option {MAX_DLQ_RATE:?}")))?,
            ),
        };
        let topic = options.remove(DLQ_TOPIC);
        let mut kafka = Options::new();
        let given: Vec<String> = options
            .with_prefix(KAFKA_PREFIX)
            .map(|(key, _)| format!("{KAFKA_PREFIX}{key}"))
            .collect();
        for key in given {
            if topic.is_none() {
                return Err(Error::invalid_argument(format!(
                    "option {key:?} of a write is for its dead letters: set option {DLQ_TOPIC:?}, too, or remove it"
                )));
            }
            if let Some(value) = options.remove(&key) {
                kafka.set(key, value);
            }
        }
        Ok(Self {
            topic,
            kafka,
            table: options.remove(DLQ_TABLE),
            max_rate,
            over_rate: options.remove(MAX_DLQ_RATE_ACTION),
        })
    }

    /// Whether there is a place for letters.
    #[must_use]
    pub fn names_a_place(&self) -> bool {
        self.table.is_some() || self.topic.is_some()
    }

    /// The option that was given and means nothing without rules.
    #[must_use]
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            (DLQ_TABLE, self.table.is_some()),
            (DLQ_TOPIC, self.topic.is_some()),
            (MAX_DLQ_RATE, self.max_rate.is_some()),
            (MAX_DLQ_RATE_ACTION, self.over_rate.is_some()),
        ];
        given
            .into_iter()
            .find(|(_, given)| *given)
            .map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_parts_or_percentages_and_nothing_else() {
        for (text, rate) in [
            ("0.001", 0.001),
            ("0.1%", 0.001),
            ("100 %", 1.0),
            ("0", 0.0),
        ] {
            let given: Rate = text.parse().unwrap();
            assert!((given.0 - rate).abs() < 1e-12, "{text}: {given:?}");
        }
        for text in ["", "1.5", "-0.1", "101%", "NaN", "a few"] {
            let error = text.parse::<Rate>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
