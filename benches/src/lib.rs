//! What the benchmarks share: repeated timings and their table, and the parts of `drain` and `scaling`. Benchmarks print; tests never time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot be run has no result"
)]

pub mod decode;
pub mod drain;
pub mod recovery;
pub mod scaling;
pub mod skew;

use std::process::Command;
use std::time::{Duration, Instant};

/// Timings of one thing.
#[derive(Debug)]
pub struct Timings {
    /// What was timed.
    pub what: String,
    runs: Vec<Duration>,
}

impl Timings {
    /// Runs `command()` `times` times, from process start to process end.
    ///
    /// # Panics
    /// When one run fails.
    pub fn of_process(what: &str, times: usize, command: impl Fn() -> Command) -> Self {
        let runs = (0..times).map(|_| {
            let begun = Instant::now();
            let output = command().output().expect("the process starts");
            let took = begun.elapsed();
            assert!(
                output.status.success(),
                "{what}: {}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
            took
        });
        Self {
            what: what.to_owned(),
            runs: runs.collect(),
        }
    }

    /// One row of a Markdown table: name, median, minimum, maximum in milliseconds, number of runs.
    pub fn row(&self) -> String {
        let mut sorted = self.runs.clone();
        sorted.sort_unstable();
        let ms = |at: usize| sorted.get(at).map_or(0.0, |run| run.as_secs_f64() * 1e3);
        let last = sorted.len().saturating_sub(1);
        format!(
            "| {} | {:.0} | {:.0} | {:.0} | {} |",
            self.what,
            ms(sorted.len() / 2),
            ms(0),
            ms(last),
            sorted.len()
        )
    }
}

/// The heading that [`Timings::row`] belongs under.
pub const HEADING: &str = "| | median ms | min | max | runs |\n|---|---|---|---|---|";
