//! The time that ends a session.

use std::time::Duration;

use weir::datafusion::logical_expr::{Expr, lit};
use weir::{Error, Result};

use crate::value::look_up;

const DAY: Duration = Duration::from_hours(24);
/// As many days as other jobs look back at most.
const DAYS_MAX: u32 = 3660;

/// The longest time between two events of one session, in whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    micros: i64,
}

impl Gap {
    /// In microseconds.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.micros
    }

    /// How many days before a day an event can lie that is within the gap of its beginning.
    pub(super) fn days(self) -> i64 {
        let day = DAY.as_micros() as i64;
        self.micros / day + i64::from(self.micros % day > 0)
    }

    /// As a literal of a dataframe, in microseconds.
    pub(super) fn literal(self) -> Expr {
        lit(self.micros)
    }
}

/// The gap of `--gap`.
///
/// # Errors
/// `InvalidArgument` for what is no duration, for none at all, and for one that is too fine or too long
/// to be counted; as [`look_up`].
pub(super) fn parse_gap(text: &str) -> Result<Gap> {
    let gap = weir::settings::parse_duration("--gap", &look_up(text)?)?;
    let refused = |what: &str| {
        Error::invalid_argument(format!(
            "--gap is {text:?}, {what}; it takes a duration like 30s, 10m or 1h 30m"
        ))
    };
    if gap.is_zero() {
        return Err(refused("which makes every event a session of its own"));
    }
    if !gap.subsec_nanos().is_multiple_of(1_000) {
        return Err(refused("which is finer than a table's microseconds"));
    }
    if gap > DAY * DAYS_MAX {
        return Err(refused(&format!("longer than {DAYS_MAX} days")));
    }
    let micros = i64::try_from(gap.as_micros());
    let micros = micros.map_err(|_| refused("which is too long"))?;
    Ok(Gap { micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_before_are_counted_up() {
        for (gap, days) in [
            ("1us", 1),
            ("30m", 1),
            ("24h", 1),
            ("24h 1us", 2),
            ("3d", 3),
        ] {
            assert_eq!(parse_gap(gap).unwrap().days(), days, "{gap}");
        }
    }
}
