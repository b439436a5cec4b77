//! The Protobuf message of a column: proto3, in which what may be null is `optional`.

use std::collections::HashSet;
use std::fmt::Write as _;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use crate::error::Result;
use crate::functions::avro::within;
use crate::functions::ddl;
use crate::functions::encode::refused;

/// A `.proto` file whose only message is `name`, of `package`, with a field for each of a struct's, numbered from 1 in their order.
///
/// # Errors
/// `InvalidPlan` for what is no struct, a type that Protobuf has not, and a name that is none there, with the place.
pub(crate) fn file_text(data_type: &DataType, name: &str, package: &str) -> Result<String> {
    let DataType::Struct(fields) = data_type else {
        return Err(no_type("", data_type, "a message is made of a struct only"));
    };
    let mut uses_time = false;
    let mut body = String::new();
    message(fields, name, "", "", &mut body, &mut uses_time)?;
    let mut text = "syntax = \"proto3\";\n".to_owned();
    if !package.is_empty() {
        for part in package.split('.') {
            named(part, "")?;
        }
        let _ = writeln!(text, "package {package};");
    }
    if uses_time {
        text.push_str("import \"google/protobuf/timestamp.proto\";\n");
    }
    text.push_str(&body);
    Ok(text)
}

fn message(
    fields: &Fields,
    name: &str,
    place: &str,
    indent: &str,
    out: &mut String,
    uses_time: &mut bool,
) -> Result<()> {
    named(name, place)?;
    let _ = writeln!(out, "{indent}message {name} {{");
    let inner = format!("{indent}  ");
    let mut taken = HashSet::new();
    for (field, number) in fields.iter().zip(1..) {
        let place = within(place, field.name());
        named(field.name(), &place)?;
        let item = match field.data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Some(item.data_type())
            }
            _ => None,
        };
        let entries = match field.data_type() {
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => {
                    Some((pair[0].data_type(), pair[1].data_type()))
                }
                _ => None,
            },
            _ => None,
        };
        let mut type_of = |data_type: &DataType, out: &mut String| -> Result<String> {
            if let DataType::Struct(fields) = data_type {
                let mut nested = capitals(field.name());
                while !taken.insert(nested.clone()) {
                    nested.push('_');
                }
                message(fields, &nested, &place, &inner, out, uses_time)?;
                return Ok(nested);
            }
            let found = scalar(data_type).ok_or_else(|| {
                no_type(
                    &place,
                    data_type,
                    "which Protobuf has not there; cast it first",
                )
            })?;
            *uses_time |= found.starts_with("google.");
            Ok(found.to_owned())
        };
        let declared = match (item, entries) {
            (Some(item), _) => format!("repeated {}", type_of(item, out)?),
            (_, Some((key, value))) => {
                let key_type = scalar(key)
                    .filter(|found| matches!(*found, "string" | "bool" | "int32" | "int64"));
                let key_type = key_type
                    .ok_or_else(|| no_type(&place, key, "which Protobuf has not as a map's key"))?;
                format!("map<{key_type}, {}>", type_of(value, out)?)
            }
            _ => format!("{}{}", label(field), type_of(field.data_type(), out)?),
        };
        let _ = writeln!(out, "{inner}{declared} {} = {number};", field.name());
    }
    let _ = writeln!(out, "{indent}}}");
    Ok(())
}

/// Absence of a message shows by itself.
fn label(field: &Field) -> &'static str {
    match field.data_type() {
        DataType::Struct(_) | DataType::Timestamp(..) => "",
        _ if field.is_nullable() => "optional ",
        _ => "",
    }
}

fn scalar(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Boolean => "bool",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "bytes",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "google.protobuf.Timestamp",
        DataType::Dictionary(_, values) => return scalar(values),
        _ => return None,
    })
}

fn no_type(place: &str, data_type: &DataType, why: &str) -> crate::Error {
    refused(place, &format!("is {}, {why}", ddl::type_name(data_type)))
}

/// `line_items` as `LineItems`.
fn capitals(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    let joined: String = words.map(capital).collect();
    match joined.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => joined,
        false => format!("M{joined}"),
    }
}

/// That Protobuf allows `name`: letters, digits and `_`, and a letter first.
fn named(name: &str, place: &str) -> Result<()> {
    let valid = |c: char| c == '_' || c.is_ascii_alphanumeric();
    match name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(valid)
    {
        true => Ok(()),
        false => Err(refused(
            place,
            &format!(
                "has the name {name:?}, which is none in Protobuf: letters, digits and _ make one, and no digit begins it"
            ),
        )),
    }
}
