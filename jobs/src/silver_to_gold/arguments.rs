//! The command line.

use clap::Parser;

use crate::dates::{DayRange, parse_days};
use crate::value::look_up;

/// Adds up silver's orders by day and product category.
///
/// The orders with an event date in the range are joined with the product dimension; orders of products
/// it does not know are kept apart and counted. The dates are replaced in gold in one commit. Run again
/// over the same silver, the job leaves gold as it was.
///
/// The last line on stdout is one JSON object. Exit codes: 0 done, 1 failed, 2 usage, 75 worth
/// retrying, 124 --max-runtime passed, 143 stopped by SIGTERM.
#[derive(Debug, Clone, Parser)]
#[command(name = super::NAME, version)]
pub struct Arguments {
    /// The silver table of orders, as bronze_to_silver writes it.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub silver: String,

    /// The product dimension: a Delta table with columns product_id and category.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub products: String,

    /// The gold table; made if it is not there, partitioned by event_date.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub gold: String,

    /// The event dates to process, YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD, both included.
    #[arg(long, value_name = "D[..D]", value_parser = parse_days)]
    pub date: DayRange,

    /// A setting of the session.
    #[arg(long, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,

    /// Stop after this time (30s, 10m, 1h 30m), leaving the table as it is.
    #[arg(long, value_name = "DURATION", value_parser = crate::value::parse_max_runtime)]
    pub max_runtime: Option<std::time::Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(date: &str) -> std::result::Result<Arguments, clap::Error> {
        let tables = ["--silver", "s", "--products", "p", "--gold", "g"];
        Arguments::try_parse_from([&["job"], &tables[..], &["--date", date]].concat())
    }

    #[test]
    fn date_is_a_day_or_a_range_and_anything_else_is_refused_by_name() {
        let days = parse("2026-01-30..2026-02-01").unwrap().date;
        assert_eq!(days.first.to_string(), "2026-01-30");
        assert_eq!(days.last.to_string(), "2026-02-01");
        assert_eq!(parse("2026-01-30").unwrap().date.first, days.first);
        for wrong in ["2026-02-30", "2026-02-01..2026-01-01", "yesterday", ""] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains("--date <D[..D]>"), "{error}");
            assert!(error.contains(&format!("'{wrong}'")), "{error}");
        }
    }

    #[test]
    fn argument_that_is_missing_is_named() {
        let error = Arguments::try_parse_from(["job"]).unwrap_err().to_string();
        for argument in ["--silver", "--products", "--gold", "--date"] {
            assert!(error.contains(argument), "{error}");
        }
    }
}
