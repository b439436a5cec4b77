//! Which partitions a read means: `subscribe`, `subscribePattern` or `assign`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use regex::Regex;
use weir_plan::{Error, Options, Result};

use super::config::json;
use super::offsets::TopicPartition;

/// Kafka's own topics, which a pattern never means.
const INTERNAL_TOPICS: &[&str] = &[
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// Which partitions are read.
#[derive(Debug, Clone)]
pub(super) enum Subscription {
    Topics(BTreeSet<String>),
    Pattern {
        /// As the user wrote it.
        text: String,
        /// Matches whole names.
        regex: Regex,
    },
    Assign(BTreeMap<String, BTreeSet<i32>>),
}

impl Subscription {
    /// The one of `subscribe`, `subscribePattern` and `assign` that is given.
    pub(super) fn from_options(options: &Options) -> Result<Self> {
        let keys = ["subscribe", "subscribePattern", "assign"];
        let given: Vec<&str> = keys
            .into_iter()
            .filter(|key| options.get(key).is_some())
            .collect();
        let key = match given.as_slice() {
            [one] => *one,
            [] => {
                return Err(Error::invalid_argument(
                    "the kafka source needs one of the options subscribe, subscribePattern and assign",
                ));
            }
            several => {
                return Err(Error::invalid_argument(format!(
                    "the kafka source takes one of the options subscribe, subscribePattern and assign, not {}",
                    several.join(" and ")
                )));
            }
        };
        let text = options.get(key).unwrap_or_default().trim();
        if text.is_empty() {
            return Err(Error::invalid_argument(format!("option {key:?} is empty")));
        }
        match key {
            "subscribe" => Self::topics(text),
            "subscribePattern" => Self::pattern(text),
            _ => Self::assign(key, text),
        }
    }

    fn topics(text: &str) -> Result<Self> {
        let topics: BTreeSet<String> = text
            .split(',')
            .map(str::trim)
            .filter(|topic| !topic.is_empty())
            .map(str::to_owned)
            .collect();
        if topics.is_empty() {
            return Err(Error::invalid_argument(format!(
                "option \"subscribe\" is {text:?}, which names no topic"
            )));
        }
        Ok(Self::Topics(topics))
    }

    fn pattern(text: &str) -> Result<Self> {
        let regex = Regex::new(&format!("^(?:{text})$")).map_err(|error| {
            Error::invalid_argument(format!(
                "option \"subscribePattern\" is {text:?}, which is no regular expression that Weir knows (look-around and back-references are not supported)"
            ))
            .with_source(error)
        })?;
        Ok(Self::Pattern {
            text: text.to_owned(),
            regex,
        })
    }

    fn assign(key: &str, text: &str) -> Result<Self> {
        let bad = || {
            Error::invalid_argument(format!(
                "option {key:?} is {text:?}; it takes partitions per topic, e.g. {{\"orders\":[0,1]}}"
            ))
        };
        let value = json(key, text)?;
        let mut all = BTreeMap::new();
        for (topic, partitions) in value.as_object().ok_or_else(bad)? {
            let partitions = partitions.as_array().ok_or_else(bad)?;
            let numbers: Option<BTreeSet<i32>> = partitions
                .iter()
                .map(|number| {
                    number
                        .as_i64()
                        .and_then(|number| i32::try_from(number).ok())
                        .filter(|number| *number >= 0)
                })
                .collect();
            let numbers = numbers.filter(|numbers| !numbers.is_empty());
            all.insert(topic.clone(), numbers.ok_or_else(bad)?);
        }
        if all.is_empty() {
            return Err(bad());
        }
        Ok(Self::Assign(all))
    }

    /// Whether the partition belongs to what is read, be it there or not.
    pub(super) fn covers(&self, at: &TopicPartition) -> bool {
        match self {
            Self::Topics(topics) => topics.contains(&at.topic),
            Self::Pattern { .. } => self.matches(&at.topic),
            Self::Assign(all) => all
                .get(&at.topic)
                .is_some_and(|partitions| partitions.contains(&at.partition)),
        }
    }

    /// Whether the pattern means the topic; false for what is no pattern.
    pub(super) fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Pattern { regex, .. } => {
                regex.is_match(topic) && !INTERNAL_TOPICS.contains(&topic)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topics(topics) => {
                let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                write!(f, "subscribe: {}", topics.join(","))
            }
            Self::Pattern { text, .. } => write!(f, "subscribePattern: {text}"),
            Self::Assign(all) => {
                let all: Vec<String> = all
                    .iter()
                    .flat_map(|(topic, partitions)| {
                        partitions
                            .iter()
                            .map(move |number| format!("{topic}-{number}"))
                    })
                    .collect();
                write!(f, "assign: {}", all.join(","))
            }
        }
    }
}
