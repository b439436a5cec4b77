//! A join whose keys are skewed, salted and not: prints a table.
//!
//! `cargo run --release -p weir-benches --bin skew`; `--help` lists the arguments.

use std::process::ExitCode;

use clap::Parser as _;
use weir_benches::skew::{Arguments, measure};

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    // An executor is this program without arguments: the defaults are read, and not used.
    let arguments = Arguments::parse();
    weir::program::run(measure(arguments))
}
