//! Hashes.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr, lit};
use weir_plan::functions::hash::digest::{CRC32, SHA1};
use weir_plan::functions::hash::row::{HASH, XXHASH64};
use weir_plan::functions::kernel::Function;

/// CRC-32 of bytes or of text as UTF-8 (`bigint`).
#[must_use]
pub fn crc32(expr: Expr) -> Expr {
    Function::call(&CRC32, vec![expr])
}

/// MD5 of bytes or of text as UTF-8, in hexadecimal digits.
#[must_use]
pub fn md5(expr: Expr) -> Expr {
    Expr::Cast(Cast::new(
        Box::new(datafusion::functions::expr_fn::md5(expr)),
        DataType::Utf8,
    ))
}

/// SHA-1 of bytes or of text as UTF-8, in hexadecimal digits.
#[must_use]
pub fn sha1(expr: Expr) -> Expr {
    Function::call(&SHA1, vec![expr])
}

/// SHA-2 of `bits` bits (224, 256, 384, 512; 0 means 256) of bytes or of text as UTF-8, in hexadecimal digits; null for
/// other `bits`.
#[must_use]
pub fn sha2(expr: Expr, bits: i32) -> Expr {
    use datafusion::functions::expr_fn as engine;
    let digest = match bits {
        224 => engine::sha224(expr),
        0 | 256 => engine::sha256(expr),
        384 => engine::sha384(expr),
        512 => engine::sha512(expr),
        _ => return lit(ScalarValue::Utf8(None)),
    };
    super::lower(super::hex(digest))
}

/// A hash of 32 bits of the values (Murmur3, seed 42): the one by which Spark partitions. Maps are refused.
#[must_use]
pub fn hash(exprs: Vec<Expr>) -> Expr {
    Function::call(&HASH, exprs)
}

/// A hash of 64 bits of the values (XXH64, seed 42). Maps are refused.
#[must_use]
pub fn xxhash64(exprs: Vec<Expr>) -> Expr {
    Function::call(&XXHASH64, exprs)
}
