//! The Avro schema of a column, as Spark's `SchemaConverters.toAvroType` has it.

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde_json::{Value, json};

use super::schema::within;
use crate::error::Result;
use crate::functions::ddl;
use crate::functions::encode::refused;

/// Spark's name for the record that a column is, where none is given.
pub(crate) const RECORD_NAME: &str = "topLevelRecord";

/// How what may be null is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// `["long", "null"]`, as Spark has it.
    Last,
    /// `["null", "long"]`, with null as the default of a field: readers may lack it, and other versions of the schema have it.
    FirstWithDefault,
}

/// A column of type `data_type`, whose record is `name` in `namespace`.
///
/// # Errors
/// `InvalidPlan` for a type that Avro has not, and for a name that is none there, with the place.
pub(crate) fn schema_of(
    data_type: &DataType,
    name: &str,
    namespace: &str,
    nulls: Nulls,
) -> Result<Value> {
    Deriving { nulls }.of(data_type, name, namespace, "")
}

struct Deriving {
    nulls: Nulls,
}

impl Deriving {
    fn of(&self, data_type: &DataType, name: &str, namespace: &str, place: &str) -> Result<Value> {
        let logical = |kind: &str, logical: &str| json!({"type": kind, "logicalType": logical});
        Ok(match data_type {
            DataType::Null => json!("null"),
            DataType::Boolean => json!("boolean"),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16 => {
                json!("int")
            }
            DataType::Int64 | DataType::UInt32 => json!("long"),
            DataType::Float32 => json!("float"),
            DataType::Float64 => json!("double"),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => json!("string"),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => json!("bytes"),
            DataType::Date32 => logical("int", "date"),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                logical("long", "timestamp-micros")
            }
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                logical("long", "local-timestamp-micros")
            }
            DataType::Decimal128(digits, scale @ 0..) => {
                let size = (1..=16).find(|size| holds(*size, *digits)).unwrap_or(16);
                named(name, place)?;
                json!({
                    "type": "fixed", "name": "fixed", "namespace": within(namespace, name), "size": size,
                    "logicalType": "decimal", "precision": digits, "scale": scale,
                })
            }
            DataType::Dictionary(_, values) => self.of(values, name, namespace, place)?,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => {
                let items = self.nullable(item, name, namespace, &within(place, "items"))?;
                json!({"type": "array", "items": items})
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 && is_text(pair[0].data_type()) => {
                    let values =
                        self.nullable(&pair[1], name, namespace, &within(place, "values"))?;
                    json!({"type": "map", "values": values})
                }
                _ => return Err(no_type(place, data_type)),
            },
            DataType::Struct(fields) => {
                named(name, place)?;
                let inner = within(namespace, name);
                let mut all = Vec::with_capacity(fields.len());
                for field in fields {
                    let place = within(place, field.name());
                    named(field.name(), &place)?;
                    let schema = self.nullable(field, field.name(), &inner, &place)?;
                    let default = self.nulls == Nulls::FirstWithDefault && schema[0] == "null";
                    let mut field = json!({"name": field.name(), "type": schema});
                    if default {
                        field["default"] = Value::Null;
                    }
                    all.push(field);
                }
                let mut record = json!({"type": "record", "name": name, "fields": all});
                if !namespace.is_empty() {
                    record["namespace"] = namespace.into();
                }
                record
            }
            _ => return Err(no_type(place, data_type)),
        })
    }

    fn nullable(&self, field: &Field, name: &str, namespace: &str, place: &str) -> Result<Value> {
        let schema = self.of(field.data_type(), name, namespace, place)?;
        Ok(match self.nulls {
            _ if !field.is_nullable() || schema == "null" => schema,
            Nulls::Last => json!([schema, "null"]),
            Nulls::FirstWithDefault => json!(["null", schema]),
        })
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// Whether `size` bytes hold every number of `digits` digits, and its sign.
fn holds(size: u32, digits: u8) -> bool {
    let largest = 10_u128.pow(u32::from(digits)) - 1;
    largest < 1_u128 << (8 * size - 1)
}

fn no_type(place: &str, data_type: &DataType) -> crate::Error {
    let why = format!(
        "is {}, which Avro has not; cast it first",
        ddl::type_name(data_type)
    );
    refused(place, &why)
}

/// That Avro allows `name`: letters, digits and `_`, and no digit first.
fn named(name: &str, place: &str) -> Result<()> {
    let valid = |(at, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit())
    };
    match !name.is_empty() && name.chars().enumerate().all(valid) {
        true => Ok(()),
        false => {
            let why = format!(
                "has the name {name:?}, which is none in Avro: letters, digits and _ make one, and no digit begins it"
            );
            Err(refused(place, &why))
        }
    }
}
