//! What a consumer group has committed, asked and told without being its member.
//!
//! A stream's own record is its checkpoint, and nothing is ever read from a group. The group is for
//! onlookers: `kafka-consumer-groups.sh`, exporters, alerts.

use std::ops::ControlFlow;

use rdkafka::{Offset, TopicPartitionList};
use weir_plan::{Error, Result};

use super::cluster::{Cluster, Inner};
use super::native::client::{Client, ClientError};
use super::native::code;
use super::native::groups::GroupOffset;
use super::offsets::{PerPartition, TopicPartition};

impl Cluster {
    /// The offset of the next record per partition, as `group` has committed it; nothing of a group
    /// that does not exist.
    ///
    /// # Errors
    /// `Unavailable` when the cluster is out of reach, `InvalidArgument` when it does not accept who
    /// asks.
    pub(super) async fn committed(&self, group: &str) -> Result<PerPartition> {
        let group = group.to_owned();
        self.ask(move |inner, client| {
            let what = format!("read what group {group:?} has committed");
            let answers = insist(inner, client, &what, |timeout, go_on| {
                client.group_offsets(&group, timeout, go_on)
            })?;
            let committed = answers.into_iter().filter(|(_, offset)| *offset >= 0);
            Ok(committed.collect())
        })
        .await
    }

    /// Commits `offsets`, the next to read, as those of `group`.
    ///
    /// # Errors
    /// As [`Self::committed`]; `Unavailable` as well when the group has members. A partition that does not
    /// exist any longer is passed over: nobody is behind in it.
    pub(super) async fn commit(&self, group: &str, offsets: PerPartition) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let group = group.to_owned();
        self.ask(move |inner, client| {
            let what = format!("commit offsets of group {group:?}");
            let mut list = TopicPartitionList::with_capacity(offsets.len());
            for (at, &offset) in &offsets {
                list.add_partition_offset(&at.topic, at.partition, Offset::Offset(offset))
                    .map_err(|error| Error::internal(format!("{at}: {error}")))?;
            }
            insist(inner, client, &what, |timeout, go_on| {
                client.commit_group_offsets(&group, &list, timeout, go_on)
            })?;
            Ok(())
        })
        .await
    }
}

type Answers = std::result::Result<ControlFlow<Error, Vec<GroupOffset>>, ClientError>;

/// Asks again while the error is one that passes, within the bounds of an attempt. An error of one
/// partition is one of all.
fn insist(
    inner: &Inner,
    client: &Client,
    what: &str,
    ask: impl Fn(std::time::Duration, &mut dyn FnMut() -> ControlFlow<Error>) -> Answers,
) -> Result<PerPartition> {
    let mut attempt = inner.attempt(client, what);
    loop {
        let answers = ask(attempt.remaining(), &mut || attempt.check());
        let error = match answers {
            Ok(ControlFlow::Break(stop)) => return Err(stop),
            Ok(ControlFlow::Continue(offsets)) => match sorted(offsets) {
                Ok(offsets) => {
                    client.forget_trouble();
                    return Ok(offsets);
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        attempt.again(&error)?;
    }
}

/// The offsets of partitions that exist, or the first one's error, which names it.
fn sorted(offsets: Vec<GroupOffset>) -> std::result::Result<PerPartition, ClientError> {
    let mut all = PerPartition::new();
    for found in offsets {
        let at = TopicPartition::new(found.topic, found.partition);
        match found.offset {
            Ok(offset) => {
                all.insert(at, offset);
            }
            Err(error) if code::is_unknown_partition(error.code) => {}
            Err(error) if error.code == code::UNKNOWN_MEMBER => return Err(error),
            Err(error) => {
                return Err(ClientError {
                    code: error.code,
                    text: format!("{at}: {}", error.text),
                });
            }
        }
    }
    Ok(all)
}
