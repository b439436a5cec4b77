//! Text. Characters are counted from 1; numbers, dates and times given for text are written as Spark's cast does.

use datafusion::logical_expr::{Expr, lit};
use weir_plan::functions::kernel::{Function, Kernel};
use weir_plan::functions::text::binary::{
    ASCII, BASE64, BIT_LENGTH, CHAR, DECODE, ENCODE, HEX, LENGTH, OCTET_LENGTH, UNBASE64, UNHEX,
};
use weir_plan::functions::text::case::{INITCAP, LOWER, LTRIM, REVERSE, RTRIM, TRIM, UPPER};
use weir_plan::functions::text::cut::{LEFT, LPAD, RIGHT, RPAD, SUBSTRING, SUBSTRING_INDEX};
use weir_plan::functions::text::join::{CONCAT, CONCAT_WS, REPEAT};
use weir_plan::functions::text::pattern::{
    ILIKE, LIKE, REGEXP_COUNT, REGEXP_EXTRACT, REGEXP_EXTRACT_ALL, REGEXP_REPLACE, RLIKE, SPLIT,
};
use weir_plan::functions::text::search::{
    CONTAINS, ENDSWITH, INSTR, LEVENSHTEIN, LOCATE, REPLACE, STARTSWITH, TRANSLATE,
};

/// All capitals.
#[must_use]
pub fn upper(expr: Expr) -> Expr {
    Function::call(&UPPER, vec![expr])
}

/// No capitals.
#[must_use]
pub fn lower(expr: Expr) -> Expr {
    Function::call(&LOWER, vec![expr])
}

/// Each word, of which blanks mark the end, with a capital first and small letters after it.
#[must_use]
pub fn initcap(expr: Expr) -> Expr {
    Function::call(&INITCAP, vec![expr])
}

/// Without blanks at both ends, or without the characters `trim`.
#[must_use]
pub fn trim(expr: Expr, trim: Option<&str>) -> Expr {
    trimmed(&TRIM, expr, trim)
}

/// Without blanks, or the characters `trim`, at the beginning.
#[must_use]
pub fn ltrim(expr: Expr, trim: Option<&str>) -> Expr {
    trimmed(&LTRIM, expr, trim)
}

/// Without blanks, or the characters `trim`, at the end.
#[must_use]
pub fn rtrim(expr: Expr, trim: Option<&str>) -> Expr {
    trimmed(&RTRIM, expr, trim)
}

/// How many characters text has, or bytes a binary (`int`).
#[must_use]
pub fn length(expr: Expr) -> Expr {
    Function::call(&LENGTH, vec![expr])
}

/// How many bytes text (as UTF-8) or a binary has (`int`).
#[must_use]
pub fn octet_length(expr: Expr) -> Expr {
    Function::call(&OCTET_LENGTH, vec![expr])
}

/// How many bits text (as UTF-8) or a binary has (`int`).
#[must_use]
pub fn bit_length(expr: Expr) -> Expr {
    Function::call(&BIT_LENGTH, vec![expr])
}

/// `length` characters, or bytes of a binary, from `position` on: 1 is the first, -1 the last, 0 means 1.
#[must_use]
pub fn substring(expr: Expr, position: Expr, length: Expr) -> Expr {
    Function::call(&SUBSTRING, vec![expr, position, length])
}

/// What is before the `count`th `delimiter`, or, for a count below 0, after the one counted from the end; all of
/// the text where there are fewer.
#[must_use]
pub fn substring_index(expr: Expr, delimiter: &str, count: i32) -> Expr {
    Function::call(&SUBSTRING_INDEX, vec![expr, lit(delimiter), lit(count)])
}

/// The first `length` characters.
#[must_use]
pub fn left(expr: Expr, length: Expr) -> Expr {
    Function::call(&LEFT, vec![expr, length])
}

/// The last `length` characters.
#[must_use]
pub fn right(expr: Expr, length: Expr) -> Expr {
    Function::call(&RIGHT, vec![expr, length])
}

/// Text or binaries joined; null if one is null.
#[must_use]
pub fn concat(exprs: Vec<Expr>) -> Expr {
    Function::call(&CONCAT, exprs)
}

/// Text and arrays of text joined by `separator`; nulls are left out.
#[must_use]
pub fn concat_ws(separator: &str, exprs: Vec<Expr>) -> Expr {
    let mut args = vec![lit(separator)];
    args.extend(exprs);
    Function::call(&CONCAT_WS, args)
}

/// Filled up at the beginning with `pad` to `length` characters, or cut to them.
#[must_use]
pub fn lpad(expr: Expr, length: i32, pad: &str) -> Expr {
    Function::call(&LPAD, vec![expr, lit(length), lit(pad)])
}

/// Filled up at the end with `pad` to `length` characters, or cut to them.
#[must_use]
pub fn rpad(expr: Expr, length: i32, pad: &str) -> Expr {
    Function::call(&RPAD, vec![expr, lit(length), lit(pad)])
}

/// The text `times` times.
#[must_use]
pub fn repeat(expr: Expr, times: Expr) -> Expr {
    Function::call(&REPEAT, vec![expr, times])
}

/// The characters, last first.
#[must_use]
pub fn reverse(expr: Expr) -> Expr {
    Function::call(&REVERSE, vec![expr])
}

/// Where `part` first is in the text, from 1 (`int`); 0 for nowhere.
#[must_use]
pub fn instr(expr: Expr, part: Expr) -> Expr {
    Function::call(&INSTR, vec![expr, part])
}

/// Where `part` first is in the text from `position` on, both from 1 (`int`); 0 for nowhere.
#[must_use]
pub fn locate(part: &str, expr: Expr, position: i32) -> Expr {
    Function::call(&LOCATE, vec![lit(part), expr, lit(position)])
}

/// Every `search` replaced.
#[must_use]
pub fn replace(expr: Expr, search: Expr, replacement: Expr) -> Expr {
    Function::call(&REPLACE, vec![expr, search, replacement])
}

/// Each character of `matching` replaced by the one of `replace` at its place, or left out where there is none.
#[must_use]
pub fn translate(expr: Expr, matching: &str, replace: &str) -> Expr {
    Function::call(&TRANSLATE, vec![expr, lit(matching), lit(replace)])
}

/// How many characters must be inserted, removed or replaced to make one text the other (`int`).
#[must_use]
pub fn levenshtein(left: Expr, right: Expr) -> Expr {
    Function::call(&LEVENSHTEIN, vec![left, right])
}

/// Whether the text has `part` in it.
#[must_use]
pub fn contains(expr: Expr, part: Expr) -> Expr {
    Function::call(&CONTAINS, vec![expr, part])
}

/// Whether the text begins with `prefix`.
#[must_use]
pub fn startswith(expr: Expr, prefix: Expr) -> Expr {
    Function::call(&STARTSWITH, vec![expr, prefix])
}

/// Whether the text ends with `suffix`.
#[must_use]
pub fn endswith(expr: Expr, suffix: Expr) -> Expr {
    Function::call(&ENDSWITH, vec![expr, suffix])
}

/// Whether all of the text fits `pattern`: `%` is any text, `_` any character, a backslash makes them plain.
#[must_use]
pub fn like(expr: Expr, pattern: Expr) -> Expr {
    Function::call(&LIKE, vec![expr, pattern])
}

/// As [`like`], capitals or not.
#[must_use]
pub fn ilike(expr: Expr, pattern: Expr) -> Expr {
    Function::call(&ILIKE, vec![expr, pattern])
}

/// Whether the text has a match of a Java regular expression. Look-around, back references, possessive quantifiers
/// and `(?m)` with `^` or `$` are refused when the query runs, here and in the functions below. An empty match is never within
/// a character, as it is in Java for those beyond the basic plane.
#[must_use]
pub fn rlike(expr: Expr, pattern: Expr) -> Expr {
    Function::call(&RLIKE, vec![expr, pattern])
}

/// Group `group` (0 is all) of the first match; empty where there is none.
#[must_use]
pub fn regexp_extract(expr: Expr, pattern: &str, group: i32) -> Expr {
    Function::call(&REGEXP_EXTRACT, vec![expr, lit(pattern), lit(group)])
}

/// Group `group` (0 is all) of every match.
#[must_use]
pub fn regexp_extract_all(expr: Expr, pattern: Expr, group: i32) -> Expr {
    Function::call(&REGEXP_EXTRACT_ALL, vec![expr, pattern, lit(group)])
}

/// Every match replaced; `$1` and `${name}` in `replacement` are groups, a backslash makes a `$` plain.
#[must_use]
pub fn regexp_replace(expr: Expr, pattern: Expr, replacement: Expr) -> Expr {
    Function::call(&REGEXP_REPLACE, vec![expr, pattern, replacement])
}

/// How many matches there are (`int`).
#[must_use]
pub fn regexp_count(expr: Expr, pattern: Expr) -> Expr {
    Function::call(&REGEXP_COUNT, vec![expr, pattern])
}

/// The parts between matches of `pattern`, a Java regular expression: with a `limit` above 0 at most so many.
#[must_use]
pub fn split(expr: Expr, pattern: &str, limit: i32) -> Expr {
    Function::call(&SPLIT, vec![expr, lit(pattern), lit(limit)])
}

/// Bytes or text as Base64, in one line.
#[must_use]
pub fn base64(expr: Expr) -> Expr {
    Function::call(&BASE64, vec![expr])
}

/// The bytes of Base64; characters it has not are skipped.
#[must_use]
pub fn unbase64(expr: Expr) -> Expr {
    Function::call(&UNBASE64, vec![expr])
}

/// A whole number, text or a binary in hexadecimal digits.
#[must_use]
pub fn hex(expr: Expr) -> Expr {
    Function::call(&HEX, vec![expr])
}

/// The bytes of hexadecimal digits; null for other text.
#[must_use]
pub fn unhex(expr: Expr) -> Expr {
    Function::call(&UNHEX, vec![expr])
}

/// Text as bytes. Of the charsets there is `UTF-8`.
#[must_use]
pub fn encode(expr: Expr, charset: &str) -> Expr {
    Function::call(&ENCODE, vec![expr, lit(charset)])
}

/// Bytes as text; what is no text ends the query. Of the charsets there is `UTF-8`.
#[must_use]
pub fn decode(expr: Expr, charset: &str) -> Expr {
    Function::call(&DECODE, vec![expr, lit(charset)])
}

/// The number of the first character (`int`), 0 where there is none.
#[must_use]
pub fn ascii(expr: Expr) -> Expr {
    Function::call(&ASCII, vec![expr])
}

/// The character of a number's last 8 bits; nothing for numbers below 0.
#[must_use]
pub fn char(expr: Expr) -> Expr {
    Function::call(&CHAR, vec![expr])
}

fn trimmed(kernel: &'static Kernel, expr: Expr, trim: Option<&str>) -> Expr {
    let mut args = vec![expr];
    args.extend(trim.map(lit));
    Function::call(kernel, args)
}
