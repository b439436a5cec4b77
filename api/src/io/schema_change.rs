//! What the rows of one schema have that those of a newer one have not.

use std::fmt;

use datafusion::arrow::datatypes::{DataType, Fields, Schema};
use weir_plan::functions::ddl::type_name;

/// A column that rows no longer have as they had it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    path: String,
    from: DataType,
    /// `None`: it is gone.
    pub(super) to: Option<DataType>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = type_name(&self.from);
        match &self.to {
            None => write!(f, "column {:?} ({from}) is gone", self.path),
            Some(to) => write!(
                f,
                "column {:?} is {} and was {from}",
                self.path,
                type_name(to)
            ),
        }
    }
}

/// What rows of `before` had that those of `after` have not, or not of a type that goes into the same column.
pub(super) fn breaks(before: &Schema, after: &Schema) -> Vec<Change> {
    let mut found = Vec::new();
    fields(before.fields(), after.fields(), "", &mut found);
    found
}

fn fields(before: &Fields, after: &Fields, parent: &str, found: &mut Vec<Change>) {
    for field in before {
        let path = match parent {
            "" => field.name().clone(),
            parent => format!("{parent}.{}", field.name()),
        };
        match after.find(field.name()) {
            None => found.push(Change {
                path,
                from: field.data_type().clone(),
                to: None,
            }),
            Some((_, next)) => types(field.data_type(), next.data_type(), path, found),
        }
    }
}

fn types(before: &DataType, after: &DataType, path: String, found: &mut Vec<Change>) {
    match (before, after) {
        (DataType::Struct(before), DataType::Struct(after)) => {
            fields(before, after, &path, found);
        }
        (DataType::List(before), DataType::List(after)) => types(
            before.data_type(),
            after.data_type(),
            format!("{path}.element"),
            found,
        ),
        (DataType::Map(before, _), DataType::Map(after, _)) => {
            types(before.data_type(), after.data_type(), path, found);
        }
        _ if widens(after, before) => {}
        _ => found.push(Change {
            path,
            from: before.clone(),
            to: Some(after.clone()),
        }),
    }
}

/// Whether every value of `from` is one of `to`, as a Delta write has it: it goes into a column of `to`.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64};
    from == to
        || matches!(
            (from, to),
            (Int8, Int16 | Int32 | Int64)
                | (Int16, Int32 | Int64)
                | (Int32, Int64)
                | (Float32, Float64)
        )
}

#[cfg(test)]
mod tests {
    use weir_plan::functions::ddl::parse_schema;

    use super::*;

    fn changes(before: &str, after: &str) -> Vec<String> {
        let [before, after] = [before, after].map(|text| parse_schema(text).unwrap());
        let found = breaks(&before, &after);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn new_fields_and_narrower_numbers_go_on_and_what_is_gone_or_of_another_type_does_not() {
        for (before, after) in [
            ("a INT", "b STRING, a INT"),
            ("a BIGINT, d DOUBLE", "a INT, d FLOAT"),
            ("s STRUCT<a: INT>", "s STRUCT<a: INT, b: INT>"),
            (
                "l ARRAY<STRUCT<a: INT>>, m MAP<STRING, STRUCT<a: INT>>",
                "l ARRAY<STRUCT<a: INT, b: INT>>, m MAP<STRING, STRUCT<b: INT, a: INT>>",
            ),
        ] {
            assert!(changes(before, after).is_empty(), "{before} to {after}");
        }
        for (before, after, said) in [
            ("a INT, b INT", "a INT", "column \"b\" (int) is gone"),
            ("a INT", "a BIGINT", "column \"a\" is bigint and was int"),
            (
                "a DOUBLE",
                "a STRING",
                "column \"a\" is string and was double",
            ),
            (
                "s STRUCT<a: INT>",
                "s STRUCT<b: INT>",
                "column \"s.a\" (int) is gone",
            ),
            (
                "l ARRAY<STRUCT<a: INT>>",
                "l ARRAY<STRUCT<b: INT>>",
                "column \"l.element.a\" (int) is gone",
            ),
        ] {
            assert_eq!(changes(before, after), [said], "{before} to {after}");
        }
    }
}
