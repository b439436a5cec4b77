//! The integration tests: one binary, because linking this tree takes longer than running most of
//! them. One module per behaviour; what they share is the library (`tests/src`) and [`bronze`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed expectation is a failed test"
)]

mod api;
mod bad_input;
mod batch_reads;
mod bronze;
mod check_table;
mod cluster;
mod data_loss;
mod dead_letters;
mod decoded;
mod delta_reads;
mod delta_writes;
mod demo;
mod drain;
mod exchanges;
mod explain;
mod faults;
mod files;
mod functions;
mod gold;
mod job;
mod jobs;
mod joins;
mod kafka_security;
mod kill;
mod lag;
mod layers;
mod object_stores;
mod offsets;
mod partitions;
mod pipeline;
mod records;
mod registry;
mod schemas;
mod security;
mod sessions;
mod silver;
mod stream;
mod stream_joins;
mod tidy;
mod transactions;
