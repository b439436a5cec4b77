//! The proleptic Gregorian calendar, as Spark 3 and later count days.

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days since 1970-01-01, unless there is no such day.
#[must_use]
pub fn days_of(year: i64, month: i64, day: i64) -> Option<i32> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    // Howard Hinnant's days_from_civil.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    i32::try_from(era * 146_097 + doe - 719_468).ok()
}

/// Year, month and day of days since 1970-01-01.
#[must_use]
pub fn civil_of(days: i32) -> (i64, i64, i64) {
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// How many days `month` of `year` has.
#[must_use]
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// 1 to 7, Monday first.
#[must_use]
pub fn iso_weekday(days: i32) -> i32 {
    (days.rem_euclid(7) + 3) % 7 + 1
}

/// The day's number in its year, from 1.
#[must_use]
pub fn day_of_year(days: i32) -> i32 {
    let (year, _, _) = civil_of(days);
    days_of(year, 1, 1).map_or(0, |first| days - first + 1)
}

/// The ISO 8601 week, 1 to 53.
#[must_use]
pub fn iso_week(days: i32) -> i32 {
    // The week belongs to the year its Thursday is in.
    let thursday = days - iso_weekday(days) + 4;
    (day_of_year(thursday) - 1) / 7 + 1
}

/// The date `months` later, the day cut to the month's last.
#[must_use]
pub fn add_months(days: i32, months: i32) -> Option<i32> {
    let (year, month, day) = civil_of(days);
    let total = year * 12 + month - 1 + i64::from(months);
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    days_of(year, month, day.min(days_in_month(year, month)))
}

/// The day of a time, and the microseconds into it.
#[must_use]
pub fn split(micros: i64) -> (i32, i64) {
    let days = micros.div_euclid(MICROS_PER_DAY);
    // Any i64 of microseconds is within some 107 million days of the epoch.
    (
        i32::try_from(days).unwrap_or(i32::MAX),
        micros.rem_euclid(MICROS_PER_DAY),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_convert_both_ways() {
        assert_eq!(days_of(1970, 1, 1), Some(0));
        assert_eq!(days_of(2000, 2, 29), Some(11_016));
        assert_eq!(days_of(1900, 2, 29), None);
        for days in (-1_000_000..1_000_000).step_by(37) {
            let (year, month, day) = civil_of(days);
            assert_eq!(days_of(year, month, day), Some(days));
        }
    }

    #[test]
    fn weeks_belong_to_the_year_of_their_thursday() {
        assert_eq!(iso_week(days_of(2021, 1, 3).unwrap()), 53);
        assert_eq!(iso_week(days_of(2020, 12, 31).unwrap()), 53);
        assert_eq!(iso_week(days_of(2018, 12, 31).unwrap()), 1);
        assert_eq!(iso_weekday(0), 4);
    }
}
