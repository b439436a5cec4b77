//! Kafka topics as a streaming source and as bounded tables.
//!
//! Two sides that share nothing but messages. The *planning side* ([`KafkaSource`], [`batch_table`])
//! asks the cluster for partitions, topic ids and offsets, and decides explicit ranges
//! `[start, end)` per partition. The *task side* ([`KafkaReadExec`]) reads exactly those ranges,
//! without a consumer group, straight into Arrow arrays. How far a stream is, is told to a consumer
//! group after the fact, for onlookers; [`KafkaLag`] is such an onlooker.
//!
//! Guarantees:
//! - a range gives the same records however often and wherever it is read, each once; it ends by
//!   position, whatever transactions or compaction left out;
//! - under `isolation.level=read_committed` (the default) a planned end is the last stable offset;
//! - what is gone (aged out, deleted, recreated) is an error, or with `failOnDataLoss=false` a
//!   warning, and never silence;
//! - memory is bounded by a few batches and the client's queue, whatever the size of the range;
//! - values of client properties are never shown, but for the servers.

mod attempt;
mod check_range;
mod cluster;
mod codec;
mod config;
mod demo;
mod exec;
mod first_record;
mod group;
mod lag;
mod native;
mod offsets;
mod options;
mod outbox;
mod plan_batch;
mod properties;
mod ranges;
mod reader;
mod readings;
mod resolve;
mod rows;
mod schema;
mod secrets;
mod security;
mod select;
mod share;
mod source;
mod subscription;
mod table;

#[cfg(test)]
mod mock_tests;

pub use codec::KafkaReadCodec;
pub use demo::{DemoBroker, DemoRecord};
pub use exec::KafkaReadExec;
pub use lag::{KafkaLag, PartitionLag, PartitionState};
pub use options::{BATCH_OPTIONS, KAFKA_PREFIX, STREAM_OPTIONS};
pub(crate) use outbox::{Outbox, Outgoing, Place, check_outbox_options, check_topic};
pub use schema::kafka_schema;
pub use source::{KafkaSource, batch_table};
