//! The `weir` command.

mod demo;
mod dlq;
mod driver;
mod executor;
mod lag;
mod output;
mod remote;
mod security;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use weir::program::{run, run_to_code};

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

/// Dataframes in batch and micro-batch, from Kafka into Delta tables, exactly once.
#[derive(Debug, Parser)]
#[command(name = "weir", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole pipeline on an embedded Kafka: bronze, silver, gold, sessions, checks; account for every record.
    Demo(demo::Arguments),
    /// Show dead letters, or produce them again.
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Run the jobs that are submitted to this machine, and share executors between them.
    Driver(driver::Arguments),
    /// Run the tasks of a driver's queries on this machine.
    Executor(executor::Arguments),
    /// List the executors of a driver.
    Executors(remote::Executors),
    /// Show how far a consumer group, or a stream's checkpoint, is behind the end of its Kafka topics.
    Lag(lag::Arguments),
    /// Run a program on a driver's machine, as if it ran here.
    Submit(remote::Submit),
    /// List the jobs of a driver.
    Jobs(remote::Jobs),
    /// Show what became of a job.
    Status(remote::OneJob),
    /// Print the output of a job.
    Logs(remote::Logs),
    /// End a job.
    Cancel(remote::OneJob),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo(arguments) => run(demo::run(arguments)),
        Command::Dlq(command) => run(dlq::run(command)),
        Command::Driver(arguments) => run(driver::run(arguments)),
        Command::Executor(arguments) => executor::run(arguments),
        Command::Executors(arguments) => run(remote::executors(arguments)),
        Command::Lag(arguments) => run_to_code(lag::run(arguments)),
        Command::Submit(arguments) => run_to_code(remote::submit(arguments)),
        Command::Jobs(arguments) => run(remote::jobs(arguments)),
        Command::Status(arguments) => run(remote::status(arguments)),
        Command::Logs(arguments) => run(remote::logs(arguments)),
        Command::Cancel(arguments) => run(remote::cancel(arguments)),
    }
}
