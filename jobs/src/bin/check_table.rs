//! See `check_table --help` and `jobs/check_table.md`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    weir_jobs::check_table::main(std::env::args_os())
}
