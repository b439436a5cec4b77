//! The columns of JSON lines, as Spark infers them (`JsonInferSchema`): every line is looked at, fields
//! are in the order of their names, and a field of different types is a string.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use weir_plan::{Error, ErrorKind, Result};

use super::decode::malformed;
use super::lines::Lines;
use crate::files::listing::Found;
use crate::files::options::{JsonReadOptions, ParseMode};

/// What is known of a value's type.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Long,
    /// An integer beyond a long: Spark's decimal(20, 0).
    BigInteger,
    Double,
    Text,
    List(Box<Kind>),
    Struct(BTreeMap<String, Kind>),
}

/// The columns of all lines of `found`; with the corrupt record column if a line is no record and the
/// mode is PERMISSIVE.
///
/// # Errors
/// `Storage` for a file that cannot be read; `Compute`, naming file and line, for one that is no record
/// under FAILFAST.
pub(in crate::files) async fn infer_schema(
    session: &dyn Session,
    found: &[Found],
    options: &JsonReadOptions,
) -> Result<SchemaRef> {
    let store = session
        .runtime_env()
        .object_store(ObjectStoreUrl::local_filesystem())?;
    let tasks = session.config().target_partitions().max(1);
    let inferred: Vec<(Kind, bool)> = futures::stream::iter(found.to_vec())
        .map(|file| {
            let (store, options) = (Arc::clone(&store), options.clone());
            let task = tokio::spawn(async move {
                let mut lines = Lines::open(&store, &file.meta.location).await?;
                let (mut kind, mut corrupt) = (Kind::Null, false);
                while let Some(block) = lines.next().await? {
                    for (number, line) in block.lines() {
                        match serde_json::from_slice::<Value>(line) {
                            Ok(Value::Object(fields)) => {
                                let value = Value::Object(fields);
                                kind = merge(kind, kind_of(&value, options.primitives_as_string));
                            }
                            other if options.mode == ParseMode::FailFast => {
                                let place = &file.meta.location;
                                return Err(malformed(place, number, line, other.err()));
                            }
                            _ => corrupt = true,
                        }
                    }
                }
                Ok((kind, corrupt))
            });
            async move {
                task.await.map_err(|error| {
                    Error::internal("a task that reads JSON failed").with_source(error)
                })?
            }
        })
        .buffered(tasks)
        .try_collect()
        .await?;
    let corrupt = inferred.iter().any(|(_, corrupt)| *corrupt);
    let kind = inferred.into_iter().map(|(kind, _)| kind).reduce(merge);
    let mut fields = match kind {
        Some(Kind::Struct(fields)) => fields,
        _ => BTreeMap::new(),
    };
    if corrupt && options.mode == ParseMode::Permissive {
        fields.insert(options.corrupt_record.clone(), Kind::Text);
    }
    if fields.is_empty() {
        let first = found.first().map(|file| file.path.display().to_string());
        return Err(Error::new(
            ErrorKind::SchemaMismatch,
            format!(
                "no line of {} and the other files read is a JSON object with fields; give a schema",
                first.unwrap_or_default()
            ),
        ));
    }
    Ok(Arc::new(Schema::new(struct_fields(fields))))
}

fn kind_of(value: &Value, as_string: bool) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(_) | Value::Number(_) if as_string => Kind::Text,
        Value::Bool(_) => Kind::Boolean,
        Value::Number(number) if number.is_i64() => Kind::Long,
        Value::Number(number) if number.is_u64() => Kind::BigInteger,
        Value::Number(_) => Kind::Double,
        Value::String(_) => Kind::Text,
        Value::Array(elements) => {
            let element = elements
                .iter()
                .map(|element| kind_of(element, as_string))
                .reduce(merge);
            Kind::List(Box::new(element.unwrap_or(Kind::Null)))
        }
        Value::Object(fields) => Kind::Struct(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), kind_of(value, as_string)))
                .collect(),
        ),
    }
}

fn merge(a: Kind, b: Kind) -> Kind {
    use Kind::{BigInteger, Double, List, Long, Null, Struct, Text};
    match (a, b) {
        (Null, other) | (other, Null) => other,
        (List(a), List(b)) => List(Box::new(merge(*a, *b))),
        (Struct(mut a), Struct(b)) => {
            for (name, kind) in b {
                let kind = match a.remove(&name) {
                    Some(before) => merge(before, kind),
                    None => kind,
                };
                a.insert(name, kind);
            }
            Struct(a)
        }
        (a, b) if a == b => a,
        (Long, BigInteger) | (BigInteger, Long) => BigInteger,
        (Long | BigInteger, Double) | (Double, Long | BigInteger) => Double,
        _ => Text,
    }
}

fn struct_fields(fields: BTreeMap<String, Kind>) -> Fields {
    let field = |(name, kind)| Field::new(name, data_type(kind), true);
    fields.into_iter().map(field).collect()
}

/// What is only ever null is a string.
fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Boolean => DataType::Boolean,
        Kind::Long => DataType::Int64,
        Kind::BigInteger => DataType::Decimal128(20, 0),
        Kind::Double => DataType::Float64,
        Kind::Null | Kind::Text => DataType::Utf8,
        Kind::List(element) => {
            DataType::List(Arc::new(Field::new("element", data_type(*element), true)))
        }
        // Spark's struct without fields has no place in Arrow files either.
        Kind::Struct(fields) if fields.is_empty() => DataType::Utf8,
        Kind::Struct(fields) => DataType::Struct(struct_fields(fields)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inferred(values: &[Value]) -> String {
        let kinds = values.iter().map(|value| kind_of(value, false));
        data_type(kinds.reduce(merge).unwrap()).to_string()
    }

    #[test]
    fn types_merge_as_spark_merges_them() {
        let long = DataType::Int64.to_string();
        assert_eq!(inferred(&[json!(1), json!(null)]), long);
        assert_eq!(inferred(&[json!(1), json!(1.5)]), "Float64");
        assert_eq!(inferred(&[json!(1), json!(u64::MAX)]), "Decimal128(20, 0)");
        assert_eq!(inferred(&[json!(1), json!(true)]), "Utf8");
        assert_eq!(inferred(&[json!(1), json!({"a": 1})]), "Utf8");
        assert_eq!(inferred(&[json!(null)]), "Utf8");
        assert_eq!(inferred(&[json!({})]), "Utf8");
        let merged = [json!({"b": [1], "a": 1}), json!({"b": [0.5], "c": "x"})];
        let kinds = merged.iter().map(|value| kind_of(value, false));
        let DataType::Struct(fields) = data_type(kinds.reduce(merge).unwrap()) else {
            panic!("no struct");
        };
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let DataType::List(element) = fields[1].data_type() else {
            panic!("no list");
        };
        assert_eq!(element.data_type(), &DataType::Float64);
    }
}
