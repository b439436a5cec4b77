//! See `sessionize --help` and `jobs/sessionize.md`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    weir_jobs::sessionize::main(std::env::args_os())
}
