//! Which of the partitions that exist a subscription means, and which that it means do not exist.

use std::collections::BTreeSet;

use weir_plan::{Error, ErrorKind, Result};

use super::cluster::Partitions;
use super::offsets::{TopicPartition, list_partitions};
use super::subscription::Subscription;

/// What a subscription means and the cluster lacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Topics named by the subscription, none of them read before.
    topics: BTreeSet<String>,
    /// Partitions named by the subscription, none of them read before.
    partitions: BTreeSet<TopicPartition>,
    /// Partitions that were read before.
    read_before: BTreeSet<TopicPartition>,
}

/// Reduces `found`, the partitions of the subscription's topics, to those that it means.
pub(super) fn select(
    subscription: &Subscription,
    found: &mut Partitions,
    read_before: &BTreeSet<TopicPartition>,
) -> Missing {
    let mut missing = Missing {
        read_before: read_before
            .iter()
            .filter(|at| subscription.covers(at) && !found.all.contains(*at))
            .cloned()
            .collect(),
        ..Missing::default()
    };
    let topics_of = |all: &BTreeSet<TopicPartition>| -> BTreeSet<String> {
        all.iter().map(|at| at.topic.clone()).collect()
    };
    let (there, known) = (topics_of(&found.all), topics_of(read_before));
    let is_missing = |topic: &String| !there.contains(topic) && !known.contains(topic);
    match subscription {
        Subscription::Pattern { .. } => {}
        Subscription::Topics(topics) => {
            missing.topics = topics
                .iter()
                .filter(|topic| is_missing(topic))
                .cloned()
                .collect();
        }
        Subscription::Assign(all) => {
            missing.topics = all
                .keys()
                .filter(|topic| is_missing(topic))
                .cloned()
                .collect();
            let assigned = all.iter().flat_map(|(topic, numbers)| {
                numbers
                    .iter()
                    .map(|number| TopicPartition::new(topic.clone(), *number))
            });
            missing.partitions = assigned
                .filter(|at| !found.all.contains(at) && !read_before.contains(at))
                .filter(|at| !missing.topics.contains(&at.topic))
                .collect();
            found.all.retain(|at| subscription.covers(at));
        }
    }
    missing
}

impl Missing {
    /// Refuses what was never there.
    ///
    /// # Errors
    /// `NotFound` naming the topics or partitions, and `servers`.
    pub(super) fn never_read(&self, servers: &str) -> Result<()> {
        let what = if !self.topics.is_empty() {
            let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
            format!("topic {} does not exist", topics.join(", "))
        } else if !self.partitions.is_empty() {
            let partitions = list_partitions(&self.partitions);
            format!("assigned partitions {partitions} do not exist")
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::NotFound,
            format!("{what} at {servers}; create what is missing, or correct the subscription"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition::new(topic, partition)
    }

    fn found(all: &[(&str, i32)]) -> Partitions {
        Partitions {
            all: all
                .iter()
                .map(|(topic, number)| at(topic, *number))
                .collect(),
            ..Partitions::default()
        }
    }

    fn topics(names: &[&str]) -> Subscription {
        Subscription::Topics(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn topic_that_was_never_there_is_not_found() {
        let missing = select(
            &topics(&["a", "b"]),
            &mut found(&[("a", 0)]),
            &BTreeSet::new(),
        );
        let error = missing.never_read("broker:9092").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error
                .to_string()
                .contains("topic b does not exist at broker:9092"),
            "{error}"
        );
    }

    #[test]
    fn topic_that_was_read_before_is_left_to_the_planner() {
        let read_before = [at("b", 0)].into();
        let missing = select(&topics(&["a", "b"]), &mut found(&[("a", 0)]), &read_before);
        missing.never_read("broker:9092").unwrap();
        // But worth another look before it is taken for gone.
        assert_ne!(missing, Missing::default());
    }

    #[test]
    fn assigned_partitions_are_picked_and_absent_ones_named() {
        let assign = Subscription::Assign([("a".to_owned(), [0, 7].into())].into());
        let mut all = found(&[("a", 0), ("a", 1)]);
        let missing = select(&assign, &mut all, &BTreeSet::new());
        assert_eq!(all, found(&[("a", 0)]));
        let error = missing.never_read("broker:9092").unwrap_err();
        assert!(
            error.to_string().contains("partitions a-7 do not exist"),
            "{error}"
        );
    }
}
