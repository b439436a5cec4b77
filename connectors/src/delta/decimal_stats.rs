//! Which statistics of decimals can be relied on.
//!
//! Statistics are numbers of JSON, which the Delta writer makes of a float: one of many digits is not the value that is
//! in the file, and whoever leaves out files by it loses rows. Such bounds are left out of what is written, and are
//! taken for unknown where they are read. The counts of rows and nulls are exact in any case.

use deltalake::kernel::{Add, DataType, PrimitiveType, StructType};
use serde_json::{Map, Number, Value};

const BOUNDS: [&str; 2] = ["minValues", "maxValues"];

/// Digits any decimal keeps on its way through a float and back. Of the numbers up to 2^53, which have 16 digits,
/// a float holds the whole ones only: 90071992547409.91 and 90071992547409.92 are the same.
const EXACT_DIGITS: i32 = 15;

/// More digits after the point than this and the writer takes a value of no whole digits for too long, and makes
/// it smaller.
const MOST_SCALE: i32 = 18;

/// Whether `bound`, of a decimal column of `scale`, is the value in the file.
pub(super) fn is_exact(bound: &Number, scale: i32) -> bool {
    let unscaled = bound.as_f64().map(|value| value.abs() * 10_f64.powi(scale));
    scale <= MOST_SCALE && unscaled.is_some_and(|unscaled| unscaled < 10_f64.powi(EXACT_DIGITS))
}

/// Leaves the bounds of decimals that are not exact out of the statistics of `add`.
pub(super) fn drop_inexact(add: &mut Add, schema: &StructType) {
    let Some(text) = &add.stats else { return };
    let Ok(Value::Object(mut stats)) = serde_json::from_str(text) else {
        return;
    };
    let written_back = Value::Object(stats.clone()).to_string();
    let unchanged = written_back == *text;
    let mut dropped = false;
    for bounds in BOUNDS {
        if let Some(Value::Object(bounds)) = stats.get_mut(bounds) {
            dropped |= drop_of(bounds, schema);
        }
    }
    if !dropped {
        return;
    }
    if !unchanged {
        // Reading a float may have moved it by its last digit, and a bound must not move.
        stats.retain(|key, _| !BOUNDS.contains(&key.as_str()));
    }
    add.stats = Some(Value::Object(stats).to_string());
}

fn drop_of(bounds: &mut Map<String, Value>, schema: &StructType) -> bool {
    let mut dropped = false;
    bounds.retain(|name, bound| {
        let data_type = schema.field(name).map(|field| field.data_type());
        let exact = match (data_type, bound) {
            (Some(DataType::Struct(fields)), Value::Object(bounds)) => {
                dropped |= drop_of(bounds, fields);
                true
            }
            (Some(DataType::Primitive(PrimitiveType::Decimal(decimal))), Value::Number(bound)) => {
                is_exact(bound, i32::from(decimal.scale()))
            }
            _ => true,
        };
        dropped |= !exact;
        exact
    });
    dropped
}

#[cfg(test)]
mod tests {
    use deltalake::kernel::StructField;
    use serde_json::json;

    use super::*;

    fn decimal(name: &str, precision: u8, scale: u8) -> StructField {
        StructField::nullable(name, DataType::decimal(precision, scale).unwrap())
    }

    fn schema() -> StructType {
        let nested = StructType::try_new([decimal("d", 18, 2), decimal("e", 18, 2)]).unwrap();
        StructType::try_new([
            decimal("d", 18, 2),
            decimal("whole", 38, 0),
            decimal("tiny", 19, 19),
            StructField::nullable("f", DataType::DOUBLE),
            StructField::nullable("s", nested),
        ])
        .unwrap()
    }

    fn kept(stats: &str) -> String {
        let mut add = Add {
            stats: Some(stats.to_owned()),
            ..Add::default()
        };
        drop_inexact(&mut add, &schema());
        add.stats.unwrap()
    }

    #[test]
    fn bounds_of_many_digits_are_dropped_and_the_others_stay() {
        let stats = json!({
            "numRecords": 2,
            "minValues": {
                "d": -1.25, "whole": 5, "tiny": 0.5, "f": 90_071_992_547_409.93,
                "s": {"d": -90_071_992_547_409.93, "e": 1.5},
            },
            "maxValues": {
                "d": 90_071_992_547_409.93, "whole": i64::MAX, "f": 1e300,
                "s": {"d": 0.25, "e": 9_999_999_999_999.99},
            },
            "nullCount": {"d": 1},
        });
        let expected = json!({
            "numRecords": 2,
            "minValues": {
                "d": -1.25, "whole": 5, "f": 90_071_992_547_409.93, "s": {"e": 1.5},
            },
            "maxValues": {"f": 1e300, "s": {"d": 0.25, "e": 9_999_999_999_999.99}},
            "nullCount": {"d": 1},
        });
        assert_eq!(kept(&stats.to_string()), expected.to_string());
    }

    #[test]
    fn statistics_of_few_digits_stay_as_they_are_written() {
        for stats in [
            r#"{"numRecords":1,"minValues":{"d":1.50,"f":1e3}}"#,
            r#"{"numRecords":1}"#,
            "no json",
        ] {
            assert_eq!(kept(stats), stats);
        }
    }

    #[test]
    fn floats_that_cannot_be_written_back_take_their_bounds_along() {
        let stats =
            r#"{"numRecords":1,"minValues":{"d":90071992547409.93,"f":1.50},"nullCount":{}}"#;
        assert_eq!(kept(stats), r#"{"numRecords":1,"nullCount":{}}"#);
    }

    #[test]
    fn bounds_are_exact_up_to_fifteen_digits() {
        let exact = |bound: f64, scale| is_exact(&Number::from_f64(bound).unwrap(), scale);
        assert!(exact(9_999_999_999_999.99, 2) && exact(-999_999_999_999_999.0, 0));
        assert!(!exact(10_000_000_000_000.01, 2) && !exact(-90_071_992_547_409.93, 2));
        assert!(exact(0.0, 18) && !exact(0.0, 19));
    }
}
