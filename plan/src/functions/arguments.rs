//! Arguments of kernels: the types they may have, and their rows as Spark's implicit casts make them.
//!
//! What the engine's own cast would turn into something else than Spark's (text to dates and times, floats and
//! times to text) reaches the kernel as it is and is converted here.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, Int64Array, PrimitiveArray,
    StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::DataFusionError;

use super::ddl::timestamp_type;
use super::strings;
use super::time::civil::{MICROS_PER_DAY, MICROS_PER_SECOND, civil_of, split};
use super::time::text::{parse_date, parse_timestamp};
use crate::error::{Error, ErrorKind};

/// What a kernel returns.
pub(super) type Evaluated = Result<ArrayRef, DataFusionError>;

/// Microseconds since the epoch.
pub(super) type Moments = PrimitiveArray<TimestampMicrosecondType>;

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arg {
    /// A date, or a time or text that is cast to one: read by [`days`].
    Day,
    /// A time, or a date or text that is cast to one: read by [`moments`].
    Moment,
    /// Text, or what is cast to it: read by [`texts`].
    Text,
    /// Bytes, or text as its bytes: read by [`bytes`].
    Bytes,
    /// A whole number: read by [`ints`].
    Int,
    /// A whole number: read by [`longs`].
    Long,
    /// A number: read by [`doubles`].
    Double,
}

impl Arg {
    fn accept(self, given: &DataType) -> Option<DataType> {
        use DataType::*;
        Some(match (self, given) {
            (Self::Day, Null) => Date32,
            (Self::Moment, Null) => timestamp_type(),
            (Self::Text, Null) => Utf8,
            (Self::Bytes, Null | LargeBinary | BinaryView | FixedSizeBinary(_)) => Binary,
            (Self::Bytes, Binary) => Binary,
            (Self::Int, Null) => Int32,
            (Self::Long, Null) => Int64,
            (Self::Double, Null) => Float64,
            (Self::Day | Self::Moment, Date32 | Date64) => Date32,
            (Self::Day | Self::Moment | Self::Text, Timestamp(_, None)) => {
                Timestamp(TimeUnit::Microsecond, None)
            }
            (Self::Day | Self::Moment | Self::Text, Timestamp(_, Some(_))) => timestamp_type(),
            (Self::Day | Self::Moment | Self::Text | Self::Bytes, Utf8 | LargeUtf8 | Utf8View) => {
                Utf8
            }
            (Self::Text, Float32 | Float64) => given.clone(),
            (Self::Text, Date32) => Date32,
            (Self::Text, Boolean | Decimal128(..)) => Utf8,
            (Self::Text, given) if given.is_integer() => Utf8,
            (Self::Int, given) if given.is_integer() => Int32,
            (Self::Long, given) if given.is_integer() => Int64,
            (Self::Double, given) if given.is_numeric() => Float64,
            _ => return None,
        })
    }
}

/// `types` as `args` take them, of which the first `required` must be there.
pub(super) fn fit(types: &[DataType], args: &[Arg], required: usize) -> Option<Vec<DataType>> {
    if types.len() < required || types.len() > args.len() {
        return None;
    }
    let pairs = args.iter().zip(types);
    pairs.map(|(arg, given)| arg.accept(given)).collect()
}

/// Every one of `types` as `arg` takes it.
pub(super) fn fit_all(types: &[DataType], arg: Arg) -> Option<Vec<DataType>> {
    types.iter().map(|given| arg.accept(given)).collect()
}

/// An error over a row's values, which ends the query.
pub(super) fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Compute, message)
}

fn unfit(array: &ArrayRef, wanted: &str) -> DataFusionError {
    let message = format!("a {} reached a function of {wanted}", array.data_type());
    Error::internal(message).into()
}

/// An [`Arg::Day`].
pub(super) fn days(array: &ArrayRef) -> Result<Date32Array, DataFusionError> {
    match array.data_type() {
        DataType::Date32 => Ok(array.as_primitive::<Date32Type>().clone()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>();
            Ok(moments.unary(|micros| split(micros).0))
        }
        DataType::Utf8 => {
            let text = array.as_string::<i32>().iter();
            let parsed = text.map(|text| match text {
                None => Ok(None),
                Some(text) => match parse_date(text) {
                    None => Err(failed(format!(
                        "{text:?} is no date: use try_cast for null instead"
                    ))),
                    found => Ok(found),
                },
            });
            Ok(parsed.collect::<Result<_, _>>()?)
        }
        _ => Err(unfit(array, "dates")),
    }
}

/// An [`Arg::Moment`].
pub(super) fn moments(array: &ArrayRef) -> Result<Moments, DataFusionError> {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().clone();
            Ok(moments.with_timezone_opt(None::<Arc<str>>))
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            Ok(days.try_unary(|day| {
                i64::from(day)
                    .checked_mul(MICROS_PER_DAY)
                    .ok_or_else(|| failed(format!("day {day} is beyond what a timestamp holds")))
            })?)
        }
        DataType::Utf8 => {
            let text = array.as_string::<i32>().iter();
            let parsed = text.map(|text| match text {
                None => Ok(None),
                Some(text) => match parse_timestamp(text) {
                    None => Err(failed(format!(
                        "{text:?} is no timestamp: use try_cast for null instead"
                    ))),
                    found => Ok(found),
                },
            });
            Ok(parsed.collect::<Result<_, _>>()?)
        }
        _ => Err(unfit(array, "times")),
    }
}

/// `moments` as Spark's `timestamp`.
pub(super) fn in_utc(moments: Moments) -> ArrayRef {
    Arc::new(moments.with_timezone("UTC"))
}

/// An [`Arg::Text`].
pub(super) fn texts(array: &ArrayRef) -> Result<StringArray, DataFusionError> {
    match array.data_type() {
        DataType::Utf8 => Ok(array.as_string::<i32>().clone()),
        DataType::Float32 => {
            let floats = array.as_primitive::<Float32Type>().iter();
            Ok(floats.map(|v| v.map(strings::java_float)).collect())
        }
        DataType::Float64 => {
            let doubles = array.as_primitive::<Float64Type>().iter();
            Ok(doubles.map(|v| v.map(strings::java_double)).collect())
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().iter();
            Ok(days.map(|day| day.map(date_text)).collect())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().iter();
            Ok(moments.map(|moment| moment.map(moment_text)).collect())
        }
        _ => Err(unfit(array, "text")),
    }
}

/// A date as Spark's cast writes it: a year beyond four digits has its sign.
fn date_text(day: i32) -> String {
    let (year, month, day) = civil_of(day);
    let sign = match year {
        ..0 => "-",
        10_000.. => "+",
        _ => "",
    };
    format!("{sign}{:04}-{month:02}-{day:02}", year.abs())
}

/// A time as Spark's cast writes it: a fraction only where there is one, without zeros at its end.
fn moment_text(micros: i64) -> String {
    let (day, of_day) = split(micros);
    let seconds = of_day / MICROS_PER_SECOND;
    let mut text = format!(
        "{} {:02}:{:02}:{:02}.{:06}",
        date_text(day),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        of_day % MICROS_PER_SECOND
    );
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}

/// An [`Arg::Bytes`].
pub(super) fn bytes(array: &ArrayRef) -> Result<arrow::array::BinaryArray, DataFusionError> {
    match array.data_type() {
        DataType::Binary => Ok(array.as_binary::<i32>().clone()),
        DataType::Utf8 => Ok(cast(array, &DataType::Binary)?.as_binary::<i32>().clone()),
        _ => Err(unfit(array, "bytes")),
    }
}

/// An [`Arg::Int`].
pub(super) fn ints(array: &ArrayRef) -> &Int32Array {
    array.as_primitive::<Int32Type>()
}

/// An [`Arg::Long`].
pub(super) fn longs(array: &ArrayRef) -> &Int64Array {
    array.as_primitive::<Int64Type>()
}

/// An [`Arg::Double`].
pub(super) fn doubles(array: &ArrayRef) -> &Float64Array {
    array.as_primitive::<Float64Type>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_without_zeros_at_the_end_of_their_fraction() {
        assert_eq!(moment_text(0), "1970-01-01 00:00:00");
        assert_eq!(moment_text(1_200_000), "1970-01-01 00:00:01.2");
        assert_eq!(moment_text(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(date_text(i32::MIN), "-5877641-06-23");
    }
}
