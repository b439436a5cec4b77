//! TPC-H on executors beside the same in one process: see docs/performance.md.
//!
//! `cargo run --release -p weir-benches --bin scaling -- --scale 1 --keep /tmp/tpch`; `--help` lists the arguments.

use std::process::ExitCode;

use clap::Parser as _;
use weir_benches::scaling::arguments::Arguments;
use weir_benches::scaling::rounds;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    // An executor is this program without arguments: the defaults are read, and not used.
    let arguments = Arguments::parse();
    weir::program::run(rounds::measure(arguments))
}
