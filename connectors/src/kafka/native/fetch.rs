//! Fetching explicit partitions into one queue, and the messages in it.
//!
//! It uses librdkafka's partition-wise consumer (`rd_kafka_consume_start_queue`): no consumer group
//! is joined or even looked up, so none needs to be authorised and no poll interval can expire while
//! a slow sink holds the reader back. Each partition starts and stops on its own.

use std::ffi::{CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;

use super::client::{Client, ClientError, describe_code, text_of};
use super::code;

/// A topic of a [`Fetcher`]: its index in order of [`Fetcher::add_topic`].
pub(crate) type TopicIndex = usize;

/// Partitions being fetched, and the queue their messages arrive in.
#[derive(Debug)]
pub(crate) struct Fetcher {
    topics: Vec<Topic>,
    queue: Queue,
    /// Last: it must outlive the topics and the queue, and fields drop in this order.
    client: Client,
}

#[derive(Debug)]
struct Queue(NonNull<sys::rd_kafka_queue_t>);

#[derive(Debug)]
struct Topic {
    name: String,
    handle: NonNull<sys::rd_kafka_topic_t>,
}

// SAFETY: librdkafka's queues and topics may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Send for Topic {}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: live queue, destroyed once, before its client.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: live topic handle, destroyed once, before its client.
        unsafe { sys::rd_kafka_topic_destroy(self.handle.as_ptr()) }
    }
}

impl Fetcher {
    /// A fetcher of nothing yet.
    pub(crate) fn new(client: Client) -> Result<Self, ClientError> {
        // SAFETY: live client.
        let queue = unsafe { sys::rd_kafka_queue_new(client.ptr()) };
        let queue = NonNull::new(queue).map(Queue).ok_or_else(last_error)?;
        Ok(Self {
            topics: Vec::new(),
            queue,
            client,
        })
    }

    /// The client it fetches with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes `name` known.
    pub(crate) fn add_topic(&mut self, name: &str) -> Result<TopicIndex, ClientError> {
        let c_name = CString::new(name).map_err(|_| ClientError {
            code: code::INVALID_TOPIC,
            text: "the topic's name contains a zero byte".to_owned(),
        })?;
        // SAFETY: live client, zero-terminated name, default topic configuration.
        let handle = unsafe {
            sys::rd_kafka_topic_new(self.client.ptr(), c_name.as_ptr(), std::ptr::null_mut())
        };
        let handle = NonNull::new(handle).ok_or_else(last_error)?;
        self.topics.push(Topic {
            name: name.to_owned(),
            handle,
        });
        Ok(self.topics.len() - 1)
    }

    /// Begins to fetch a partition at `offset`.
    pub(crate) fn start(
        &self,
        topic: TopicIndex,
        partition: i32,
        offset: i64,
    ) -> Result<(), ClientError> {
        // SAFETY: live topic and queue of this client.
        let result = unsafe {
            sys::rd_kafka_consume_start_queue(
                self.topics[topic].handle.as_ptr(),
                partition,
                offset,
                self.queue.0.as_ptr(),
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(last_error())
        }
    }

    /// Stops fetching a partition; what was fetched ahead of need is dropped.
    pub(crate) fn stop(&self, topic: TopicIndex, partition: i32) -> Result<(), ClientError> {
        // SAFETY: live topic of this client.
        let result =
            unsafe { sys::rd_kafka_consume_stop(self.topics[topic].handle.as_ptr(), partition) };
        if result == 0 {
            Ok(())
        } else {
            Err(last_error())
        }
    }

    /// What has arrived: up to `max` messages, waiting up to `timeout` unless there are as many.
    /// A `timeout` of zero takes what is there; `max` = 1 waits for the first.
    pub(crate) fn poll(&self, timeout: Duration, max: usize) -> Messages<'_> {
        self.client.serve_events();
        let mut pointers: Vec<*mut sys::rd_kafka_message_t> = vec![std::ptr::null_mut(); max];
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: live queue; the array has room for `max` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue.0.as_ptr(),
                timeout,
                pointers.as_mut_ptr(),
                max,
            )
        };
        pointers.truncate(usize::try_from(count).unwrap_or(0));
        Messages {
            pointers,
            fetcher: self,
        }
    }

    /// The offset after the last record or transaction marker taken from the queue, if any was.
    pub(crate) fn position(&self, topic: TopicIndex, partition: i32) -> Option<i64> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topics[topic].name, partition);
        // SAFETY: live client and list; answers from memory.
        unsafe { sys::rd_kafka_position(self.client.ptr(), list.ptr()) };
        let elements = list.elements();
        match elements.first()?.offset() {
            rdkafka::Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }
}

fn last_error() -> ClientError {
    // SAFETY: reads a thread-local value.
    describe_code(unsafe { sys::rd_kafka_last_error() })
}

/// Messages taken from the queue, given back to librdkafka on drop.
#[derive(Debug)]
pub(crate) struct Messages<'a> {
    pointers: Vec<*mut sys::rd_kafka_message_t>,
    fetcher: &'a Fetcher,
}

impl Messages<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    /// The messages in order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.pointers.iter().map(|&raw| Message {
            raw,
            fetcher: self.fetcher,
        })
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        for &pointer in &self.pointers {
            // SAFETY: a live message, destroyed once.
            unsafe { sys::rd_kafka_message_destroy(pointer) }
        }
    }
}

/// A record, or an event of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Written by `rd_kafka_consume_batch_queue`; live for `'a`, until `Messages` is dropped.
    raw: *mut sys::rd_kafka_message_t,
    fetcher: &'a Fetcher,
}

impl<'a> Message<'a> {
    fn rkt(&self) -> *mut sys::rd_kafka_topic_t {
        // SAFETY: a live message. Fields are read through the raw pointer, one by one: librdkafka
        // writes to the message when it parses headers, and `err` may hold an unnamed code.
        unsafe { (*self.raw).rkt }
    }

    /// The topic, if the message belongs to one that was added.
    pub(crate) fn topic(&self) -> Option<TopicIndex> {
        if self.rkt().is_null() {
            return None;
        }
        let topics = &self.fetcher.topics;
        topics
            .iter()
            .position(|topic| topic.handle.as_ptr() == self.rkt())
            .or_else(|| {
                // SAFETY: the message keeps its topic handle alive.
                let name = unsafe { text_of(sys::rd_kafka_topic_name(self.rkt())) };
                topics.iter().position(|topic| topic.name == name)
            })
    }

    pub(crate) fn partition(&self) -> i32 {
        // SAFETY: as in `rkt`.
        unsafe { (*self.raw).partition }
    }

    /// A record's offset; of an end-of-partition event, the partition's end.
    pub(crate) fn offset(&self) -> i64 {
        // SAFETY: as in `rkt`.
        unsafe { (*self.raw).offset }
    }

    /// The error or event it stands for; `None` for a record.
    pub(crate) fn error(&self) -> Option<ClientError> {
        // SAFETY: the field is a C enum of the size of an `i32`; read as such because the broker may
        // send a code that the bindings do not name.
        let code = unsafe { (&raw const (*self.raw).err).cast::<i32>().read() };
        if code == code::NONE {
            return None;
        }
        let text = String::from_utf8_lossy(self.payload().unwrap_or_default());
        Some(ClientError {
            code,
            text: self.fetcher.client.scrub(&text),
        })
    }

    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: of a record, `key` is null or holds `key_len` bytes as long as the message lives.
        unsafe { bytes_of((*self.raw).key, (*self.raw).key_len) }
    }

    pub(crate) fn payload(&self) -> Option<&'a [u8]> {
        // SAFETY: as `key`; of an event it is the error's text.
        unsafe { bytes_of((*self.raw).payload, (*self.raw).len) }
    }

    /// Milliseconds since the epoch if the record has a timestamp, and Kafka's number for its type
    /// (-1 none, 0 the producer's, 1 the broker's).
    pub(crate) fn timestamp(&self) -> (Option<i64>, i32) {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: live message, writable type.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.raw, &raw mut kind) };
        match kind {
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => (Some(millis), 0),
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => (Some(millis), 1),
            _ => (None, -1),
        }
    }

    /// The headers in order; none when they cannot be parsed is told apart by the error.
    pub(crate) fn headers(&self) -> Result<Headers<'a>, ClientError> {
        let mut headers = std::ptr::null_mut();
        // SAFETY: live message; librdkafka parses the headers into the message, where they stay.
        let err = unsafe { sys::rd_kafka_message_headers(self.raw, &raw mut headers) };
        let no_headers = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__NOENT as i32;
        match err as i32 {
            code::NONE => Ok(Headers {
                raw: headers,
                next: 0,
                message: PhantomData,
            }),
            other if other == no_headers => Ok(Headers {
                raw: std::ptr::null_mut(),
                next: 0,
                message: PhantomData,
            }),
            _ => Err(describe_code(err)),
        }
    }
}

/// # Safety
/// `data` is null or holds `len` bytes that live for `'a`.
unsafe fn bytes_of<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) })
}

/// Iterates over a record's headers: name and value, which may be null.
#[derive(Debug)]
pub(crate) struct Headers<'a> {
    raw: *mut sys::rd_kafka_headers_t,
    next: usize,
    message: PhantomData<&'a ()>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (std::borrow::Cow<'a, str>, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.raw.is_null() {
            return None;
        }
        let mut name: *const c_char = std::ptr::null();
        let mut value: *const c_void = std::ptr::null();
        let mut size = 0;
        // SAFETY: live headers; outputs are written on success, and point into the message.
        unsafe {
            let err = sys::rd_kafka_header_get_all(
                self.raw,
                self.next,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            if err as i32 != code::NONE || name.is_null() {
                return None;
            }
            self.next += 1;
            let name = std::ffi::CStr::from_ptr(name).to_string_lossy();
            Some((name, bytes_of(value, size)))
        }
    }
}
