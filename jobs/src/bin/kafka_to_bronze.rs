//! See `kafka_to_bronze --help` and `jobs/kafka_to_bronze.md`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    weir_jobs::kafka_to_bronze::main(std::env::args_os(), Vec::new())
}
