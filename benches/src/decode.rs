//! How fast records are decoded on one core: the parts of `cargo run --release -p weir-benches --bin decode`.
//!
//! Orders of about 1 KB and about 200 B, written by Python's libraries in each format, are decoded by Weir into columns, by Python's
//! libraries into values of Python, and by Spark into columns, each on one thread, in turn: A, B, C, A, B, C. Every run is checked: how
//! many records, and the sum of a field. See docs/performance.md for what is compared and how.

pub mod arguments;
pub mod others;
pub mod records;
pub mod rounds;
pub mod weir;
