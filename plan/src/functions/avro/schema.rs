//! Avro schemas as trees: every name replaced by what it stands for, every error with its place.
//!
//! A tree is JSON again, of which only what decides the bytes and the values is kept. `arrow-avro` resolves a name that stands for
//! a type by the reader's definition alone, so that it is handed trees, in which there are no names to look up.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::functions::ddl::map_of;

/// Types in one tree at most: a few definitions that use each other twice grow without bounds.
const TYPES_MAX: usize = 200_000;

const PRIMITIVES: &[&str] = &[
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
];

/// Logical types whose values are other than those of the type below. The others (`uuid`, `time-millis`, `duration`) are read as the
/// type below, as Spark reads them.
const LOGICAL: &[&str] = &[
    "decimal",
    "date",
    "timestamp-millis",
    "timestamp-micros",
    "local-timestamp-millis",
    "local-timestamp-micros",
];

/// A schema without names to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AvroTree {
    pub(super) root: Value,
}

impl AvroTree {
    /// The schema `text`, with the schemas that it refers to, each after those that it refers to itself.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no schema, naming the place; `Unsupported` for one that contains itself.
    pub(crate) fn parse(text: &str, references: &[&str]) -> Result<Self> {
        let mut names = Names::default();
        for reference in references {
            names.expand(&json_of(reference)?, "", "")?;
        }
        let root = names.expand(&json_of(text)?, "", "")?;
        Ok(Self { root })
    }

    /// As `arrow-avro` is given it: any type is the only field of a record, whose bytes are those of the field.
    pub(super) fn wrapped(&self) -> String {
        json!({
            "type": "record",
            "name": "weir_root",
            "fields": [{"name": "value", "type": self.root}],
        })
        .to_string()
    }

    /// The type of its values, as Spark's `SchemaConverters.toSqlType` has it. All fields are nullable.
    ///
    /// # Errors
    /// `Unsupported` for a decimal of more than 38 digits.
    pub(crate) fn data_type(&self) -> Result<DataType> {
        data_type(&self.root, "")
    }
}

fn json_of(text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|error| Error::invalid_argument("the Avro schema is no JSON").with_source(error))
}

/// The name of a type's kind: `record`, `union`, `long`.
pub(super) fn kind(schema: &Value) -> &str {
    match schema {
        Value::String(name) => name,
        Value::Array(_) => "union",
        other => other["type"].as_str().unwrap_or(""),
    }
}

/// Its logical type, of those that are read as such.
pub(super) fn logical(schema: &Value) -> Option<&str> {
    schema.get("logicalType")?.as_str()
}

/// The branches of a union that are not null, and whether there is one that is.
pub(super) fn branches(union: &Value) -> (Vec<&Value>, bool) {
    let all = union.as_array().map_or(&[][..], Vec::as_slice);
    let others: Vec<&Value> = all.iter().filter(|branch| kind(branch) != "null").collect();
    let nullable = others.len() < all.len();
    (others, nullable)
}

pub(super) fn items<'a>(schema: &'a Value, key: &str) -> &'a [Value] {
    schema[key].as_array().map_or(&[][..], Vec::as_slice)
}

/// `outer.inner`, or the one that there is.
pub(in crate::functions) fn within(outer: &str, inner: &str) -> String {
    match outer {
        "" => inner.to_owned(),
        outer => format!("{outer}.{inner}"),
    }
}

/// What a place is called in a message.
pub(super) fn shown(place: &str) -> String {
    match place {
        "" => "the schema".to_owned(),
        place => format!("field {place:?}"),
    }
}

#[derive(Default)]
struct Names {
    /// By full name.
    known: HashMap<String, Value>,
    /// Full names of the types that are being read.
    open: Vec<String>,
    types: usize,
}

impl Names {
    fn expand(&mut self, schema: &Value, namespace: &str, place: &str) -> Result<Value> {
        self.types += 1;
        if self.types > TYPES_MAX {
            return Err(too_large());
        }
        match schema {
            Value::String(name) => self.named(name, namespace, place),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| {
                    if branch.is_array() {
                        return Err(invalid(place, "a union cannot hold a union"));
                    }
                    self.expand(branch, namespace, place)
                });
                let branches = branches.collect::<Result<Vec<_>>>()?;
                if branches.is_empty() {
                    return Err(invalid(place, "a union has no types"));
                }
                Ok(Value::Array(branches))
            }
            Value::Object(attributes) => self.object(attributes, namespace, place),
            other => Err(invalid(place, &format!("{other} is no type"))),
        }
    }

    fn named(&mut self, name: &str, namespace: &str, place: &str) -> Result<Value> {
        if PRIMITIVES.contains(&name) {
            return Ok(Value::String(name.to_owned()));
        }
        let full = match name.contains('.') {
            true => name.to_owned(),
            false => within(namespace, name),
        };
        for candidate in [full.as_str(), name] {
            if self.open.iter().any(|open| open == candidate) {
                return Err(Error::unsupported(format!(
                    "Avro type {candidate:?} contains itself, at {}: recursive schemas have no table type; \
                     leave the field out of the reader's schema, and out of the writer's",
                    shown(place)
                )));
            }
            if let Some(known) = self.known.get(candidate) {
                let known = known.clone();
                self.types += count(&known);
                return match self.types > TYPES_MAX {
                    true => Err(too_large()),
                    false => Ok(known),
                };
            }
        }
        Err(invalid(place, &format!("there is no type {full:?}")))
    }

    fn object(
        &mut self,
        attributes: &Map<String, Value>,
        namespace: &str,
        place: &str,
    ) -> Result<Value> {
        let kind = match attributes.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(nested) => return self.expand(nested, namespace, place),
            None => return Err(invalid(place, "a type has no \"type\"")),
        };
        match kind {
            "record" | "error" => self.record(attributes, namespace, place),
            "enum" => {
                let (name, full, _) = names_of(attributes, namespace, place)?;
                let symbols = attributes.get("symbols").and_then(Value::as_array);
                let symbols = symbols
                    .filter(|symbols| !symbols.is_empty() && symbols.iter().all(Value::is_string))
                    .ok_or_else(|| invalid(place, &format!("enum {full:?} has no \"symbols\"")))?;
                let mut tree = json!({"type": "enum", "name": name, "symbols": symbols});
                keep(&mut tree, attributes, "default");
                aliases(&mut tree, attributes);
                self.known.insert(full, tree.clone());
                Ok(tree)
            }
            "fixed" => {
                let (name, full, _) = names_of(attributes, namespace, place)?;
                let size = attributes.get("size").and_then(Value::as_u64);
                let size = size
                    .filter(|size| *size <= 1 << 20)
                    .ok_or_else(|| invalid(place, &format!("fixed {full:?} has no \"size\"")))?;
                let mut tree = json!({"type": "fixed", "name": name, "size": size});
                aliases(&mut tree, attributes);
                annotate(&mut tree, attributes);
                self.known.insert(full, tree.clone());
                Ok(tree)
            }
            "array" | "map" => {
                let key = if kind == "array" { "items" } else { "values" };
                let inner = attributes
                    .get(key)
                    .ok_or_else(|| invalid(place, &format!("a type {kind} has no {key:?}")))?;
                let inner = self.expand(inner, namespace, &within(place, key))?;
                Ok(json!({"type": kind, key: inner}))
            }
            primitive if PRIMITIVES.contains(&primitive) => {
                let mut tree = json!({"type": primitive});
                annotate(&mut tree, attributes);
                match tree.get("logicalType") {
                    Some(_) => Ok(tree),
                    None => Ok(Value::String(primitive.to_owned())),
                }
            }
            other => self.named(other, namespace, place),
        }
    }

    fn record(
        &mut self,
        attributes: &Map<String, Value>,
        namespace: &str,
        place: &str,
    ) -> Result<Value> {
        let (name, full, inner) = names_of(attributes, namespace, place)?;
        let given = attributes.get("fields").and_then(Value::as_array);
        let given =
            given.ok_or_else(|| invalid(place, &format!("record {full:?} has no \"fields\"")))?;
        self.open.push(full.clone());
        let mut fields: Vec<Value> = Vec::with_capacity(given.len());
        let mut seen = std::collections::HashSet::new();
        for field in given {
            let name = field["name"].as_str().ok_or_else(|| {
                invalid(
                    place,
                    &format!("a field of record {full:?} has no \"name\""),
                )
            })?;
            if !seen.insert(name) {
                return Err(invalid(
                    place,
                    &format!("record {full:?} has two fields {name:?}"),
                ));
            }
            let place = within(place, name);
            let schema = field
                .get("type")
                .ok_or_else(|| invalid(&place, "it has no \"type\""))?;
            let mut tree = json!({"name": name, "type": self.expand(schema, &inner, &place)?});
            for key in ["default", "aliases"] {
                if let Some(value) = field.get(key) {
                    tree[key] = value.clone();
                }
            }
            fields.push(tree);
        }
        self.open.pop();
        let mut tree = json!({"type": "record", "name": name, "fields": fields});
        aliases(&mut tree, attributes);
        self.known.insert(full, tree.clone());
        Ok(tree)
    }
}

/// A definition's own name, its full name, and the namespace of what is within.
fn names_of(
    attributes: &Map<String, Value>,
    namespace: &str,
    place: &str,
) -> Result<(String, String, String)> {
    let name = attributes
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid(place, "a record, enum or fixed has no \"name\""))?;
    let full = match attributes.get("namespace").and_then(Value::as_str) {
        _ if name.contains('.') => name.to_owned(),
        Some(own) => within(own, name),
        None => within(namespace, name),
    };
    let (inner, own) = full.rsplit_once('.').unwrap_or(("", &full));
    Ok((own.to_owned(), full.clone(), inner.to_owned()))
}

/// Names match without their namespaces, as the specification has it.
fn aliases(tree: &mut Value, attributes: &Map<String, Value>) {
    if let Some(Value::Array(aliases)) = attributes.get("aliases") {
        let names = aliases.iter().filter_map(Value::as_str);
        let own = names.map(|name| name.rsplit('.').next().unwrap_or(name));
        tree["aliases"] = own.collect();
    }
}

fn annotate(tree: &mut Value, attributes: &Map<String, Value>) {
    let logical = attributes.get("logicalType").and_then(Value::as_str);
    let Some(logical) = logical.filter(|logical| LOGICAL.contains(logical)) else {
        return;
    };
    let fits = match logical {
        "decimal" => matches!(kind(tree), "bytes" | "fixed"),
        "date" => kind(tree) == "int",
        _ => kind(tree) == "long",
    };
    // A logical type that does not fit is to be ignored, says the specification.
    let digits = attributes.get("precision").and_then(Value::as_u64);
    if !fits || (logical == "decimal" && digits.is_none_or(|digits| digits == 0)) {
        return;
    }
    tree["logicalType"] = logical.into();
    if logical == "decimal" {
        keep(tree, attributes, "precision");
        keep(tree, attributes, "scale");
    }
}

fn keep(tree: &mut Value, attributes: &Map<String, Value>, key: &str) {
    if let Some(value) = attributes.get(key) {
        tree[key] = value.clone();
    }
}

fn count(tree: &Value) -> usize {
    match tree {
        Value::Array(values) => 1 + values.iter().map(count).sum::<usize>(),
        Value::Object(values) => 1 + values.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

fn invalid(place: &str, what: &str) -> Error {
    Error::invalid_argument(format!("Avro schema, {}: {what}", shown(place)))
}

fn too_large() -> Error {
    Error::unsupported(format!(
        "an Avro schema of more than {TYPES_MAX} types, counting each use of a named one, is not supported"
    ))
}

pub(super) fn data_type(schema: &Value, place: &str) -> Result<DataType> {
    let nullable = |name: &str, data_type| Field::new(name, data_type, true);
    Ok(match (kind(schema), logical(schema)) {
        (_, Some("decimal")) => {
            let digit = |key: &str| schema[key].as_u64().unwrap_or(0);
            let (precision, scale) = (digit("precision"), digit("scale"));
            match (u8::try_from(precision), i8::try_from(scale)) {
                (Ok(precision @ 1..=38), Ok(scale)) if u64::from(precision) >= digit("scale") => {
                    DataType::Decimal128(precision, scale)
                }
                _ => {
                    return Err(Error::unsupported(format!(
                        "Avro schema, {}: a decimal of {precision} digits, {scale} after the point, is not supported; \
                         at most 38 are",
                        shown(place)
                    )));
                }
            }
        }
        (_, Some("date")) => DataType::Date32,
        (_, Some("timestamp-millis" | "timestamp-micros")) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        (_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, None),
        ("null", _) => DataType::Null,
        ("boolean", _) => DataType::Boolean,
        ("int", _) => DataType::Int32,
        ("long", _) => DataType::Int64,
        ("float", _) => DataType::Float32,
        ("double", _) => DataType::Float64,
        ("bytes" | "fixed", _) => DataType::Binary,
        ("array", _) => DataType::List(
            nullable(
                "item",
                data_type(&schema["items"], &within(place, "items"))?,
            )
            .into(),
        ),
        ("map", _) => map_of(
            DataType::Utf8,
            data_type(&schema["values"], &within(place, "values"))?,
        ),
        ("record", _) => {
            let fields = items(schema, "fields").iter().map(|field| {
                let name = field["name"].as_str().unwrap_or("");
                Ok(nullable(
                    name,
                    data_type(&field["type"], &within(place, name))?,
                ))
            });
            DataType::Struct(fields.collect::<Result<Fields>>()?)
        }
        ("union", _) => {
            let (branches, _) = branches(schema);
            let types = branches.iter().map(|branch| data_type(branch, place));
            let types = types.collect::<Result<Vec<_>>>()?;
            match types.as_slice() {
                [] => DataType::Null,
                [one] => one.clone(),
                [DataType::Int32, DataType::Int64] | [DataType::Int64, DataType::Int32] => {
                    DataType::Int64
                }
                [DataType::Float32, DataType::Float64] | [DataType::Float64, DataType::Float32] => {
                    DataType::Float64
                }
                many => {
                    let members = many.iter().enumerate();
                    let members = members
                        .map(|(index, member)| nullable(&format!("member{index}"), member.clone()));
                    DataType::Struct(members.collect())
                }
            }
        }
        // Enums and strings.
        _ => DataType::Utf8,
    })
}
