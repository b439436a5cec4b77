//! Functions of `double`s.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use crate::functions::arguments::{Arg, doubles, fit};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &SQRT, &CBRT, &EXP, &EXPM1, &LN, &LOG10, &LOG2, &LOG1P, &LOG, &POW, &SIN, &COS, &TAN, &ASIN,
    &ACOS, &ATAN, &ATAN2, &SINH, &COSH, &TANH, &HYPOT, &DEGREES, &RADIANS, &SIGNUM, &RINT, &ISNAN,
    &NANVL,
];

macro_rules! of_one {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $of:expr) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Double], 1),
            returns: |_, _| DataType::Float64,
            eval: |args| {
                let of: fn(f64) -> f64 = $of;
                Ok(Arc::new(doubles(&args[0]).unary::<_, Float64Type>(of)))
            },
        };
    };
}

macro_rules! logarithm {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $beyond:expr, $of:expr) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Double], 1),
            returns: |_, _| DataType::Float64,
            // What has no logarithm gives null, and no number gives none.
            eval: |args| {
                let of: fn(f64) -> f64 = $of;
                let rows = doubles(&args[0]).iter().map(|x| x.filter(|x| x.is_nan() || *x > $beyond).map(of));
                Ok(Arc::new(rows.collect::<Float64Array>()))
            },
        };
    };
}

macro_rules! of_two {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $of:expr) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Double; 2], 2),
            returns: |_, _| DataType::Float64,
            eval: |args| {
                let of: fn(f64, f64) -> Option<f64> = $of;
                let rows = doubles(&args[0]).iter().zip(doubles(&args[1]));
                let rows = rows.map(|(one, other)| of(one?, other?));
                Ok(Arc::new(rows.collect::<Float64Array>()))
            },
        };
    };
}

of_one!(
    /// `sqrt(number)`.
    SQRT, "sqrt", f64::sqrt
);
of_one!(
    /// `cbrt(number)`.
    CBRT, "cbrt", f64::cbrt
);
of_one!(
    /// `exp(number)`.
    EXP, "exp", f64::exp
);
of_one!(
    /// `expm1(number)`.
    EXPM1, "expm1", f64::exp_m1
);
logarithm!(
    /// `ln(number)`.
    LN, "ln", 0.0, f64::ln
);
logarithm!(
    /// `log10(number)`.
    LOG10, "log10", 0.0, f64::log10
);
logarithm!(
    /// `log2(number)`.
    LOG2, "log2", 0.0, f64::log2
);
logarithm!(
    /// `log1p(number)`.
    LOG1P, "log1p", -1.0, f64::ln_1p
);
of_two!(
    /// `log(base, number)`.
    LOG, "log", |base, x| {
        let none = x <= 0.0 || base <= 0.0;
        (!none).then(|| x.ln() / base.ln())
    }
);
of_two!(
    /// `pow(base, exponent)`.
    POW, "pow", |base, exponent| Some(power(base, exponent))
);
of_one!(
    /// `sin(number)`.
    SIN, "sin", f64::sin
);
of_one!(
    /// `cos(number)`.
    COS, "cos", f64::cos
);
of_one!(
    /// `tan(number)`.
    TAN, "tan", f64::tan
);
of_one!(
    /// `asin(number)`.
    ASIN, "asin", f64::asin
);
of_one!(
    /// `acos(number)`.
    ACOS, "acos", f64::acos
);
of_one!(
    /// `atan(number)`.
    ATAN, "atan", f64::atan
);
of_two!(
    /// `atan2(y, x)`; Spark adds 0.0 to both, so that there is no -0.0.
    ATAN2, "atan2", |y, x| Some((y + 0.0).atan2(x + 0.0))
);
of_one!(
    /// `sinh(number)`.
    SINH, "sinh", f64::sinh
);
of_one!(
    /// `cosh(number)`.
    COSH, "cosh", f64::cosh
);
of_one!(
    /// `tanh(number)`.
    TANH, "tanh", f64::tanh
);
of_two!(
    /// `hypot(x, y)`.
    HYPOT, "hypot", |x, y| Some(x.hypot(y))
);
of_one!(
    /// `degrees(radians)`.
    DEGREES, "degrees", f64::to_degrees
);
of_one!(
    /// `radians(degrees)`.
    RADIANS, "radians", f64::to_radians
);
of_one!(
    /// `signum(number)`.
    SIGNUM, "signum", |x| if x == 0.0 || x.is_nan() { x } else { x.signum() }
);
of_one!(
    /// `rint(number)`, halves to the even one.
    RINT, "rint", f64::round_ties_even
);
of_two!(
    /// `nanvl(number, other)`.
    NANVL, "nanvl", |x, other| Some(if x.is_nan() { other } else { x })
);

/// `isnan(number)`; null is a number here.
pub static ISNAN: Kernel = Kernel {
    name: "isnan",
    coerce: |types| match types {
        [DataType::Float32] => Some(types.to_vec()),
        _ => fit(types, &[Arg::Double], 1),
    },
    returns: |_, _| DataType::Boolean,
    eval: |args| {
        let found: BooleanArray = match args[0].data_type() {
            DataType::Float32 => {
                let floats = args[0].as_primitive::<Float32Type>().iter();
                floats.map(|x| Some(x.is_some_and(f32::is_nan))).collect()
            }
            _ => {
                let rows = doubles(&args[0]).iter();
                rows.map(|x| Some(x.is_some_and(f64::is_nan))).collect()
            }
        };
        Ok(Arc::new(found) as ArrayRef)
    },
};

/// `Math.pow`, which gives no number where C's function gives 1.
fn power(base: f64, exponent: f64) -> f64 {
    let undefined = (exponent.is_nan())
        || (base.is_nan() && exponent != 0.0)
        || (base.abs() == 1.0 && exponent.is_infinite());
    if undefined {
        f64::NAN
    } else {
        base.powf(exponent)
    }
}
