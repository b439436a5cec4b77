//! The one place of Weir with unsafe code: a thin, safe shell over librdkafka's C API.
//!
//! The safe `rdkafka` crate hands over one event per message and offers neither the batch queue nor
//! topic ids, and its consumer prints librdkafka's log of a batch queue to stderr. What is wrapped
//! here is exactly what the reader and the planner need: a client whose log and errors go to
//! `tracing` without secrets ([`client`]), administrative requests ([`admin`]), metadata and offsets
//! ([`metadata`]), the offsets of consumer groups ([`groups`]), and fetching of explicit partitions into
//! one queue ([`fetch`]).
//!
//! Pointers never leave this module; every handle keeps alive what it points into.
#![allow(unsafe_code)]

pub(super) mod admin;
pub(super) mod client;
pub(super) mod fetch;
pub(super) mod groups;
pub(super) mod metadata;

/// librdkafka's error codes as plain numbers: a code newer than the bindings must not become an
/// invalid enum.
pub(super) mod code {
    use rdkafka::bindings::rd_kafka_resp_err_t as E;

    pub(crate) const NONE: i32 = E::RD_KAFKA_RESP_ERR_NO_ERROR as i32;
    pub(crate) const ALL_BROKERS_DOWN: i32 = E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN as i32;
    pub(crate) const AUTHENTICATION: i32 = E::RD_KAFKA_RESP_ERR__AUTHENTICATION as i32;
    pub(crate) const AUTO_OFFSET_RESET: i32 = E::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET as i32;
    pub(crate) const BAD_COMPRESSION: i32 = E::RD_KAFKA_RESP_ERR__BAD_COMPRESSION as i32;
    pub(crate) const BAD_MSG: i32 = E::RD_KAFKA_RESP_ERR__BAD_MSG as i32;
    pub(crate) const FATAL: i32 = E::RD_KAFKA_RESP_ERR__FATAL as i32;
    pub(crate) const GROUP_AUTHORIZATION: i32 =
        E::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED as i32;
    pub(crate) const CLUSTER_AUTHORIZATION: i32 =
        E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED as i32;
    pub(crate) const INVALID_TOPIC: i32 = E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION as i32;
    pub(crate) const PARTITION_EOF: i32 = E::RD_KAFKA_RESP_ERR__PARTITION_EOF as i32;
    pub(crate) const TIMED_OUT: i32 = E::RD_KAFKA_RESP_ERR__TIMED_OUT as i32;
    pub(crate) const SSL: i32 = E::RD_KAFKA_RESP_ERR__SSL as i32;
    pub(crate) const TOPIC_AUTHORIZATION: i32 =
        E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as i32;
    pub(crate) const TRANSPORT: i32 = E::RD_KAFKA_RESP_ERR__TRANSPORT as i32;
    pub(crate) const UNKNOWN_MEMBER: i32 = E::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID as i32;
    pub(crate) const UNKNOWN_TOPIC_OR_PART: i32 = E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as i32;

    /// The topic or partition does not exist.
    pub(crate) fn is_unknown_partition(code: i32) -> bool {
        [
            UNKNOWN_TOPIC_OR_PART,
            E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID as i32,
            E::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION as i32,
            E::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC as i32,
        ]
        .contains(&code)
    }

    /// librdkafka reports it and goes on trying by itself.
    pub(crate) fn is_retried(code: i32) -> bool {
        [
            TRANSPORT,
            ALL_BROKERS_DOWN,
            TIMED_OUT,
            E::RD_KAFKA_RESP_ERR__RESOLVE as i32,
            E::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE as i32,
            E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT as i32,
            E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as i32,
            E::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE as i32,
            E::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE as i32,
            E::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE as i32,
            E::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE as i32,
            E::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH as i32,
            E::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH as i32,
            E::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR as i32,
            E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE as i32,
            E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS as i32,
            E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR as i32,
            E::RD_KAFKA_RESP_ERR__WAIT_COORD as i32,
        ]
        .contains(&code)
    }
}
