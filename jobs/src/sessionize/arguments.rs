//! The command line.

use clap::Parser;

use super::gap::{Gap, parse_gap};
use crate::dates::{Day, parse_day};
use crate::value::look_up;

/// Makes the sessions that start on day D of silver's clicks.
///
/// A session is a user's events, each at most --gap after the one before. It belongs to the day it starts
/// on, in UTC, and holds its events of later days, too. The day is replaced in the table in one commit.
/// Run again over the same silver, the job leaves the table as it was.
///
/// The last line on stdout is one JSON object. Exit codes: 0 done, 1 failed, 2 usage, 75 worth
/// retrying, 124 --max-runtime passed, 143 stopped by SIGTERM.
#[derive(Debug, Clone, Parser)]
#[command(name = super::NAME, version)]
pub struct Arguments {
    /// The silver table of clicks, as bronze_to_silver writes it.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub silver: String,

    /// The table of sessions; made if it is not there, partitioned by session_date.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub out: String,

    /// The day whose sessions are made, YYYY-MM-DD.
    #[arg(long, value_name = "D", value_parser = parse_day)]
    pub date: Day,

    /// The longest time between two events of a session (30s, 10m, 1h 30m).
    // With a hyphen, so that a negative one is refused as a gap and not as an argument.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse_gap,
          allow_hyphen_values = true)]
    pub gap: Gap,

    /// A setting of the session with the engine.
    #[arg(long, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,

    /// Stop after this time (30s, 10m, 1h 30m), leaving the table as it is.
    #[arg(long, value_name = "DURATION", value_parser = crate::value::parse_max_runtime)]
    pub max_runtime: Option<std::time::Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[&str]) -> std::result::Result<Arguments, clap::Error> {
        let given = ["job", "--silver", "s", "--out", "o"];
        Arguments::try_parse_from([&given, more].concat())
    }

    #[test]
    fn gap_is_half_an_hour_unless_given() {
        let day = ["--date", "2026-01-31"];
        assert_eq!(parse(&day).unwrap().gap.micros(), 1_800_000_000);
        let given = parse(&[&day[..], &["--gap", "1h 30m"]].concat()).unwrap();
        assert_eq!(given.gap.micros(), 5_400_000_000);
    }

    #[test]
    fn gap_or_day_that_is_none_is_refused_by_name() {
        for gap in ["0s", "-5m", "soon", "30", "1ns", "1s 1ns", "4000d", ""] {
            let error = parse(&["--date", "2026-01-31", "--gap", gap]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("--gap <DURATION>"), "{error}");
            assert!(error.contains(&format!("'{gap}'")), "{error}");
        }
        for day in ["2026-01-30..2026-01-31", "2026-02-30", "today"] {
            let error = parse(&["--date", day]).unwrap_err().to_string();
            assert!(error.contains("--date <D>"), "{error}");
            assert!(error.contains(day), "{error}");
        }
    }
}
