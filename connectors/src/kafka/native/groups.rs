//! The offsets that a consumer group has committed, read and written by one that is no member of it.

use std::ffi::CString;
use std::ops::ControlFlow;
use std::ptr;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;

use super::admin::{Operation, Owned, error_of};
use super::client::{Client, ClientError, describe_code, text_of};
use super::code;

/// An offset of a group, or why a partition has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupOffset {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// `Err`: the broker's error for this partition. A negative offset is none.
    pub(crate) offset: Result<i64, ClientError>,
}

/// A list of groups' answers, as both requests give one.
type Groups = unsafe extern "C" fn(
    *const sys::rd_kafka_event_t,
    *mut usize,
) -> *mut *const sys::rd_kafka_group_result_t;

fn c_group(group: &str) -> Result<CString, ClientError> {
    CString::new(group).map_err(|_| ClientError {
        code: code::NONE,
        text: "the group's name contains a zero byte".to_owned(),
    })
}

impl Client {
    /// Every offset that `group` has committed; nothing of a group that does not exist.
    pub(crate) fn group_offsets<B>(
        &self,
        group: &str,
        timeout: Duration,
        go_on: impl FnMut() -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, Vec<GroupOffset>>, ClientError> {
        let name = c_group(group)?;
        // SAFETY: one request of the kind named; librdkafka copies what it is given. Events are live
        // and, where there is a result, of this kind.
        unsafe {
            self.administrate(
                Operation::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
                None,
                timeout,
                |options, queue| {
                    let mut request = Owned(
                        sys::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), ptr::null()),
                        sys::rd_kafka_ListConsumerGroupOffsets_destroy,
                    );
                    let requests = &raw mut request.0;
                    sys::rd_kafka_ListConsumerGroupOffsets(self.ptr(), requests, 1, options, queue);
                },
                |event| {
                    let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(event);
                    (!result.is_null()).then(|| {
                        self.answer(result, sys::rd_kafka_ListConsumerGroupOffsets_result_groups)
                    })
                },
                go_on,
            )
        }
    }

    /// Commits `offsets` as those of `group`, which must have no members; answers what became of each.
    pub(crate) fn commit_group_offsets<B>(
        &self,
        group: &str,
        offsets: &TopicPartitionList,
        timeout: Duration,
        go_on: impl FnMut() -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, Vec<GroupOffset>>, ClientError> {
        let name = c_group(group)?;
        // SAFETY: as in `group_offsets`; the list is live through the call.
        unsafe {
            self.administrate(
                Operation::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
                None,
                timeout,
                |options, queue| {
                    let mut request = Owned(
                        sys::rd_kafka_AlterConsumerGroupOffsets_new(
                            name.as_ptr(),
                            offsets.ptr().cast_const(),
                        ),
                        sys::rd_kafka_AlterConsumerGroupOffsets_destroy,
                    );
                    let requests = &raw mut request.0;
                    sys::rd_kafka_AlterConsumerGroupOffsets(
                        self.ptr(),
                        requests,
                        1,
                        options,
                        queue,
                    );
                },
                |event| {
                    let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(event);
                    (!result.is_null()).then(|| {
                        self.answer(
                            result,
                            sys::rd_kafka_AlterConsumerGroupOffsets_result_groups,
                        )
                    })
                },
                go_on,
            )
        }
    }

    /// # Safety
    /// `result` is live, and `groups` reads results of its kind.
    unsafe fn answer(
        &self,
        result: *const sys::rd_kafka_event_t,
        groups: Groups,
    ) -> Result<Vec<GroupOffset>, ClientError> {
        let mut offsets = Vec::new();
        // SAFETY: as the caller promises; counts belong to the arrays they come with, and all of it
        // lives as long as the result.
        unsafe {
            let mut count = 0;
            let found = groups(result, &raw mut count);
            for index in 0..count {
                let group = *found.add(index);
                if let Some(error) = error_of(sys::rd_kafka_group_result_error(group)) {
                    return Err(ClientError {
                        text: self.scrub(&error.text),
                        ..error
                    });
                }
                let list = sys::rd_kafka_group_result_partitions(group);
                if list.is_null() {
                    continue;
                }
                for index in 0..usize::try_from((*list).cnt).unwrap_or(0) {
                    let element = (*list).elems.add(index);
                    let code = (&raw const (*element).err).cast::<i32>().read();
                    offsets.push(GroupOffset {
                        topic: text_of((*element).topic),
                        partition: (*element).partition,
                        offset: match code {
                            code::NONE => Ok((*element).offset),
                            _ => Err(describe_code((*element).err)),
                        },
                    });
                }
            }
        }
        Ok(offsets)
    }
}
