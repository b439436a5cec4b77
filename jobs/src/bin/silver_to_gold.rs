//! See `silver_to_gold --help` and `jobs/silver_to_gold.md`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    weir_jobs::silver_to_gold::main(std::env::args_os())
}
