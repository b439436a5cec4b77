//! Days as arguments: `2026-01-31`, and ranges of them.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate};
use weir::datafusion::common::ScalarValue;
use weir::datafusion::logical_expr::{Expr, lit};
use weir::{Error, Result};

use crate::value::look_up;

/// A day, in UTC. Shown, and kept in tables, as `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// Today.
    #[must_use]
    pub fn today() -> Self {
        Self(chrono::Utc::now().date_naive())
    }

    /// The day that is `days` after this one, or before it. Beyond the years 1 to 9999, their last.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        let span = Days::new(days.unsigned_abs());
        let moved = if days < 0 {
            self.0.checked_sub_days(span)
        } else {
            self.0.checked_add_days(span)
        };
        match moved {
            Some(moved) if is_sane(moved) => Self(moved),
            _ if days < 0 => Self(NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(NaiveDate::MIN)),
            _ => Self(NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or(NaiveDate::MAX)),
        }
    }

    /// As a literal of SQL.
    #[must_use]
    pub fn sql(self) -> String {
        format!("DATE '{self}'")
    }

    /// As a literal of a dataframe.
    #[must_use]
    pub fn literal(self) -> Expr {
        lit(ScalarValue::Date32(Some(self.since_epoch())))
    }

    /// Days since 1970-01-01, as Arrow keeps a date.
    #[must_use]
    pub fn since_epoch(self) -> i32 {
        self.0.to_epoch_days()
    }

    /// The day that is `days` after 1970-01-01, as Arrow keeps a date.
    #[must_use]
    pub fn from_epoch(days: i32) -> Option<Self> {
        NaiveDate::from_epoch_days(days).map(Self)
    }
}

/// Others take it for a date, too.
fn is_sane(date: NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(date) if is_sane(date) => Ok(Self(date)),
            _ => Err(Error::invalid_argument("it takes a date like 2026-01-31")),
        }
    }
}

/// A day given as an argument.
///
/// # Errors
/// `InvalidArgument` for what is no day.
pub fn parse_day(text: &str) -> Result<Day> {
    look_up(text)?.parse()
}

/// Days from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange {
    /// The first.
    pub first: Day,
    /// The last.
    pub last: Day,
}

/// `2026-01-31` or `2026-01-30..2026-01-31`.
///
/// # Errors
/// `InvalidArgument` for what is neither, and for a range that ends before it begins.
pub fn parse_days(text: &str) -> Result<DayRange> {
    let text = look_up(text)?;
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (first.trim().parse()?, last.trim().parse()?),
        None => {
            let day: Day = text.trim().parse()?;
            (day, day)
        }
    };
    if last < first {
        return Err(Error::invalid_argument(format!(
            "the range ends on {last}, before it begins on {first}"
        )));
    }
    Ok(DayRange { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_others_do_not_read_are_refused() {
        for date in ["+12026-01-01", "0000-01-01", "2026-02-30", "today", ""] {
            assert!(parse_day(date).is_err(), "{date}");
        }
        assert_eq!(parse_day("2026-1-31").unwrap().to_string(), "2026-01-31");
    }

    #[test]
    fn ranges_are_one_day_or_two_in_order() {
        let days = parse_days("2026-01-30..2026-02-01").unwrap();
        assert_eq!(days.first.plus(2), days.last);
        let day = parse_days("2026-01-30").unwrap();
        assert_eq!(day.first, day.last);
        for wrong in [
            "2026-02-01..2026-01-30",
            "2026-01-30..",
            "..",
            "2026-01-30...2026-02-01",
        ] {
            assert!(parse_days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_end_where_years_have_four_digits() {
        let last: Day = "9999-12-31".parse().unwrap();
        assert_eq!(last.plus(1), last);
        let first: Day = "0001-01-01".parse().unwrap();
        assert_eq!(first.plus(-1), first);
        assert_eq!(Day::from_epoch(last.since_epoch()), Some(last));
    }
}
