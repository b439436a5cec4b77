//! Days and months added, and the distances between dates.

use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array};
use arrow::compute::binary;
use arrow::datatypes::DataType;
use arrow::datatypes::{Date32Type, Int32Type};

use crate::functions::arguments::{Arg, days, failed, fit, ints, moments, texts};
use crate::functions::kernel::Kernel;
use crate::functions::time::civil::{
    MICROS_PER_SECOND, add_months, civil_of, days_in_month, iso_weekday, split,
};

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &DATE_ADD,
    &DATE_SUB,
    &DATE_DIFF,
    &ADD_MONTHS,
    &MONTHS_BETWEEN,
    &LAST_DAY,
    &NEXT_DAY,
];

/// `date_add(date, days)`; beyond the last date it begins again at the first, as in Spark.
pub static DATE_ADD: Kernel = Kernel {
    name: "date_add",
    coerce: |types| fit(types, &[Arg::Day, Arg::Int], 2),
    returns: |_, _| DataType::Date32,
    eval: |args| {
        let shifted: Date32Array = binary(&days(&args[0])?, ints(&args[1]), i32::wrapping_add)?;
        Ok(Arc::new(shifted))
    },
};

/// `date_sub(date, days)`.
pub static DATE_SUB: Kernel = Kernel {
    name: "date_sub",
    coerce: |types| fit(types, &[Arg::Day, Arg::Int], 2),
    returns: |_, _| DataType::Date32,
    eval: |args| {
        let shifted: Date32Array = binary(&days(&args[0])?, ints(&args[1]), i32::wrapping_sub)?;
        Ok(Arc::new(shifted))
    },
};

/// `datediff(end, start)`, in days.
pub static DATE_DIFF: Kernel = Kernel {
    name: "datediff",
    coerce: |types| fit(types, &[Arg::Day, Arg::Day], 2),
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let (end, start) = (days(&args[0])?, days(&args[1])?);
        let difference = binary::<_, _, _, Int32Type>(&end, &start, i32::wrapping_sub)?;
        Ok(Arc::new(difference))
    },
};

/// `add_months(date, months)`.
pub static ADD_MONTHS: Kernel = Kernel {
    name: "add_months",
    coerce: |types| fit(types, &[Arg::Day, Arg::Int], 2),
    returns: |_, _| DataType::Date32,
    eval: |args| {
        let dates = days(&args[0])?;
        let rows = dates.iter().zip(ints(&args[1]));
        let shifted = rows.map(|row| match row {
            (Some(day), Some(months)) => add_months(day, months).map(Some).ok_or_else(|| {
                failed(format!(
                    "add_months: {months} months from day {day} is no date"
                ))
            }),
            _ => Ok(None),
        });
        Ok(Arc::new(shifted.collect::<Result<Date32Array, _>>()?))
    },
};

/// `months_between(time, time, roundOff)`.
pub static MONTHS_BETWEEN: Kernel = Kernel {
    name: "months_between",
    coerce: |types| match types {
        [one, other, DataType::Boolean] => {
            let mut fitted = fit(
                &[one.clone(), other.clone()],
                &[Arg::Moment, Arg::Moment],
                2,
            )?;
            fitted.push(DataType::Boolean);
            Some(fitted)
        }
        _ => None,
    },
    returns: |_, _| DataType::Float64,
    eval: |args| {
        use arrow::array::AsArray;
        let (end, start) = (moments(&args[0])?, moments(&args[1])?);
        let rows = end.iter().zip(&start).zip(args[2].as_boolean());
        let months = rows.map(|row| match row {
            ((Some(end), Some(start)), Some(round)) => Some(months_between(end, start, round)),
            _ => None,
        });
        Ok(Arc::new(months.collect::<Float64Array>()))
    },
};

/// `last_day(date)`, of its month.
pub static LAST_DAY: Kernel = Kernel {
    name: "last_day",
    coerce: |types| fit(types, &[Arg::Day], 1),
    returns: |_, _| DataType::Date32,
    eval: |args| {
        let last = days(&args[0])?.unary::<_, Date32Type>(|date| {
            let (year, month, day) = civil_of(date);
            let left = days_in_month(year, month) - day;
            date.wrapping_add(i32::try_from(left).unwrap_or(0))
        });
        Ok(Arc::new(last))
    },
};

/// `next_day(date, dayOfWeek)`.
pub static NEXT_DAY: Kernel = Kernel {
    name: "next_day",
    coerce: |types| fit(types, &[Arg::Day, Arg::Text], 2),
    returns: |_, _| DataType::Date32,
    eval: |args| {
        let (dates, names) = (days(&args[0])?, texts(&args[1])?);
        let next = dates.iter().zip(&names).map(|row| match row {
            (Some(day), Some(name)) => {
                let weekday = weekday_of(name).ok_or_else(|| {
                    failed(format!(
                        "next_day: {name:?} is no day of the week: use \"MON\" or \"Monday\""
                    ))
                })?;
                Ok(Some(day.wrapping_add(
                    (weekday - iso_weekday(day) + 6).rem_euclid(7) + 1,
                )))
            }
            _ => Ok(None),
        });
        Ok(Arc::new(
            next.collect::<Result<Date32Array, crate::Error>>()?,
        ))
    },
};

/// 1 to 7, Monday first.
fn weekday_of(name: &str) -> Option<i32> {
    const NAMES: [&str; 7] = [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ];
    let name = name.to_uppercase();
    let found = NAMES
        .iter()
        .position(|full| name == *full || (matches!(name.len(), 2 | 3) && full.starts_with(&name)));
    found.and_then(|index| i32::try_from(index + 1).ok())
}

/// Spark's `DateTimeUtils.monthsBetween`: whole months between the same days of a month and between last days
/// of months, otherwise also the rest, to the second, of a month of 31 days.
fn months_between(end: i64, start: i64, round: bool) -> f64 {
    let ((end_day, end_time), (start_day, start_time)) = (split(end), split(start));
    let ((y1, m1, d1), (y2, m2, d2)) = (civil_of(end_day), civil_of(start_day));
    #[expect(clippy::cast_precision_loss, reason = "years have six digits")]
    let months = ((y1 * 12 + m1) - (y2 * 12 + m2)) as f64;
    if d1 == d2 || (d1 == days_in_month(y1, m1) && d2 == days_in_month(y2, m2)) {
        return months;
    }
    let seconds =
        (d1 - d2) * 86_400 + end_time / MICROS_PER_SECOND - start_time / MICROS_PER_SECOND;
    #[expect(clippy::cast_precision_loss, reason = "within a month")]
    let exact = months + seconds as f64 / f64::from(31 * 86_400);
    if round {
        (exact * 1e8 + 0.5).floor() / 1e8
    } else {
        exact
    }
}
