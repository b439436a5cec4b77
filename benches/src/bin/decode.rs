//! Decoding JSON, CSV, Avro and Protobuf on one core, beside Python and Spark: prints a table.
//!
//! `cargo run --release -p weir-benches --bin decode`; `--help` lists the arguments.

use std::process::ExitCode;

use clap::Parser as _;
use weir_benches::decode::arguments::Arguments;
use weir_benches::decode::rounds::measure;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    weir::program::run(measure(arguments))
}
