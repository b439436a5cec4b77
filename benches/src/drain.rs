//! How fast Kafka is drained: the parts of `cargo run --release -p weir-benches --bin drain`.
//!
//! Every peer is a process of its own, so that CPU time and memory are its own, and every run is checked record by record count and
//! offset before it counts. See docs/performance.md for what is compared and how.

pub mod arguments;
pub mod expected;
pub mod measure;
pub mod peers;
pub mod records;
pub mod rounds;
pub mod table;
pub mod topics;
