//! `trunc(date, format)` and `date_trunc(format, time)`: the beginning of what a date or time is in.

use std::sync::Arc;

use arrow::array::Date32Array;
use arrow::datatypes::DataType;

use crate::functions::arguments::{Arg, Moments, days, fit, in_utc, moments, texts};
use crate::functions::ddl::timestamp_type;
use crate::functions::kernel::Kernel;
use crate::functions::time::civil::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_of, days_of, iso_weekday, split,
};

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[&TRUNC, &DATE_TRUNC];

/// `trunc(date, format)`; null for a format that is none.
pub static TRUNC: Kernel = Kernel {
    name: "trunc",
    coerce: |types| fit(types, &[Arg::Day, Arg::Text], 2),
    returns: |_, _| DataType::Date32,
    eval: |args| {
        let (dates, formats) = (days(&args[0])?, texts(&args[1])?);
        let rows = dates.iter().zip(&formats);
        let cut = rows.map(|(day, format)| match Unit::of(format?)? {
            Unit::Days(unit) => first_of(unit, day?),
            Unit::Micros(_) => None,
        });
        Ok(Arc::new(cut.collect::<Date32Array>()))
    },
};

/// `date_trunc(format, time)`; null for a format that is none.
pub static DATE_TRUNC: Kernel = Kernel {
    name: "date_trunc",
    coerce: |types| fit(types, &[Arg::Text, Arg::Moment], 2),
    returns: |_, _| timestamp_type(),
    eval: |args| {
        let (formats, times) = (texts(&args[0])?, moments(&args[1])?);
        let rows = times.iter().zip(&formats);
        let cut = rows.map(|(micros, format)| {
            let micros = micros?;
            match Unit::of(format?)? {
                Unit::Micros(size) => Some(micros - micros.rem_euclid(size)),
                Unit::Days(unit) => {
                    Some(i64::from(first_of(unit, split(micros).0)?) * MICROS_PER_DAY)
                }
            }
        });
        Ok(in_utc(cut.collect::<Moments>()))
    },
};

#[derive(Clone, Copy)]
enum Unit {
    Micros(i64),
    Days(Calendar),
}

#[derive(Clone, Copy)]
enum Calendar {
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    fn of(format: &str) -> Option<Self> {
        Some(match format.to_ascii_uppercase().as_str() {
            "MICROSECOND" => Self::Micros(1),
            "MILLISECOND" => Self::Micros(1000),
            "SECOND" => Self::Micros(MICROS_PER_SECOND),
            "MINUTE" => Self::Micros(60 * MICROS_PER_SECOND),
            "HOUR" => Self::Micros(3600 * MICROS_PER_SECOND),
            "DAY" | "DD" => Self::Micros(MICROS_PER_DAY),
            "WEEK" => Self::Days(Calendar::Week),
            "MON" | "MONTH" | "MM" => Self::Days(Calendar::Month),
            "QUARTER" => Self::Days(Calendar::Quarter),
            "YEAR" | "YYYY" | "YY" => Self::Days(Calendar::Year),
            _ => return None,
        })
    }
}

fn first_of(unit: Calendar, day: i32) -> Option<i32> {
    let (year, month, _) = civil_of(day);
    match unit {
        Calendar::Week => day.checked_sub(iso_weekday(day) - 1),
        Calendar::Month => days_of(year, month, 1),
        Calendar::Quarter => days_of(year, (month - 1) / 3 * 3 + 1, 1),
        Calendar::Year => days_of(year, 1, 1),
    }
}
