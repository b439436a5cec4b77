//! `abs`, `pmod`, `bin`, `factorial`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};

use crate::error::{Error, ErrorKind, Result};
use crate::functions::arguments::{Arg, Evaluated, doubles, failed, fit, ints, longs};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[&ABS, &PMOD, &BIN, &FACTORIAL];

/// `abs(number)`.
pub static ABS: Kernel = Kernel {
    name: "abs",
    coerce: |types| match types {
        [DataType::Null] => Some(vec![DataType::Float64]),
        [given] if given.is_signed_integer() || given.is_floating() => Some(types.to_vec()),
        [DataType::Decimal128(..)] => Some(types.to_vec()),
        [given] if given.is_integer() => Some(vec![DataType::Int64]),
        _ => None,
    },
    returns: |types, _| types[0].clone(),
    eval: |args| {
        macro_rules! integer {
            ($type:ty) => {
                args[0]
                    .as_primitive::<$type>()
                    .try_unary::<_, $type, Error>(|value| {
                        value.checked_abs().ok_or_else(|| {
                            failed(format!(
                                "abs({value}) does not fit its type: cast it to a wider one first"
                            ))
                        })
                    })?
            };
        }
        let absolute: ArrayRef = match args[0].data_type() {
            DataType::Int8 => Arc::new(integer!(Int8Type)),
            DataType::Int16 => Arc::new(integer!(Int16Type)),
            DataType::Int32 => Arc::new(integer!(Int32Type)),
            DataType::Int64 => Arc::new(integer!(Int64Type)),
            DataType::Float32 => {
                let floats = args[0].as_primitive::<Float32Type>();
                Arc::new(floats.unary::<_, Float32Type>(f32::abs))
            }
            DataType::Float64 => {
                let doubles = args[0].as_primitive::<Float64Type>();
                Arc::new(doubles.unary::<_, Float64Type>(f64::abs))
            }
            DataType::Decimal128(precision, scale) => {
                let decimals = args[0].as_primitive::<Decimal128Type>();
                let absolute = decimals.unary::<_, Decimal128Type>(i128::abs);
                Arc::new(absolute.with_precision_and_scale(*precision, *scale)?)
            }
            other => return Err(Error::internal(format!("abs of {other}")).into()),
        };
        Ok(absolute)
    },
};

/// `pmod(dividend, divisor)`: the remainder, not below 0 for a divisor above.
pub static PMOD: Kernel = Kernel {
    name: "pmod",
    coerce: common_types,
    returns: |types, _| types[0].clone(),
    eval: |args| {
        remainder(
            "pmod",
            args,
            |a, n| {
                let rest = a.wrapping_rem(n);
                if rest < 0 {
                    (rest.wrapping_add(n)).wrapping_rem(n)
                } else {
                    rest
                }
            },
            |a, n| {
                let rest = a % n;
                if rest < 0.0 { (rest + n) % n } else { rest }
            },
        )
    },
};

/// `bin(whole number)`, in two's complement.
pub static BIN: Kernel = Kernel {
    name: "bin",
    coerce: |types| fit(types, &[Arg::Long], 1),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let rows = longs(&args[0]).iter();
        let text = rows.map(|number| number.map(|number| format!("{number:b}")));
        Ok(Arc::new(text.collect::<StringArray>()))
    },
};

/// `factorial(whole number)`; null below 0 and above 20.
pub static FACTORIAL: Kernel = Kernel {
    name: "factorial",
    coerce: |types| fit(types, &[Arg::Int], 1),
    returns: |_, _| DataType::Int64,
    eval: |args| {
        let rows = ints(&args[0]).iter().map(|number| {
            let number = number?;
            (0..=20)
                .contains(&number)
                .then(|| (1..=i64::from(number)).product::<i64>())
        });
        Ok(Arc::new(rows.collect::<Int64Array>()))
    },
};

/// The narrowest type that holds both.
fn common_types(types: &[DataType]) -> Option<Vec<DataType>> {
    const WIDENING: [DataType; 6] = [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
    ];
    let [one, other] = types else { return None };
    let rank = |given: &DataType| match given {
        DataType::Null => Some(0),
        _ => WIDENING.iter().position(|known| known == given),
    };
    let (one, other) = (rank(one)?, rank(other)?);
    // A whole number of any size and a float are a double together, as in Spark's ANSI mode.
    let widest = match (one.min(other), one.max(other)) {
        (0..=3, 4) => 5,
        (_, widest) => widest,
    };
    Some(vec![WIDENING[widest].clone(); 2])
}

fn remainder(
    function: &str,
    args: &[ArrayRef],
    whole: fn(i64, i64) -> i64,
    real: fn(f64, f64) -> f64,
) -> Evaluated {
    let of = args[0].data_type().clone();
    let by_zero = || {
        Error::new(
            ErrorKind::Compute,
            format!("{function}: division by zero: leave such rows out, or use nullif"),
        )
    };
    if of.is_floating() {
        let (one, other) = (
            cast(&args[0], &DataType::Float64)?,
            cast(&args[1], &DataType::Float64)?,
        );
        let rows = doubles(&one).iter().zip(doubles(&other));
        let rest = rows.map(|row| match row {
            (Some(_), Some(0.0)) => Err(by_zero()),
            (Some(one), Some(other)) => Ok(Some(real(one, other))),
            _ => Ok(None),
        });
        let rest: ArrayRef = Arc::new(rest.collect::<Result<Float64Array>>()?);
        return Ok(cast(&rest, &of)?);
    }
    let (one, other) = (
        cast(&args[0], &DataType::Int64)?,
        cast(&args[1], &DataType::Int64)?,
    );
    let rows = longs(&one).iter().zip(longs(&other));
    let rest = rows.map(|row| match row {
        (Some(_), Some(0)) => Err(by_zero()),
        (Some(one), Some(other)) => Ok(Some(whole(one, other))),
        _ => Ok(None),
    });
    let rest: ArrayRef = Arc::new(rest.collect::<Result<Int64Array>>()?);
    Ok(cast(&rest, &of)?)
}
