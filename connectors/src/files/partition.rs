//! Partition directories: names and values as text, and the types of what is found.
//!
//! Escaping is Hive's, as Spark has it (`ExternalCatalogUtils.escapePathName`), null and the empty
//! string are `__HIVE_DEFAULT_PARTITION__`; types are inferred as Spark does
//! (`PartitioningUtils.inferPartitionColumnValue`): int, bigint, double, date, timestamp, string.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{NaiveDate, NaiveDateTime};
use datafusion::common::ScalarValue;
use weir_plan::{Error, ErrorKind, Result};

use super::listing::Found;

/// Stands for null in a directory's name.
pub(super) const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// `text` as a part of a path: what Hive escapes, as `%XX`.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let special = matches!(
            c,
            '\u{1}'
                ..='\u{1f}'
                    | '"'
                    | '#'
                    | '%'
                    | '\''
                    | '*'
                    | '/'
                    | ':'
                    | '='
                    | '?'
                    | '\\'
                    | '\u{7f}'
                    | '{'
                    | '['
                    | ']'
                    | '^'
        );
        if special {
            escaped.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// The inverse of [`escape`]. What is no escape stays.
///
/// As Spark does, each `%XX` is one character, but a run of them that is UTF-8 is read as such:
/// other writers (pyarrow) escape the bytes of a character.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut bytes = Vec::new();
        while let Some(byte) = escaped_byte(rest) {
            bytes.push(byte);
            rest = &rest[3..];
        }
        if bytes.is_empty() {
            plain.push('%');
            rest = &rest[1..];
            continue;
        }
        match String::from_utf8(bytes) {
            Ok(run) => plain.push_str(&run),
            Err(error) => plain.extend(error.into_bytes().into_iter().map(char::from)),
        }
    }
    plain.push_str(rest);
    plain
}

fn escaped_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%')?.get(..2)?;
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// `name=value`, as a directory is named.
pub(super) fn directory(name: &str, value: Option<&str>) -> String {
    let value = value.filter(|text| !text.is_empty()).unwrap_or(NULL_VALUE);
    format!("{}={}", escape(name), escape(value))
}

/// The values of a partition column as text; null for null.
///
/// # Errors
/// `Compute` for what has no text form.
pub(super) fn texts(values: &ArrayRef) -> Result<StringArray> {
    if values.data_type() == &DataType::Utf8 {
        return Ok(values.as_string::<i32>().clone());
    }
    // Spark's forms: 2026-01-31 08:00:00[.123456], without a zone.
    let options = FormatOptions::new()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let failed = |error| {
        Error::new(ErrorKind::Compute, "a partition value has no text form").with_source(error)
    };
    let formatter = ArrayFormatter::try_new(values.as_ref(), &options).map_err(failed)?;
    (0..values.len())
        .map(|row| match values.is_null(row) {
            true => Ok(None),
            false => formatter
                .value(row)
                .try_to_string()
                .map(Some)
                .map_err(failed),
        })
        .collect()
}

/// The partition columns of `found`, with the types that `given` declares or that their values have.
pub(super) fn columns(found: &[Found], given: Option<&arrow::datatypes::Schema>) -> Vec<FieldRef> {
    let Some(first) = found.first() else {
        return Vec::new();
    };
    (0..first.partitions.len())
        .map(|index| {
            let name = &first.partitions[index].0;
            let declared = given.and_then(|schema| {
                let same = |field: &&FieldRef| field.name().eq_ignore_ascii_case(name);
                schema.fields().iter().find(same)
            });
            match declared {
                Some(field) => Arc::new(Field::new(name, field.data_type().clone(), true)),
                None => {
                    let values = found.iter().map(|file| file.partitions[index].1.as_str());
                    Arc::new(Field::new(name, common_type(values), true))
                }
            }
        })
        .collect()
}

/// The values of a file's partition columns.
///
/// # Errors
/// `SchemaMismatch` for one that is not of its column's declared type, naming file and column.
pub(super) fn values(file: &Found, columns: &[FieldRef]) -> Result<Vec<ScalarValue>> {
    let pairs = file.partitions.iter().zip(columns);
    pairs
        .map(|((_, text), field)| {
            let target = field.data_type();
            let array = if text == NULL_VALUE {
                Ok(new_null_array(target, 1))
            } else {
                let options = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                cast_with_options(&StringArray::from(vec![text.as_str()]), target, &options)
            };
            let array = array.map_err(|error| {
                Error::new(
                    ErrorKind::SchemaMismatch,
                    format!(
                        "{} lies in partition {}={text}, which is no {target}",
                        file.path.display(),
                        field.name()
                    ),
                )
                .with_source(error)
            })?;
            Ok(ScalarValue::try_from_array(&array, 0)?)
        })
        .collect()
}

/// What partition values can be, from the narrowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Long,
    Double,
    Date,
    Timestamp,
    Text,
}

fn common_type<'a>(values: impl Iterator<Item = &'a str>) -> DataType {
    let kind = values
        .filter(|text| *text != NULL_VALUE)
        .map(kind_of)
        .reduce(wider);
    match kind {
        Some(Kind::Int) => DataType::Int32,
        Some(Kind::Long) => DataType::Int64,
        Some(Kind::Double) => DataType::Float64,
        Some(Kind::Date) => DataType::Date32,
        Some(Kind::Timestamp) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Some(Kind::Text) | None => DataType::Utf8,
    }
}

fn kind_of(text: &str) -> Kind {
    if text.parse::<i32>().is_ok() {
        return Kind::Int;
    }
    if text.parse::<i64>().is_ok() {
        return Kind::Long;
    }
    // Not "inf" or "nan", which are names more often than numbers.
    let numeric = text.bytes().any(|byte| byte.is_ascii_digit());
    if numeric && text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Kind::Double;
    }
    if text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
        return Kind::Date;
    }
    let timed = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    if timed
        .iter()
        .any(|format| NaiveDateTime::parse_from_str(text, format).is_ok())
    {
        return Kind::Timestamp;
    }
    Kind::Text
}

fn wider(a: Kind, b: Kind) -> Kind {
    use Kind::{Date, Double, Int, Long, Text, Timestamp};
    match (a, b) {
        _ if a == b => a,
        (Int, Long) | (Long, Int) => Long,
        (Int | Long, Double) | (Double, Int | Long) => Double,
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        _ => Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_hive_does_and_read_back() {
        for (plain, escaped) in [
            ("a b", "a b"),
            ("2026-01-31 08:00:00", "2026-01-31 08%3A00%3A00"),
            ("a/b=c%d", "a%2Fb%3Dc%25d"),
            ("{[^]}", "%7B%5B%5E%5D}"),
            ("\"'#*?\\", "%22%27%23%2A%3F%5C"),
            ("ü", "ü"),
            ("\u{1}\u{7f}", "%01%7F"),
        ] {
            assert_eq!(escape(plain), escaped);
            assert_eq!(unescape(escaped), plain);
        }
        // What other writers do.
        assert_eq!(unescape("a%20b%C3%BC"), "a bü");
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz%4"), "%zz%4");
        assert_eq!(unescape("%+1"), "%+1");
    }

    #[test]
    fn types_are_the_narrowest_that_hold_every_value() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (values, expected) in [
            (vec!["1", "-2"], DataType::Int32),
            (vec!["1", "3000000000"], DataType::Int64),
            (vec!["1", "1.5"], DataType::Float64),
            (vec!["2026-01-31", NULL_VALUE], DataType::Date32),
            (vec!["2026-01-31", "2026-01-31 08:00:00"], utc),
            (vec!["2026-01-31", "1"], DataType::Utf8),
            (vec!["2026-02-30"], DataType::Utf8),
            (vec!["nan"], DataType::Utf8),
            (vec![NULL_VALUE], DataType::Utf8),
        ] {
            assert_eq!(common_type(values.iter().copied()), expected, "{values:?}");
        }
    }

    #[test]
    fn null_and_empty_values_share_the_default_partition() {
        assert_eq!(directory("p", None), "p=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(directory("p", Some("")), "p=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(directory("a=b", Some("1")), "a%3Db=1");
    }
}
