//! TPC-H's queries on several masters: the parts of `cargo run --release -p weir-benches --bin scaling`.
//!
//! Every query runs on every master in turn, round by round, so that what else the machine does hits all of them alike. All rows are
//! compared with those of the first master. Its own can be compared with DuckDB's (`--answers`, `support/duckdb/check.py`); at scale factor
//! 1 it is told where they differ from the answers that come with the generator.

pub mod answer;
pub mod arguments;
pub mod queries;
pub mod rounds;
pub mod table;
pub mod tables;
