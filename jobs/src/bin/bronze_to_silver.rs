//! See `bronze_to_silver --help` and `jobs/bronze_to_silver.md`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    weir_jobs::bronze_to_silver::main(std::env::args_os())
}
