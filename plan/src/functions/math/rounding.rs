//! `round`, `bround`, `ceil` and `floor`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type,
};
use datafusion::common::ScalarValue;

use crate::error::{Error, Result};
use crate::functions::arguments::{Evaluated, failed, ints, longs};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[&ROUND, &BROUND, &CEIL, &FLOOR];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    HalfUp,
    HalfEven,
    Up,
    Down,
}

/// `round(number, scale)`: halves away from zero.
pub static ROUND: Kernel = Kernel {
    name: "round",
    coerce: rounded_types,
    returns: rounded_type,
    eval: |args| round(args, Mode::HalfUp),
};

/// `bround(number, scale)`: halves to the even one.
pub static BROUND: Kernel = Kernel {
    name: "bround",
    coerce: rounded_types,
    returns: rounded_type,
    eval: |args| round(args, Mode::HalfEven),
};

/// `ceil(number)`.
pub static CEIL: Kernel = Kernel {
    name: "ceil",
    coerce: whole_types,
    returns: |types, _| whole_type(&types[0]),
    eval: |args| whole(&args[0], Mode::Up),
};

/// `floor(number)`.
pub static FLOOR: Kernel = Kernel {
    name: "floor",
    coerce: whole_types,
    returns: |types, _| whole_type(&types[0]),
    eval: |args| whole(&args[0], Mode::Down),
};

fn number_type(given: &DataType) -> Option<DataType> {
    Some(match given {
        DataType::Null => DataType::Float64,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Decimal128(..) => given.clone(),
        given if given.is_signed_integer() => given.clone(),
        DataType::Float32 | DataType::Float64 => given.clone(),
        _ => return None,
    })
}

fn rounded_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [number, scale] if scale.is_integer() => Some(vec![number_type(number)?, DataType::Int32]),
        _ => None,
    }
}

/// `RoundBase.dataType`: a decimal has one digit more before its point, and no more after it than asked for.
fn rounded_type(types: &[DataType], literals: &[Option<&ScalarValue>]) -> DataType {
    let DataType::Decimal128(precision, scale) = types[0] else {
        return types[0].clone();
    };
    let wanted = match literals.get(1) {
        Some(Some(ScalarValue::Int32(Some(wanted)))) => *wanted,
        Some(Some(ScalarValue::Int64(Some(wanted)))) => i32::try_from(*wanted).unwrap_or(0),
        _ => 0,
    };
    let (precision, scale) = (i32::from(precision), i32::from(scale));
    let before = precision - scale + 1;
    let (precision, scale) = if wanted < 0 {
        (before.max(1_i32.saturating_sub(wanted)), 0)
    } else {
        let scale = scale.min(wanted);
        (before + scale, scale)
    };
    decimal(precision, scale)
}

fn decimal(precision: i32, scale: i32) -> DataType {
    let precision = precision.min(i32::from(DECIMAL128_MAX_PRECISION));
    DataType::Decimal128(
        u8::try_from(precision).unwrap_or(DECIMAL128_MAX_PRECISION),
        i8::try_from(scale).unwrap_or(0),
    )
}

fn whole_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [DataType::Decimal128(..)] => Some(types.to_vec()),
        [DataType::Null | DataType::Float32 | DataType::Float64] => Some(vec![DataType::Float64]),
        [given] if given.is_integer() => Some(vec![DataType::Int64]),
        _ => None,
    }
}

fn whole_type(given: &DataType) -> DataType {
    match given {
        DataType::Decimal128(_, 0) => given.clone(),
        DataType::Decimal128(precision, scale) => {
            decimal(i32::from(*precision) - i32::from(*scale) + 1, 0)
        }
        _ => DataType::Int64,
    }
}

fn whole(number: &ArrayRef, mode: Mode) -> Evaluated {
    match number.data_type() {
        DataType::Int64 => Ok(Arc::clone(number)),
        DataType::Decimal128(_, scale) => {
            let power = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            let rows = number.as_primitive::<Decimal128Type>();
            let cut = rows.unary::<_, Decimal128Type>(|value| divide(value, power, mode));
            decimals(cut, &whole_type(number.data_type()))
        }
        _ => {
            // As Java casts: no number is 0, and what is too large the last there is.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "Java's cast, which saturates"
            )]
            let cut = |x: f64| {
                if mode == Mode::Up {
                    x.ceil() as i64
                } else {
                    x.floor() as i64
                }
            };
            let rows = number.as_primitive::<Float64Type>();
            Ok(Arc::new(rows.unary::<_, Int64Type>(cut)))
        }
    }
}

fn decimals(values: Decimal128Array, of: &DataType) -> Evaluated {
    let DataType::Decimal128(precision, scale) = of else {
        return Err(Error::internal(format!("{of} is no decimal")).into());
    };
    let values = values.with_precision_and_scale(*precision, *scale)?;
    values
        .validate_decimal_precision(*precision)
        .map_err(|error| {
            failed("a rounded decimal does not fit its type any more").with_source(error)
        })?;
    Ok(Arc::new(values))
}

/// Every row's scale is the first's: it is a literal.
fn round(args: &[ArrayRef], mode: Mode) -> Evaluated {
    let scales = ints(&args[1]);
    let Some(scale) = scales.iter().flatten().next() else {
        let null = arrow::array::new_null_array(
            &rounded_type(&[args[0].data_type().clone()], &[]),
            args[0].len(),
        );
        return Ok(null);
    };
    if scales.iter().any(|other| other != Some(scale)) {
        return Err(Error::invalid_argument("round: the scale must be one number").into());
    }
    let integers = |value: i64, most: i64| -> Result<i64> {
        let rounded = match 10_i128.checked_pow(scale.min(0).unsigned_abs()) {
            Some(power) => divide(value.into(), power, mode) * power,
            None => 0,
        };
        let fits = i64::try_from(rounded).ok();
        fits.filter(|value| (-most - 1..=most).contains(value))
            .ok_or_else(|| {
                failed(format!(
                    "round({value}, {scale}) does not fit its type: cast it to a wider one first"
                ))
            })
    };
    macro_rules! integer {
        ($type:ty, $native:ty) => {{
            let rows = args[0].as_primitive::<$type>();
            let rounded = rows.try_unary::<_, $type, Error>(|value| {
                let value = integers(value.into(), <$native>::MAX.into())?;
                Ok(<$native>::try_from(value).unwrap_or_default())
            })?;
            Ok(Arc::new(rounded) as ArrayRef)
        }};
    }
    match args[0].data_type() {
        DataType::Int8 => integer!(Int8Type, i8),
        DataType::Int16 => integer!(Int16Type, i16),
        DataType::Int32 => integer!(Int32Type, i32),
        DataType::Int64 => {
            let rounded = longs(&args[0])
                .try_unary::<_, Int64Type, Error>(|value| integers(value, i64::MAX))?;
            Ok(Arc::new(rounded))
        }
        DataType::Float32 => {
            let rows = args[0].as_primitive::<Float32Type>();
            let one = |x: f32| -> f32 {
                if !x.is_finite() {
                    return x;
                }
                // By the digits of the double it is: 1.005 becomes 1.0 here.
                let double = f64::from(x);
                round_text(&format!("{double:e}"), scale, mode)
                    .parse()
                    .unwrap_or(x)
            };
            Ok(Arc::new(rows.unary::<_, Float32Type>(one)))
        }
        DataType::Float64 => {
            let rows = args[0].as_primitive::<Float64Type>();
            let one = |x: f64| -> f64 {
                if !x.is_finite() {
                    return x;
                }
                round_text(&format!("{x:e}"), scale, mode)
                    .parse()
                    .unwrap_or(x)
            };
            Ok(Arc::new(rows.unary::<_, Float64Type>(one)))
        }
        given @ DataType::Decimal128(_, own) => {
            let literal = ScalarValue::Int32(Some(scale));
            let of = rounded_type(std::slice::from_ref(given), &[None, Some(&literal)]);
            let dropped = i32::from(*own) - scale;
            let rows = args[0].as_primitive::<Decimal128Type>();
            let rounded = rows.try_unary::<_, Decimal128Type, Error>(|value| {
                if dropped <= 0 {
                    return Ok(value);
                }
                let Some(power) = 10_i128.checked_pow(dropped.unsigned_abs()) else {
                    return Ok(0);
                };
                let kept = divide(value, power, mode);
                // A scale below 0 is zeros before the point.
                10_i128
                    .checked_pow(scale.min(0).unsigned_abs())
                    .and_then(|zeros| kept.checked_mul(zeros))
                    .ok_or_else(|| failed(format!("round to scale {scale} does not fit {of}")))
            })?;
            decimals(rounded, &of)
        }
        other => Err(Error::internal(format!("round of {other}")).into()),
    }
}

fn divide(value: i128, power: i128, mode: Mode) -> i128 {
    let (whole, rest) = (value / power, value % power);
    let away = whole + if value < 0 { -1 } else { 1 };
    let twice = rest.unsigned_abs() * 2;
    let half = power.unsigned_abs();
    let moves = match mode {
        Mode::Up => rest > 0,
        Mode::Down => rest < 0,
        Mode::HalfUp => twice >= half && rest != 0,
        Mode::HalfEven => twice > half || (twice == half && whole % 2 != 0),
    };
    if moves { away } else { whole }
}

/// A number's shortest digits (`1.5e-3`) rounded: what Scala's `BigDecimal(double)` does, of which Java's is 2.675 where the
/// `double` is somewhat less.
fn round_text(scientific: &str, scale: i32, mode: Mode) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let negative = mantissa.starts_with('-');
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let size = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The digits as a whole number are this many times ten too large.
    let own = size - 1 - exponent;
    let dropped = own.saturating_sub(scale);
    let value: i128 = digits.parse().unwrap_or(0);
    let value = if negative { -value } else { value };
    let kept = if dropped <= 0 {
        return scientific.to_owned();
    } else if dropped > 30 {
        0
    } else {
        divide(value, 10_i128.pow(dropped.unsigned_abs()), mode)
    };
    // What is rounded to nothing has no sign.
    format!("{kept}e{}", -scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_those_of_the_shortest_digits() {
        for (text, scale, up, even) in [
            ("2.675e0", 2, "268e-2", "268e-2"),
            ("2.5e0", 0, "3e0", "2e0"),
            ("-2.5e0", 0, "-3e0", "-2e0"),
            ("1.25e2", -1, "13e1", "12e1"),
            ("1e300", 2, "1e300", "1e300"),
            ("4e-10", 2, "0e-2", "0e-2"),
        ] {
            assert_eq!(round_text(text, scale, Mode::HalfUp), up);
            assert_eq!(round_text(text, scale, Mode::HalfEven), even);
        }
    }
}
