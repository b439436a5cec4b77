//! Numbers. What does not fit its type ends the query, as in Spark's ANSI mode.

use datafusion::logical_expr::{Expr, lit};
use weir_plan::functions::kernel::Function;
use weir_plan::functions::math::real::{
    ACOS, ASIN, ATAN, ATAN2, CBRT, COS, COSH, DEGREES, EXP, EXPM1, HYPOT, ISNAN, LN, LOG, LOG1P,
    LOG2, LOG10, NANVL, POW, RADIANS, RINT, SIGNUM, SIN, SINH, SQRT, TAN, TANH,
};
use weir_plan::functions::math::rounding::{BROUND, CEIL, FLOOR, ROUND};
use weir_plan::functions::math::whole::{ABS, BIN, FACTORIAL, PMOD};

/// The number without its sign, of the same type; one without such (-128 of `tinyint`) ends the query.
#[must_use]
pub fn abs(expr: Expr) -> Expr {
    Function::call(&ABS, vec![expr])
}

/// The least whole number not below: `bigint`, or `decimal` of a decimal.
#[must_use]
pub fn ceil(expr: Expr) -> Expr {
    Function::call(&CEIL, vec![expr])
}

/// The greatest whole number not above: `bigint`, or `decimal` of a decimal.
#[must_use]
pub fn floor(expr: Expr) -> Expr {
    Function::call(&FLOOR, vec![expr])
}

/// Rounded to `scale` digits after the point, or before it for a scale below 0, halves away from zero. A `double` is
/// rounded by the digits it is shown with, so that 2.675 gives 2.68.
#[must_use]
pub fn round(expr: Expr, scale: i32) -> Expr {
    Function::call(&ROUND, vec![expr, lit(scale)])
}

/// As [`round`], halves to the even digit.
#[must_use]
pub fn bround(expr: Expr, scale: i32) -> Expr {
    Function::call(&BROUND, vec![expr, lit(scale)])
}

/// Rounded to a whole `double`, halves to the even one.
#[must_use]
pub fn rint(expr: Expr) -> Expr {
    Function::call(&RINT, vec![expr])
}

/// The square root; `NaN` below 0.
#[must_use]
pub fn sqrt(expr: Expr) -> Expr {
    Function::call(&SQRT, vec![expr])
}

/// The cube root.
#[must_use]
pub fn cbrt(expr: Expr) -> Expr {
    Function::call(&CBRT, vec![expr])
}

/// `base` to the power of `exponent` (`double`).
#[must_use]
pub fn pow(base: Expr, exponent: Expr) -> Expr {
    Function::call(&POW, vec![base, exponent])
}

/// e to the power of the number.
#[must_use]
pub fn exp(expr: Expr) -> Expr {
    Function::call(&EXP, vec![expr])
}

/// [`exp`] less 1, exact near 0.
#[must_use]
pub fn expm1(expr: Expr) -> Expr {
    Function::call(&EXPM1, vec![expr])
}

/// The natural logarithm; null for 0 and below.
#[must_use]
pub fn ln(expr: Expr) -> Expr {
    Function::call(&LN, vec![expr])
}

/// The logarithm to `base`; null for 0 and below.
#[must_use]
pub fn log(base: f64, expr: Expr) -> Expr {
    Function::call(&LOG, vec![lit(base), expr])
}

/// The logarithm to base 10; null for 0 and below.
#[must_use]
pub fn log10(expr: Expr) -> Expr {
    Function::call(&LOG10, vec![expr])
}

/// The logarithm to base 2; null for 0 and below.
#[must_use]
pub fn log2(expr: Expr) -> Expr {
    Function::call(&LOG2, vec![expr])
}

/// The natural logarithm of the number and 1; null for -1 and below.
#[must_use]
pub fn log1p(expr: Expr) -> Expr {
    Function::call(&LOG1P, vec![expr])
}

/// The sine of radians.
#[must_use]
pub fn sin(expr: Expr) -> Expr {
    Function::call(&SIN, vec![expr])
}

/// The cosine of radians.
#[must_use]
pub fn cos(expr: Expr) -> Expr {
    Function::call(&COS, vec![expr])
}

/// The tangent of radians.
#[must_use]
pub fn tan(expr: Expr) -> Expr {
    Function::call(&TAN, vec![expr])
}

/// The angle of a sine, in radians.
#[must_use]
pub fn asin(expr: Expr) -> Expr {
    Function::call(&ASIN, vec![expr])
}

/// The angle of a cosine, in radians.
#[must_use]
pub fn acos(expr: Expr) -> Expr {
    Function::call(&ACOS, vec![expr])
}

/// The angle of a tangent, in radians.
#[must_use]
pub fn atan(expr: Expr) -> Expr {
    Function::call(&ATAN, vec![expr])
}

/// The angle of the point (`x`, `y`), in radians.
#[must_use]
pub fn atan2(y: Expr, x: Expr) -> Expr {
    Function::call(&ATAN2, vec![y, x])
}

/// The hyperbolic sine.
#[must_use]
pub fn sinh(expr: Expr) -> Expr {
    Function::call(&SINH, vec![expr])
}

/// The hyperbolic cosine.
#[must_use]
pub fn cosh(expr: Expr) -> Expr {
    Function::call(&COSH, vec![expr])
}

/// The hyperbolic tangent.
#[must_use]
pub fn tanh(expr: Expr) -> Expr {
    Function::call(&TANH, vec![expr])
}

/// The square root of the sum of both squares.
#[must_use]
pub fn hypot(x: Expr, y: Expr) -> Expr {
    Function::call(&HYPOT, vec![x, y])
}

/// Radians in degrees.
#[must_use]
pub fn degrees(expr: Expr) -> Expr {
    Function::call(&DEGREES, vec![expr])
}

/// Degrees in radians.
#[must_use]
pub fn radians(expr: Expr) -> Expr {
    Function::call(&RADIANS, vec![expr])
}

/// -1.0, 0.0 or 1.0.
#[must_use]
pub fn signum(expr: Expr) -> Expr {
    Function::call(&SIGNUM, vec![expr])
}

/// The remainder, between 0 and a divisor above 0; a divisor of 0 ends the query. Decimals are refused.
#[must_use]
pub fn pmod(dividend: Expr, divisor: Expr) -> Expr {
    Function::call(&PMOD, vec![dividend, divisor])
}

/// A whole number in binary digits, in two's complement of 64 bits.
#[must_use]
pub fn bin(expr: Expr) -> Expr {
    Function::call(&BIN, vec![expr])
}

/// The product of 1 to the number (`bigint`); null below 0 and above 20.
#[must_use]
pub fn factorial(expr: Expr) -> Expr {
    Function::call(&FACTORIAL, vec![expr])
}

/// Whether it is `NaN`; null is not.
#[must_use]
pub fn isnan(expr: Expr) -> Expr {
    Function::call(&ISNAN, vec![expr])
}

/// The number, or `other` where it is `NaN` (`double`).
#[must_use]
pub fn nanvl(expr: Expr, other: Expr) -> Expr {
    Function::call(&NANVL, vec![expr, other])
}
