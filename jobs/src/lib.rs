//! Jobs people can run and copy. Each is a thin `main` over a module of this library.

pub mod bronze_to_silver;
pub mod check_table;
pub mod dates;
pub mod inputs;
pub mod kafka_to_bronze;
pub mod outcome;
pub mod program;
pub mod sessionize;
pub mod silver_to_gold;
pub mod tables;
pub mod totals;
pub mod value;
