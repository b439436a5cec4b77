//! Topics, their ids and partitions, and partition offsets, each for many topics in one call.

use std::collections::BTreeSet;
use std::ffi::{CString, c_char};
use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;

use super::admin::{Operation, Owned, error_of, millis};
use super::client::{Client, ClientError, describe_code, text_of};
use super::code;

/// A topic as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicDescription {
    pub(crate) name: String,
    /// The cluster's id of this very topic; older brokers give none.
    pub(crate) id: Option<String>,
    pub(crate) partitions: BTreeSet<i32>,
    /// Why the topic could not be described, e.g. because it does not exist.
    pub(crate) error: Option<ClientError>,
}

impl Client {
    /// Waits until the cluster has answered once; `false` when it has not within `timeout`.
    pub(crate) fn wait_connected(&self, timeout: Duration) -> bool {
        // SAFETY: live client; the string returned is ours to free.
        unsafe {
            let id = sys::rd_kafka_clusterid(self.ptr(), millis(timeout));
            if id.is_null() {
                return false;
            }
            sys::rd_kafka_mem_free(self.ptr(), id.cast());
        }
        true
    }

    /// A broker to send administrative questions to where the cluster's controller is none of its
    /// brokers (librdkafka's mock cluster); `None` where the controller can be asked, as everywhere
    /// else. `topic` need not exist; it keeps the answer short.
    pub(crate) fn stand_in_for_controller(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<Option<i32>, ClientError> {
        let name = CString::new(topic).unwrap_or_default();
        let mut metadata: *const sys::rd_kafka_metadata = std::ptr::null();
        // SAFETY: live client and topic; `metadata` is written on success only, holds `broker_cnt`
        // brokers, and is ours to destroy.
        unsafe {
            let topic = Owned(
                sys::rd_kafka_topic_new(self.ptr(), name.as_ptr(), std::ptr::null_mut()),
                sys::rd_kafka_topic_destroy,
            );
            if topic.0.is_null() {
                return Err(describe_code(sys::rd_kafka_last_error()));
            }
            let err =
                sys::rd_kafka_metadata(self.ptr(), 0, topic.0, &raw mut metadata, millis(timeout));
            if err as i32 != code::NONE || metadata.is_null() {
                return Err(describe_code(err));
            }
            let count = usize::try_from((*metadata).broker_cnt).unwrap_or(0);
            let brokers: Vec<i32> = (0..count)
                .map(|index| (*(*metadata).brokers.add(index)).id)
                .collect();
            sys::rd_kafka_metadata_destroy(metadata);
            let controller = sys::rd_kafka_controllerid(self.ptr(), 0);
            Ok(brokers
                .first()
                .copied()
                .filter(|_| !brokers.contains(&controller)))
        }
    }

    /// The names of all topics that may be seen.
    pub(crate) fn topic_names(&self, timeout: Duration) -> Result<Vec<String>, ClientError> {
        let mut metadata: *const sys::rd_kafka_metadata = std::ptr::null();
        // SAFETY: live client; `metadata` is written on success only.
        let err = unsafe {
            sys::rd_kafka_metadata(
                self.ptr(),
                1,
                std::ptr::null_mut(),
                &raw mut metadata,
                millis(timeout),
            )
        };
        if err as i32 != code::NONE || metadata.is_null() {
            return Err(describe_code(err));
        }
        // SAFETY: on success `metadata` holds `topic_cnt` topics with zero-terminated names, and is
        // ours to destroy.
        unsafe {
            let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
            let names = (0..count)
                .map(|index| text_of((*(*metadata).topics.add(index)).topic))
                .collect();
            sys::rd_kafka_metadata_destroy(metadata);
            Ok(names)
        }
    }

    /// Describes `topics` (no name twice) in one request to `broker`, or else to the controller;
    /// `go_on` is asked every few milliseconds.
    pub(crate) fn describe_topics<B>(
        &self,
        topics: &[String],
        broker: Option<i32>,
        timeout: Duration,
        go_on: impl FnMut() -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, Vec<TopicDescription>>, ClientError> {
        let names: Vec<CString> = topics
            .iter()
            .filter_map(|topic| CString::new(topic.as_str()).ok())
            .collect();
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: one request of the kind named; the arrays live through the call, which copies them.
        // Events are live and, where there is a result, of this kind.
        unsafe {
            self.administrate(
                Operation::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
                broker,
                timeout,
                |options, queue| {
                    let collection = Owned(
                        sys::rd_kafka_TopicCollection_of_topic_names(
                            pointers.as_mut_ptr(),
                            pointers.len(),
                        ),
                        sys::rd_kafka_TopicCollection_destroy,
                    );
                    sys::rd_kafka_DescribeTopics(self.ptr(), collection.0, options, queue);
                },
                |event| {
                    let result = sys::rd_kafka_event_DescribeTopics_result(event);
                    (!result.is_null()).then(|| Ok(descriptions(result)))
                },
                go_on,
            )
        }
    }

    /// Looks up one offset per partition: the list's offsets are -2 (earliest), -1 (latest) or a
    /// timestamp in milliseconds, and become the answers (-1: no record that young). Latest is the
    /// last stable offset under `isolation.level=read_committed`, as librdkafka sends the client's
    /// isolation level along.
    pub(crate) fn list_offsets(
        &self,
        partitions: &mut TopicPartitionList,
        timeout: Duration,
    ) -> Result<(), ClientError> {
        // SAFETY: live client and list; blocks for at most the timeout.
        let err = unsafe {
            sys::rd_kafka_offsets_for_times(self.ptr(), partitions.ptr(), millis(timeout))
        };
        if err as i32 == code::NONE {
            Ok(())
        } else {
            Err(describe_code(err))
        }
    }
}

/// # Safety
/// `result` is live.
unsafe fn descriptions(
    result: *const sys::rd_kafka_DescribeTopics_result_t,
) -> Vec<TopicDescription> {
    let mut count = 0;
    // SAFETY: as the caller promises; the count belongs to the array.
    unsafe {
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        (0..count)
            .map(|index| describe_one(*topics.add(index)))
            .collect()
    }
}

/// # Safety
/// `topic` is live.
unsafe fn describe_one(topic: *const sys::rd_kafka_TopicDescription_t) -> TopicDescription {
    // SAFETY: as the caller promises; everything read belongs to `topic`.
    unsafe {
        let error = error_of(sys::rd_kafka_TopicDescription_error(topic));
        let uuid = sys::rd_kafka_TopicDescription_topic_id(topic);
        let given = !uuid.is_null()
            && (sys::rd_kafka_Uuid_most_significant_bits(uuid) != 0
                || sys::rd_kafka_Uuid_least_significant_bits(uuid) != 0);
        let mut count = 0;
        let partitions = sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
        TopicDescription {
            name: text_of(sys::rd_kafka_TopicDescription_name(topic)),
            id: given.then(|| text_of(sys::rd_kafka_Uuid_base64str(uuid))),
            partitions: (0..count)
                .map(|index| sys::rd_kafka_TopicPartitionInfo_partition(*partitions.add(index)))
                .collect(),
            error,
        }
    }
}
