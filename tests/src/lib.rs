//! Test support: what the integration tests (`tests/it`) share, and nothing that a release binary links.
//!
//! It owns the outside world of a test: a real Kafka broker, independent readers of Delta tables (Python and Spark), child processes
//! that can be killed, and the account of what was produced that the readers' answers are compared with.
//!
//! Two rules hold throughout:
//! - A missing tool (Java, Maven, Python) skips a test loudly; under `WEIR_TEST_REQUIRE=1` it fails it. A tool that is there and does
//!   not work always fails the test. See [`requirements`].
//! - Nothing outlives the test process: brokers and children die with it however it ends, and their directories go with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests link this crate: a failed expectation is a failed test"
)]

mod cache;
pub mod certificates;
pub mod cluster;
pub mod environment;
pub mod files;
pub mod kafka;
pub mod ledger;
pub mod process;
pub mod proxy;
pub mod python;
pub mod requirements;
pub mod s3;
pub mod schema_registry;
pub mod spark;
