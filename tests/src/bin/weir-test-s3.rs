//! Runs a command with an S3-compatible server beside it, on which tests put their lakes:
//! `weir-test-s3 cargo test -p weir-tests --test it -- drain::`.

#![allow(clippy::expect_used, reason = "a test's helper")]

use std::process::{Command, ExitCode};

use weir_tests::s3::{ROOT_VARIABLE, S3Server};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("weir-test-s3 COMMAND ARGS...");
        return ExitCode::from(2);
    };
    let server = match S3Server::start() {
        Ok(server) => server,
        Err(unavailable) => {
            eprintln!("{unavailable}");
            return ExitCode::FAILURE;
        }
    };
    let status = Command::new(program)
        .args(arguments)
        .envs(server.environment())
        .env(ROOT_VARIABLE, server.root())
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot run it: {error}");
            ExitCode::FAILURE
        }
    }
}
