//! A JSON Schema as a table's type.
//!
//! Read are `type`, `properties`, `required`, `default`, `items`, `additionalProperties`, `$ref`, and `oneOf`/`anyOf` of one type and
//! null. What narrows values further (`pattern`, `minimum`, formats) decides no type and is left to rules over rows. What would need
//! a type that tables do not have is refused by name.

use arrow::datatypes::{DataType, Field, Fields};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::functions::avro::within;
use crate::functions::ddl::map_of;
use crate::schema_registry::RegisteredSchema;

/// Types in one schema at most: definitions that use each other twice grow without bounds.
const TYPES_MAX: usize = 100_000;

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JsonType {
    pub(super) kind: JsonKind,
    /// Whether it may be null.
    pub(super) nullable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonKind {
    /// Anything: a string, or the text of the JSON that it is.
    Any,
    Boolean,
    Integer,
    Number,
    String,
    Array(Box<JsonType>),
    Map(Box<JsonType>),
    Object(Vec<Property>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) json_type: JsonType,
    pub(super) required: bool,
    pub(super) default: Option<Value>,
}

impl JsonType {
    /// # Errors
    /// `InvalidArgument` for what is no schema, `Unsupported` for one that has no table type, naming the place.
    pub(crate) fn parse(schema: &RegisteredSchema) -> Result<Self> {
        let json = |text: &str| {
            serde_json::from_str::<Value>(text).map_err(|error| {
                Error::invalid_argument("the JSON schema is no JSON").with_source(error)
            })
        };
        let mut documents = vec![(String::new(), json(&schema.text)?)];
        for reference in &schema.references {
            documents.push((reference.name.clone(), json(&reference.text)?));
        }
        let mut parser = Parser {
            documents: &documents,
            open: Vec::new(),
            types: 0,
        };
        parser.parse(&documents[0].1, "", "")
    }

    /// Its type. All fields are nullable.
    pub(crate) fn data_type(&self) -> DataType {
        let nullable = |name: &str, data_type| Field::new(name, data_type, true);
        match &self.kind {
            JsonKind::Any | JsonKind::String => DataType::Utf8,
            JsonKind::Boolean => DataType::Boolean,
            JsonKind::Integer => DataType::Int64,
            JsonKind::Number => DataType::Float64,
            JsonKind::Array(item) => DataType::List(nullable("item", item.data_type()).into()),
            JsonKind::Map(value) => map_of(DataType::Utf8, value.data_type()),
            JsonKind::Object(properties) => {
                let fields = properties
                    .iter()
                    .map(|property| nullable(&property.name, property.json_type.data_type()));
                DataType::Struct(fields.collect::<Fields>())
            }
        }
    }
}

impl JsonKind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "object (a map)",
            Self::Object(_) => "object",
        }
    }
}

struct Parser<'d> {
    /// By the names that `$ref` uses; the first is the schema itself.
    documents: &'d [(String, Value)],
    /// What is being read: document and pointer.
    open: Vec<(String, String)>,
    types: usize,
}

impl<'d> Parser<'d> {
    fn parse(&mut self, schema: &'d Value, document: &str, place: &str) -> Result<JsonType> {
        self.types += 1;
        if self.types > TYPES_MAX {
            return Err(Error::unsupported(format!(
                "a JSON schema of more than {TYPES_MAX} types, counting each use of a definition, is not supported"
            )));
        }
        let any = JsonType {
            kind: JsonKind::Any,
            nullable: true,
        };
        match schema {
            Value::Bool(true) => return Ok(any),
            Value::Object(_) => {}
            other => {
                return Err(Error::invalid_argument(format!(
                    "JSON schema, {}: {other} is no type",
                    shown(place)
                )));
            }
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            return self.referred(target, document, place);
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            if let Some(branches) = schema.get(key).and_then(Value::as_array) {
                let (nulls, others): (Vec<_>, Vec<_>) =
                    branches.iter().partition(|branch| branch["type"] == "null");
                let [one] = others.as_slice() else {
                    return Err(unsupported(place, &format!("{key:?} of several types")));
                };
                let mut found = self.parse(one, document, place)?;
                found.nullable |= !nulls.is_empty();
                return Ok(found);
            }
        }
        let (names, mut nullable): (Vec<&str>, bool) = match schema.get("type") {
            None if schema.get("properties").is_some() => (vec!["object"], false),
            None => match schema.get("enum").and_then(Value::as_array) {
                Some(values) if values.iter().all(Value::is_string) => (vec!["string"], false),
                _ => return Ok(any),
            },
            Some(Value::String(name)) => (vec![name], false),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                let (nulls, others): (Vec<_>, Vec<_>) = names.partition(|name| *name == "null");
                (others, !nulls.is_empty())
            }
            Some(other) => {
                return Err(Error::invalid_argument(format!(
                    "JSON schema, {}: {other} is no type",
                    shown(place)
                )));
            }
        };
        let kind = match names.as_slice() {
            ["boolean"] => JsonKind::Boolean,
            ["integer"] => JsonKind::Integer,
            ["number" | "integer", "integer"] | ["integer", "number"] | ["number"] => {
                JsonKind::Number
            }
            ["string"] => JsonKind::String,
            ["null"] | [] => {
                nullable = true;
                JsonKind::Any
            }
            ["array"] => match schema.get("items") {
                None => JsonKind::Array(Box::new(any)),
                Some(Value::Array(_)) => return Err(unsupported(place, "a type for each item")),
                Some(items) => {
                    let place = within(place, "items");
                    JsonKind::Array(Box::new(self.parse(items, document, &place)?))
                }
            },
            ["object"] => self.object(schema, document, place)?,
            several => {
                return Err(unsupported(
                    place,
                    &format!("type {}", several.join(" or ")),
                ));
            }
        };
        Ok(JsonType { kind, nullable })
    }

    fn object(&mut self, schema: &'d Value, document: &str, place: &str) -> Result<JsonKind> {
        let given = schema.get("properties").and_then(Value::as_object);
        let Some(given) = given.filter(|properties| !properties.is_empty()) else {
            return Ok(match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => {
                    let place = within(place, "additionalProperties");
                    JsonKind::Map(Box::new(self.parse(values, document, &place)?))
                }
                _ => JsonKind::Any,
            });
        };
        let required = schema.get("required").and_then(Value::as_array);
        let mut properties = Vec::with_capacity(given.len());
        for (name, property) in given {
            let place = within(place, name);
            properties.push(Property {
                name: name.clone(),
                json_type: self.parse(property, document, &place)?,
                required: required.is_some_and(|names| names.iter().any(|own| own == name)),
                default: property.get("default").cloned(),
            });
        }
        Ok(JsonKind::Object(properties))
    }

    fn referred(&mut self, target: &str, document: &str, place: &str) -> Result<JsonType> {
        let (name, pointer) = target.split_once('#').unwrap_or((target, ""));
        let name = if name.is_empty() { document } else { name };
        let missing = || {
            Error::invalid_argument(format!(
                "JSON schema, {}: there is no {target:?}",
                shown(place)
            ))
        };
        let documents = self.documents;
        let found = documents
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, document)| document.pointer(pointer))
            .ok_or_else(missing)?;
        let key = (name.to_owned(), pointer.to_owned());
        // The whole schema is open from the start.
        if self.open.contains(&key) || (name.is_empty() && pointer.is_empty()) {
            return Err(Error::unsupported(format!(
                "JSON schema, {}: {target:?} contains itself: recursive schemas have no table type",
                shown(place)
            )));
        }
        self.open.push(key);
        let parsed = self.parse(found, name, place);
        self.open.pop();
        parsed
    }
}

pub(super) fn shown(place: &str) -> String {
    match place {
        "" => "the schema".to_owned(),
        place => format!("field {place:?}"),
    }
}

fn unsupported(place: &str, what: &str) -> Error {
    Error::unsupported(format!(
        "JSON schema, {}: {what} has no table type",
        shown(place)
    ))
}
