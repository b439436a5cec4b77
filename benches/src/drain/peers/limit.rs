//! librdkafka alone: fetches with Weir's settings, looks at each message's length and offset, keeps nothing. What no consumer on
//! librdkafka can beat.
//!
//! It takes messages from a queue 1024 at a time, which is the fastest way librdkafka has, and which rdkafka's consumers do not offer.
//! As many clients share the partitions as there are cores: each client inflates and parses what a broker sends on one thread.

#![allow(unsafe_code, reason = "librdkafka's batch queue is its C API's alone")]

use std::ffi::{CStr, CString};

use rdkafka::bindings as sys;

use crate::drain::arguments::Source;
use crate::drain::expected::Counted;

/// As Weir's source sets them (connectors/src/kafka/properties.rs).
const SETTINGS: [(&str, &str); 8] = [
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "100000"),
    ("fetch.max.bytes", "8388608"),
    ("fetch.message.max.bytes", "4194304"),
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.wait.max.ms", "20"),
    ("receive.message.max.bytes", "2147483647"),
    ("enable.auto.commit", "false"),
];

const MESSAGES_MAX: usize = 1024;

/// Consumes the topic whole and prints what was counted as JSON.
pub fn run(source: &Source) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let clients = i32::try_from(cores).unwrap_or(1).min(source.partitions);
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let partitions: Vec<i32> = (client..source.partitions)
                .step_by(clients.unsigned_abs() as usize)
                .collect();
            let (bootstrap, topic) = (source.bootstrap.clone(), source.topic.clone());
            std::thread::spawn(move || consume(&bootstrap, &topic, &partitions))
        })
        .collect();
    let mut counted = Counted::default();
    for thread in threads {
        counted += thread.join().expect("a consumer that ends");
    }
    println!(
        "{}",
        serde_json::to_string(&counted).expect("plain numbers")
    );
}

fn consume(bootstrap: &str, topic: &str, partitions: &[i32]) -> Counted {
    let topic = CString::new(topic).expect("a name without a zero byte");
    let mut counted = Counted::default();
    // SAFETY: handles are checked, used while they live, and destroyed once, the client last; a record's fields are read before it is
    // destroyed.
    unsafe {
        let client = client(bootstrap);
        let queue = sys::rd_kafka_queue_new(client);
        let handle = sys::rd_kafka_topic_new(client, topic.as_ptr(), std::ptr::null_mut());
        assert!(!queue.is_null() && !handle.is_null());
        let mut open = 0;
        let mut ends = std::collections::HashMap::new();
        for &partition in partitions {
            let (mut low, mut high) = (0, 0);
            let error = sys::rd_kafka_query_watermark_offsets(
                client,
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
                20_000,
            );
            assert_eq!(error as i32, 0, "watermarks of partition {partition}");
            if high > low {
                ends.insert(partition, high);
                open += 1;
                assert_eq!(
                    sys::rd_kafka_consume_start_queue(handle, partition, low, queue),
                    0
                );
            }
        }
        let mut messages = vec![std::ptr::null_mut::<sys::rd_kafka_message_t>(); MESSAGES_MAX];
        while open > 0 {
            let taken =
                sys::rd_kafka_consume_batch_queue(queue, 0, messages.as_mut_ptr(), MESSAGES_MAX);
            let taken = if taken == 0 {
                sys::rd_kafka_consume_batch_queue(queue, 100, messages.as_mut_ptr(), 1)
            } else {
                taken
            };
            for &message in &messages[..usize::try_from(taken).expect("a count")] {
                let code = (&raw const (*message).err).cast::<i32>().read();
                assert_eq!(code, 0, "an error while consuming");
                let offset = (*message).offset;
                counted.records += 1;
                counted.value_bytes += (*message).len as u64;
                counted.offset_sum += offset.unsigned_abs();
                if offset + 1 == ends[&(*message).partition] {
                    open -= 1;
                    sys::rd_kafka_consume_stop(handle, (*message).partition);
                }
                sys::rd_kafka_message_destroy(message);
            }
        }
        sys::rd_kafka_topic_destroy(handle);
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_destroy(client);
    }
    counted
}

/// # Safety
/// The caller destroys the client.
unsafe fn client(bootstrap: &str) -> *mut sys::rd_kafka_t {
    let mut text = [0; 512];
    // SAFETY: a new configuration, zero-terminated strings and a buffer of the length given; the client takes the configuration over.
    unsafe {
        let conf = sys::rd_kafka_conf_new();
        for (key, value) in std::iter::once(("bootstrap.servers", bootstrap)).chain(SETTINGS) {
            let key = CString::new(key).expect("no zero byte");
            let value = CString::new(value).expect("no zero byte");
            let result = sys::rd_kafka_conf_set(
                conf,
                key.as_ptr(),
                value.as_ptr(),
                text.as_mut_ptr(),
                text.len(),
            );
            assert_eq!(result as i32, 0, "{:?}", CStr::from_ptr(text.as_ptr()));
        }
        let client = sys::rd_kafka_new(
            sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            conf,
            text.as_mut_ptr(),
            text.len(),
        );
        assert!(!client.is_null(), "{:?}", CStr::from_ptr(text.as_ptr()));
        client
    }
}
