//! The JSON Schema of a column: draft 7, in which what may be null is left out or null.

use arrow::datatypes::{DataType, Field};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::functions::avro::within;
use crate::functions::ddl;
use crate::functions::encode::refused;

/// A column of type `data_type`, titled `title`.
///
/// Objects have no other properties than those of the structs they are, so that a column that is added later, and may be null, is one that
/// readers of old records can do without.
///
/// # Errors
/// `InvalidPlan` for a type that JSON has not, with the place.
pub(crate) fn schema_of(data_type: &DataType, title: &str) -> Result<Value> {
    let mut schema = of(data_type, "")?;
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(title);
    Ok(schema)
}

fn of(data_type: &DataType, place: &str) -> Result<Value> {
    Ok(match data_type {
        DataType::Boolean => json!({"type": "boolean"}),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            json!({"type": "integer"})
        }
        DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
            json!({"type": "number"})
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => json!({"type": "string"}),
        DataType::Date32 => json!({"type": "string", "format": "date"}),
        DataType::Timestamp(_, Some(_)) => json!({"type": "string", "format": "date-time"}),
        DataType::Timestamp(_, None) => json!({"type": "string"}),
        DataType::Binary => json!({"type": "string", "contentEncoding": "base64"}),
        DataType::List(item) => {
            let items = nullable(item, &within(place, "items"))?;
            json!({"type": "array", "items": items})
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 && pair[0].data_type() == &DataType::Utf8 => {
                let values = nullable(&pair[1], &within(place, "additionalProperties"))?;
                json!({"type": "object", "additionalProperties": values})
            }
            _ => return Err(no_type(place, data_type)),
        },
        DataType::Struct(fields) => {
            let (mut properties, mut required) = (Map::new(), Vec::new());
            for field in fields {
                let place = within(place, field.name());
                let mut property = nullable(field, &place)?;
                match field.is_nullable() {
                    true => property["default"] = Value::Null,
                    false => required.push(field.name().clone()),
                }
                if properties.insert(field.name().clone(), property).is_some() {
                    return Err(refused(&place, "is in the column twice"));
                }
            }
            let mut object =
                json!({"type": "object", "properties": properties, "additionalProperties": false});
            if !required.is_empty() {
                object["required"] = json!(required);
            }
            object
        }
        _ => return Err(no_type(place, data_type)),
    })
}

fn nullable(field: &Field, place: &str) -> Result<Value> {
    let schema = of(field.data_type(), place)?;
    Ok(match field.is_nullable() {
        true => json!({"oneOf": [{"type": "null"}, schema]}),
        false => schema,
    })
}

fn no_type(place: &str, data_type: &DataType) -> crate::Error {
    let why = format!(
        "is {}, which JSON has not; cast it first",
        ddl::type_name(data_type)
    );
    refused(place, &why)
}
