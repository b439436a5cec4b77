//! `year(date)` to `second(time)`: numbers of a date or time.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int32Type};

use crate::functions::arguments::{Arg, Evaluated, days, fit, moments};
use crate::functions::kernel::Kernel;
use crate::functions::time::civil::{
    MICROS_PER_SECOND, civil_of, day_of_year, iso_week, iso_weekday, split,
};

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &YEAR,
    &QUARTER,
    &MONTH,
    &DAY_OF_MONTH,
    &DAY_OF_WEEK,
    &WEEKDAY,
    &DAY_OF_YEAR,
    &WEEK_OF_YEAR,
    &HOUR,
    &MINUTE,
    &SECOND,
];

macro_rules! part_of_day {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $part:expr) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Day], 1),
            returns: |_, _| DataType::Int32,
            eval: |args| part(args, $part),
        };
    };
}

macro_rules! part_of_time {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $seconds:literal, $modulus:literal) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Moment], 1),
            returns: |_, _| DataType::Int32,
            eval: |args| {
                let of_second = |micros| i32::try_from(split(micros).1 / MICROS_PER_SECOND).unwrap_or(0);
                let part = moments(&args[0])?
                    .unary::<_, Int32Type>(|micros| of_second(micros) / $seconds % $modulus);
                Ok(Arc::new(part))
            },
        };
    };
}

part_of_day!(
    /// `year(date)`.
    YEAR, "year", |day| number(civil_of(day).0)
);
part_of_day!(
    /// `quarter(date)`, 1 to 4.
    QUARTER, "quarter", |day| number((civil_of(day).1 - 1) / 3 + 1)
);
part_of_day!(
    /// `month(date)`, 1 to 12.
    MONTH, "month", |day| number(civil_of(day).1)
);
part_of_day!(
    /// `dayofmonth(date)`, 1 to 31.
    DAY_OF_MONTH, "dayofmonth", |day| number(civil_of(day).2)
);
part_of_day!(
    /// `dayofweek(date)`, 1 (Sunday) to 7.
    DAY_OF_WEEK, "dayofweek", |day| iso_weekday(day) % 7 + 1
);
part_of_day!(
    /// `weekday(date)`, 0 (Monday) to 6.
    WEEKDAY, "weekday", |day| iso_weekday(day) - 1
);
part_of_day!(
    /// `dayofyear(date)`, 1 to 366.
    DAY_OF_YEAR, "dayofyear", day_of_year
);
part_of_day!(
    /// `weekofyear(date)`, the week of ISO 8601.
    WEEK_OF_YEAR, "weekofyear", iso_week
);
part_of_time!(
    /// `hour(time)`, 0 to 23.
    HOUR, "hour", 3600, 24
);
part_of_time!(
    /// `minute(time)`, 0 to 59.
    MINUTE, "minute", 60, 60
);
part_of_time!(
    /// `second(time)`, 0 to 59.
    SECOND, "second", 1, 60
);

fn part(args: &[ArrayRef], part: fn(i32) -> i32) -> Evaluated {
    Ok(Arc::new(days(&args[0])?.unary::<_, Int32Type>(part)))
}

/// A field of a date of 32 bits, which fits whatever the date is.
fn number(field: i64) -> i32 {
    i32::try_from(field).unwrap_or(i32::MAX)
}
