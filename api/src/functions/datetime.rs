//! Dates and times, in UTC. Text given for a date or time is cast to one, as Spark does, and ends the query when it is none.

use datafusion::logical_expr::{Expr, lit};
use weir_plan::functions::datetime::convert::{
    DATE_FORMAT, DATE_FROM_UNIX_DATE, FROM_UNIXTIME, MAKE_DATE, TIMESTAMP_MICROS, TIMESTAMP_MILLIS,
    TIMESTAMP_SECONDS, TO_DATE, TO_TIMESTAMP, UNIX_DATE, UNIX_MICROS, UNIX_MILLIS, UNIX_SECONDS,
    UNIX_TIMESTAMP,
};
use weir_plan::functions::datetime::parts::{
    DAY_OF_MONTH, DAY_OF_WEEK, DAY_OF_YEAR, HOUR, MINUTE, MONTH, QUARTER, SECOND, WEEK_OF_YEAR,
    WEEKDAY, YEAR,
};
use weir_plan::functions::datetime::shift::{
    ADD_MONTHS, DATE_ADD, DATE_DIFF, DATE_SUB, LAST_DAY, MONTHS_BETWEEN, NEXT_DAY,
};
use weir_plan::functions::datetime::truncate::{DATE_TRUNC, TRUNC};
use weir_plan::functions::kernel::Function;

/// What `unix_timestamp` and `from_unixtime` read and write unless told otherwise.
const PATTERN_DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

/// The day a query began; in a stream, the day its batch was planned, also when it runs again.
#[must_use]
pub fn current_date() -> Expr {
    datafusion::functions::expr_fn::current_date()
}

/// A date. Text is read by `pattern` if there is one (Spark's letters, `"dd/MM/yyyy"`), else as a cast reads it.
#[must_use]
pub fn to_date(expr: Expr, pattern: Option<&str>) -> Expr {
    with_pattern(&TO_DATE, expr, pattern)
}

/// A `timestamp`: see [`to_date`].
#[must_use]
pub fn to_timestamp(expr: Expr, pattern: Option<&str>) -> Expr {
    with_pattern(&TO_TIMESTAMP, expr, pattern)
}

/// A date or time as text, by a pattern of Spark's letters. Letters there are not end the query.
#[must_use]
pub fn date_format(expr: Expr, pattern: &str) -> Expr {
    Function::call(&DATE_FORMAT, vec![expr, lit(pattern)])
}

/// Seconds since 1970 of a time, rounded towards 1970, or of text in `pattern` (`yyyy-MM-dd HH:mm:ss` unless given).
#[must_use]
pub fn unix_timestamp(expr: Expr, pattern: Option<&str>) -> Expr {
    Function::call(
        &UNIX_TIMESTAMP,
        vec![expr, lit(pattern.unwrap_or(PATTERN_DEFAULT))],
    )
}

/// Seconds since 1970 as text in `pattern` (`yyyy-MM-dd HH:mm:ss` unless given).
#[must_use]
pub fn from_unixtime(expr: Expr, pattern: Option<&str>) -> Expr {
    Function::call(
        &FROM_UNIXTIME,
        vec![expr, lit(pattern.unwrap_or(PATTERN_DEFAULT))],
    )
}

/// The time `expr` seconds after 1970 began; they may have a fraction.
#[must_use]
pub fn timestamp_seconds(expr: Expr) -> Expr {
    Function::call(&TIMESTAMP_SECONDS, vec![expr])
}

/// The time `expr` milliseconds after 1970 began.
#[must_use]
pub fn timestamp_millis(expr: Expr) -> Expr {
    Function::call(&TIMESTAMP_MILLIS, vec![expr])
}

/// The time `expr` microseconds after 1970 began.
#[must_use]
pub fn timestamp_micros(expr: Expr) -> Expr {
    Function::call(&TIMESTAMP_MICROS, vec![expr])
}

/// Seconds since 1970 of a time, rounded down (`bigint`).
#[must_use]
pub fn unix_seconds(expr: Expr) -> Expr {
    Function::call(&UNIX_SECONDS, vec![expr])
}

/// Milliseconds since 1970 of a time, rounded down (`bigint`).
#[must_use]
pub fn unix_millis(expr: Expr) -> Expr {
    Function::call(&UNIX_MILLIS, vec![expr])
}

/// Microseconds since 1970 of a time (`bigint`).
#[must_use]
pub fn unix_micros(expr: Expr) -> Expr {
    Function::call(&UNIX_MICROS, vec![expr])
}

/// Days since 1970 of a date (`int`).
#[must_use]
pub fn unix_date(expr: Expr) -> Expr {
    Function::call(&UNIX_DATE, vec![expr])
}

/// The date `expr` days after 1970-01-01.
#[must_use]
pub fn date_from_unix_date(expr: Expr) -> Expr {
    Function::call(&DATE_FROM_UNIX_DATE, vec![expr])
}

/// The date of a year, month and day; one that does not exist ends the query.
#[must_use]
pub fn make_date(year: Expr, month: Expr, day: Expr) -> Expr {
    Function::call(&MAKE_DATE, vec![year, month, day])
}

/// The year (`int`), 0 before year 1.
#[must_use]
pub fn year(expr: Expr) -> Expr {
    Function::call(&YEAR, vec![expr])
}

/// The quarter, 1 to 4 (`int`).
#[must_use]
pub fn quarter(expr: Expr) -> Expr {
    Function::call(&QUARTER, vec![expr])
}

/// The month, 1 to 12 (`int`).
#[must_use]
pub fn month(expr: Expr) -> Expr {
    Function::call(&MONTH, vec![expr])
}

/// The day of the month, 1 to 31 (`int`).
#[must_use]
pub fn dayofmonth(expr: Expr) -> Expr {
    Function::call(&DAY_OF_MONTH, vec![expr])
}

/// As [`dayofmonth`].
#[must_use]
pub fn day(expr: Expr) -> Expr {
    dayofmonth(expr)
}

/// The day of the week, 1 (Sunday) to 7 (Saturday) (`int`).
#[must_use]
pub fn dayofweek(expr: Expr) -> Expr {
    Function::call(&DAY_OF_WEEK, vec![expr])
}

/// The day of the week, 0 (Monday) to 6 (Sunday) (`int`).
#[must_use]
pub fn weekday(expr: Expr) -> Expr {
    Function::call(&WEEKDAY, vec![expr])
}

/// The day of the year, 1 to 366 (`int`).
#[must_use]
pub fn dayofyear(expr: Expr) -> Expr {
    Function::call(&DAY_OF_YEAR, vec![expr])
}

/// The week of ISO 8601, 1 to 53 (`int`): the first is the one with the year's first Thursday.
#[must_use]
pub fn weekofyear(expr: Expr) -> Expr {
    Function::call(&WEEK_OF_YEAR, vec![expr])
}

/// The hour, 0 to 23 (`int`).
#[must_use]
pub fn hour(expr: Expr) -> Expr {
    Function::call(&HOUR, vec![expr])
}

/// The minute, 0 to 59 (`int`).
#[must_use]
pub fn minute(expr: Expr) -> Expr {
    Function::call(&MINUTE, vec![expr])
}

/// The second, 0 to 59 (`int`).
#[must_use]
pub fn second(expr: Expr) -> Expr {
    Function::call(&SECOND, vec![expr])
}

/// The date `days` later.
#[must_use]
pub fn date_add(start: Expr, days: Expr) -> Expr {
    Function::call(&DATE_ADD, vec![start, days])
}

/// The date `days` earlier.
#[must_use]
pub fn date_sub(start: Expr, days: Expr) -> Expr {
    Function::call(&DATE_SUB, vec![start, days])
}

/// How many days `end` is after `start` (`int`).
#[must_use]
pub fn datediff(end: Expr, start: Expr) -> Expr {
    Function::call(&DATE_DIFF, vec![end, start])
}

/// As [`datediff`].
#[must_use]
pub fn date_diff(end: Expr, start: Expr) -> Expr {
    datediff(end, start)
}

/// The date `months` later; the last day of a month that is too short for the day.
#[must_use]
pub fn add_months(start: Expr, months: Expr) -> Expr {
    Function::call(&ADD_MONTHS, vec![start, months])
}

/// How many months `end` is after `start` (`double`): whole between the same days of a month or last days of
/// months, otherwise counted in months of 31 days, rounded to 8 digits if `round_off`.
#[must_use]
pub fn months_between(end: Expr, start: Expr, round_off: bool) -> Expr {
    Function::call(&MONTHS_BETWEEN, vec![end, start, lit(round_off)])
}

/// The last day of the date's month.
#[must_use]
pub fn last_day(expr: Expr) -> Expr {
    Function::call(&LAST_DAY, vec![expr])
}

/// The first date after `expr` that is a `day_of_week` (`"Mon"`, `"MONDAY"`); another name ends the query.
#[must_use]
pub fn next_day(expr: Expr, day_of_week: &str) -> Expr {
    Function::call(&NEXT_DAY, vec![expr, lit(day_of_week)])
}

/// The first date of the `format` (`year`, `quarter`, `month`, `week`) that the date is in; null for another format.
#[must_use]
pub fn trunc(expr: Expr, format: &str) -> Expr {
    Function::call(&TRUNC, vec![expr, lit(format)])
}

/// The beginning of the `format` (`year` to `microsecond`) that the time is in; null for another format.
#[must_use]
pub fn date_trunc(format: &str, expr: Expr) -> Expr {
    Function::call(&DATE_TRUNC, vec![lit(format), expr])
}

fn with_pattern(
    kernel: &'static weir_plan::functions::kernel::Kernel,
    expr: Expr,
    pattern: Option<&str>,
) -> Expr {
    let mut args = vec![expr];
    args.extend(pattern.map(lit));
    Function::call(kernel, args)
}
