//! Text and numbers as dates and times, and back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type};

use crate::error::Result;
use crate::functions::arguments::{
    Arg, Evaluated, Moments, days, failed, fit, in_utc, ints, longs, moments, texts,
};
use crate::functions::ddl::timestamp_type;
use crate::functions::kernel::Kernel;
use crate::functions::time::civil::{MICROS_PER_SECOND, days_of, split};
use crate::functions::time::pattern::Pattern;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &TO_DATE,
    &TO_TIMESTAMP,
    &DATE_FORMAT,
    &UNIX_TIMESTAMP,
    &FROM_UNIXTIME,
    &TIMESTAMP_SECONDS,
    &TIMESTAMP_MILLIS,
    &TIMESTAMP_MICROS,
    &UNIX_SECONDS,
    &UNIX_MILLIS,
    &UNIX_MICROS,
    &UNIX_DATE,
    &DATE_FROM_UNIX_DATE,
    &MAKE_DATE,
];

/// `to_date(value[, pattern])`.
pub static TO_DATE: Kernel = Kernel {
    name: "to_date",
    coerce: |types| fit(types, &[Arg::Day, Arg::Text], 1),
    returns: |_, _| DataType::Date32,
    eval: |args| match (args, args[0].data_type()) {
        ([text, pattern], DataType::Utf8) => {
            let moments = parsed("to_date", text, pattern)?;
            Ok(Arc::new(
                moments.unary::<_, Date32Type>(|micros| split(micros).0),
            ))
        }
        _ => Ok(Arc::new(days(&args[0])?)),
    },
};

/// `to_timestamp(value[, pattern])`.
pub static TO_TIMESTAMP: Kernel = Kernel {
    name: "to_timestamp",
    coerce: |types| fit(types, &[Arg::Moment, Arg::Text], 1),
    returns: |_, _| timestamp_type(),
    eval: |args| match (args, args[0].data_type()) {
        ([text, pattern], DataType::Utf8) => Ok(in_utc(parsed("to_timestamp", text, pattern)?)),
        _ => Ok(in_utc(moments(&args[0])?)),
    },
};

/// `date_format(time, pattern)`.
pub static DATE_FORMAT: Kernel = Kernel {
    name: "date_format",
    coerce: |types| fit(types, &[Arg::Moment, Arg::Text], 2),
    returns: |_, _| DataType::Utf8,
    eval: |args| formatted(&moments(&args[0])?, &args[1]),
};

/// `unix_timestamp(value, pattern)`, in seconds; the pattern is for text.
pub static UNIX_TIMESTAMP: Kernel = Kernel {
    name: "unix_timestamp",
    coerce: |types| fit(types, &[Arg::Moment, Arg::Text], 2),
    returns: |_, _| DataType::Int64,
    eval: |args| {
        let moments = match args[0].data_type() {
            DataType::Utf8 => parsed("unix_timestamp", &args[0], &args[1])?,
            _ => moments(&args[0])?,
        };
        // Rounded towards 1970, other than `unix_seconds`.
        let seconds = moments.unary::<_, Int64Type>(|moment| moment / MICROS_PER_SECOND);
        Ok(Arc::new(seconds))
    },
};

/// `from_unixtime(seconds, pattern)`.
pub static FROM_UNIXTIME: Kernel = Kernel {
    name: "from_unixtime",
    coerce: |types| fit(types, &[Arg::Long, Arg::Text], 2),
    returns: |_, _| DataType::Utf8,
    // Spark lets the product overflow here.
    eval: |args| {
        let moments = longs(&args[0]).unary(|seconds| seconds.wrapping_mul(MICROS_PER_SECOND));
        formatted(&moments, &args[1])
    },
};

/// `timestamp_seconds(number)`, which may have a fraction.
pub static TIMESTAMP_SECONDS: Kernel = Kernel {
    name: "timestamp_seconds",
    coerce: |types| match types {
        [DataType::Decimal128(..)] => Some(types.to_vec()),
        [DataType::Float32 | DataType::Float64] => Some(vec![DataType::Float64]),
        _ => fit(types, &[Arg::Long], 1),
    },
    returns: |_, _| timestamp_type(),
    eval: |args| Ok(in_utc(of_seconds(&args[0])?)),
};

/// `timestamp_millis(number)`.
pub static TIMESTAMP_MILLIS: Kernel = Kernel {
    name: "timestamp_millis",
    coerce: |types| fit(types, &[Arg::Long], 1),
    returns: |_, _| timestamp_type(),
    eval: |args| Ok(in_utc(scaled("timestamp_millis", longs(&args[0]), 1000)?)),
};

/// `timestamp_micros(number)`.
pub static TIMESTAMP_MICROS: Kernel = Kernel {
    name: "timestamp_micros",
    coerce: |types| fit(types, &[Arg::Long], 1),
    returns: |_, _| timestamp_type(),
    eval: |args| Ok(in_utc(scaled("timestamp_micros", longs(&args[0]), 1)?)),
};

/// `unix_seconds(time)`.
pub static UNIX_SECONDS: Kernel = Kernel {
    name: "unix_seconds",
    coerce: |types| fit(types, &[Arg::Moment], 1),
    returns: |_, _| DataType::Int64,
    eval: |args| Ok(whole(&moments(&args[0])?, MICROS_PER_SECOND)),
};

/// `unix_millis(time)`.
pub static UNIX_MILLIS: Kernel = Kernel {
    name: "unix_millis",
    coerce: |types| fit(types, &[Arg::Moment], 1),
    returns: |_, _| DataType::Int64,
    eval: |args| Ok(whole(&moments(&args[0])?, 1000)),
};

/// `unix_micros(time)`.
pub static UNIX_MICROS: Kernel = Kernel {
    name: "unix_micros",
    coerce: |types| fit(types, &[Arg::Moment], 1),
    returns: |_, _| DataType::Int64,
    eval: |args| Ok(whole(&moments(&args[0])?, 1)),
};

/// `unix_date(date)`, in days.
pub static UNIX_DATE: Kernel = Kernel {
    name: "unix_date",
    coerce: |types| fit(types, &[Arg::Day], 1),
    returns: |_, _| DataType::Int32,
    eval: |args| Ok(Arc::new(days(&args[0])?.unary::<_, Int32Type>(|day| day))),
};

/// `date_from_unix_date(days)`.
pub static DATE_FROM_UNIX_DATE: Kernel = Kernel {
    name: "date_from_unix_date",
    coerce: |types| fit(types, &[Arg::Int], 1),
    returns: |_, _| DataType::Date32,
    eval: |args| Ok(Arc::new(ints(&args[0]).unary::<_, Date32Type>(|day| day))),
};

/// `make_date(year, month, day)`.
pub static MAKE_DATE: Kernel = Kernel {
    name: "make_date",
    coerce: |types| fit(types, &[Arg::Int; 3], 3),
    returns: |_, _| DataType::Date32,
    eval: |args| {
        let rows = ints(&args[0])
            .iter()
            .zip(ints(&args[1]))
            .zip(ints(&args[2]));
        let made = rows.map(|row| match row {
            ((Some(year), Some(month)), Some(day)) => {
                let made = days_of(year.into(), month.into(), day.into());
                made.map(Some)
                    .ok_or_else(|| failed(format!("make_date: {year}-{month}-{day} is no date")))
            }
            _ => Ok(None),
        });
        Ok(Arc::new(made.collect::<Result<Date32Array>>()?))
    },
};

/// A pattern that most likely is the one of the row before.
#[derive(Default)]
struct Patterns(Option<(String, Pattern)>);

impl Patterns {
    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if self.0.as_ref().is_none_or(|(known, _)| known != text) {
            self.0 = Some((text.to_owned(), Pattern::parse(text)?));
        }
        match &self.0 {
            Some((_, pattern)) => Ok(pattern),
            None => Err(crate::Error::internal("no pattern")),
        }
    }
}

fn parsed(function: &str, text: &ArrayRef, pattern: &ArrayRef) -> Result<Moments> {
    let (text, patterns) = (texts(text)?, texts(pattern)?);
    let mut known = Patterns::default();
    let rows = text.iter().zip(&patterns).map(|row| match row {
        (Some(text), Some(pattern)) => {
            let found = known.get(pattern)?.read(text);
            found.map(Some).ok_or_else(|| {
                failed(format!(
                    "{function}: {text:?} does not fit the pattern {pattern:?}"
                ))
            })
        }
        _ => Ok(None),
    });
    rows.collect()
}

fn formatted(moments: &Moments, patterns: &ArrayRef) -> Evaluated {
    let patterns = texts(patterns)?;
    let mut known = Patterns::default();
    let rows = moments.iter().zip(&patterns).map(|row| match row {
        (Some(micros), Some(pattern)) => Ok(Some(known.get(pattern)?.format(micros))),
        _ => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
}

/// In units of `micros`, rounded down.
fn whole(moments: &Moments, micros: i64) -> ArrayRef {
    Arc::new(moments.unary::<_, Int64Type>(|moment| moment.div_euclid(micros)))
}

fn scaled(function: &str, numbers: &Int64Array, factor: i64) -> Result<Moments> {
    let rows = numbers.iter().map(|number| match number {
        None => Ok(None),
        Some(number) => number.checked_mul(factor).map(Some).ok_or_else(|| {
            failed(format!(
                "{function}: {number} is beyond what a timestamp holds"
            ))
        }),
    });
    rows.collect()
}

fn of_seconds(numbers: &ArrayRef) -> Result<Moments> {
    let beyond = || failed("timestamp_seconds: the number is beyond what a timestamp holds");
    match numbers.data_type() {
        DataType::Float64 => {
            let rows = numbers.as_primitive::<Float64Type>().iter();
            // No number is no time; one too large is the last there is, as Java casts it.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "Java's cast, which saturates"
            )]
            let micros = |seconds: f64| seconds.is_finite().then_some((seconds * 1e6) as i64);
            Ok(rows.map(|seconds| seconds.and_then(micros)).collect())
        }
        DataType::Decimal128(_, scale) => {
            let scale = i32::from(*scale);
            let rows = numbers.as_primitive::<Decimal128Type>().iter();
            let micros = |value: i128| -> Option<i64> {
                let power = 10_i128.checked_pow((6 - scale).unsigned_abs())?;
                if scale <= 6 {
                    value.checked_mul(power)?.try_into().ok()
                } else if value % power != 0 {
                    None
                } else {
                    (value / power).try_into().ok()
                }
            };
            rows.map(|value| match value {
                None => Ok(None),
                Some(value) => micros(value).map(Some).ok_or_else(beyond),
            })
            .collect()
        }
        _ => scaled("timestamp_seconds", longs(numbers), MICROS_PER_SECOND),
    }
}
