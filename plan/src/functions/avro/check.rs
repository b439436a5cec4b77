//! Whether records of one Avro schema can be read as those of another, without a value that nobody wrote.
//!
//! The rules are those of the specification's "Schema Resolution". Where it leaves a choice, or `arrow-avro` reads less than it
//! could, what is not certain is refused: a field that the writer does not have needs a `default`, also one that may be null, and a
//! `timestamp-millis` is no `timestamp-micros`.

use serde_json::Value;

use super::schema::{AvroTree, branches, items, kind, logical, shown, within};

/// Why records written with `writer` cannot be read with `reader`: the place, both types, what to do.
pub(crate) fn check(writer: &AvroTree, reader: &AvroTree) -> Result<(), String> {
    resolve(&writer.root, &reader.root, "")
}

fn resolve(writer: &Value, reader: &Value, place: &str) -> Result<(), String> {
    match (kind(writer), kind(reader)) {
        ("union", "union") => {
            let ((theirs, _), (ours, _)) = (branches(writer), branches(reader));
            if let ([their], [our]) = (theirs.as_slice(), ours.as_slice()) {
                return resolve(their, our, place);
            }
            // A value of a branch that the reader lacks is an error of that value's record.
            let found = theirs.iter().any(|their| fits_one(their, &ours, place));
            match found || (theirs.is_empty() && branches(reader).1) {
                true => Ok(()),
                false => Err(changed(writer, reader, place)),
            }
        }
        ("union", _) => {
            // `arrow-avro` takes the types within from the reader alone.
            let (theirs, _) = branches(writer);
            let fits = |their: &&Value| match kind(their) {
                "record" | "array" | "map" => plain(their) == plain(reader),
                _ => resolve(their, reader, place).is_ok(),
            };
            match theirs.iter().any(fits) {
                true => Ok(()),
                false => Err(format!(
                    "{}; let the reader's schema have a union of the same types there",
                    changed(writer, reader, place)
                )),
            }
        }
        (_, "union") => {
            let (ours, _) = branches(reader);
            if let [our] = ours.as_slice() {
                return resolve(writer, our, place);
            }
            match fits_one(writer, &ours, place) {
                true => Ok(()),
                false => Err(changed(writer, reader, place)),
            }
        }
        ("record", "record") => records(writer, reader, place),
        ("array", "array") => {
            let place = within(place, "items");
            resolve(&writer["items"], &reader["items"], &place)
        }
        ("map", "map") => {
            let place = within(place, "values");
            resolve(&writer["values"], &reader["values"], &place)
        }
        ("enum", "enum") => same_name(writer, reader, place),
        ("fixed", "fixed") => {
            same_name(writer, reader, place)?;
            match writer["size"] == reader["size"] {
                true => same_logical(writer, reader, place),
                false => Err(changed(writer, reader, place)),
            }
        }
        (their, our) => {
            let promoted = matches!(
                (their, our),
                ("int", "long" | "float" | "double")
                    | ("long", "float" | "double")
                    | ("float", "double")
                    | ("string", "bytes")
                    | ("bytes", "string")
            );
            match their == our || promoted {
                true => same_logical(writer, reader, place),
                false => Err(changed(writer, reader, place)),
            }
        }
    }
}

fn fits_one(writer: &Value, readers: &[&Value], place: &str) -> bool {
    readers
        .iter()
        .any(|reader| resolve(writer, reader, place).is_ok())
}

fn records(writer: &Value, reader: &Value, place: &str) -> Result<(), String> {
    same_name(writer, reader, place)?;
    let theirs = items(writer, "fields");
    let mut taken = std::collections::HashMap::new();
    for field in items(reader, "fields") {
        let name = field["name"].as_str().unwrap_or("");
        let place = within(place, name);
        let names = std::iter::once(name).chain(aliases(field));
        let mut found =
            names.filter_map(|name| theirs.iter().position(|their| their["name"] == name));
        match found.next() {
            Some(index) => {
                if let Some(other) = taken.insert(index, name) {
                    return Err(format!(
                        "fields {other:?} and {name:?} of the reader's schema are both the writer's {}",
                        theirs[index]["name"]
                    ));
                }
                resolve(&theirs[index]["type"], &field["type"], &place)?;
            }
            None if field.get("default").is_some() => {}
            None => {
                return Err(format!(
                    "{} is not in the writer's schema and has no default in the reader's: it was removed or renamed; \
                     give it a default, or the new name as alias",
                    shown(&place)
                ));
            }
        }
    }
    Ok(())
}

fn aliases(schema: &Value) -> impl Iterator<Item = &str> {
    items(schema, "aliases").iter().filter_map(Value::as_str)
}

fn same_name(writer: &Value, reader: &Value, place: &str) -> Result<(), String> {
    let (their, our) = (&writer["name"], &reader["name"]);
    match their == our || aliases(reader).any(|alias| their == alias) {
        true => Ok(()),
        false => Err(format!(
            "{} is {} {our}, and {their} in the writer's schema; give it that name as alias",
            shown(place),
            kind(reader)
        )),
    }
}

fn same_logical(writer: &Value, reader: &Value, place: &str) -> Result<(), String> {
    let scale = |schema: &Value| schema["scale"].as_u64().unwrap_or(0);
    let digits = |schema: &Value| schema["precision"].as_u64().unwrap_or(0);
    let same = match (logical(writer), logical(reader)) {
        // The reader asks for the number below.
        (_, None) => true,
        (Some("decimal"), Some("decimal")) => {
            scale(writer) == scale(reader) && digits(writer) <= digits(reader)
        }
        (their, our) => their == our && kind(writer) == kind(reader),
    };
    match same {
        true => Ok(()),
        false => Err(changed(writer, reader, place)),
    }
}

fn changed(writer: &Value, reader: &Value, place: &str) -> String {
    format!(
        "{} changed its type: {} in the writer's schema, {} in the reader's",
        shown(place),
        type_text(writer),
        type_text(reader)
    )
}

/// A type as an error shows it, without the fields of records.
fn type_text(schema: &Value) -> String {
    match (kind(schema), logical(schema)) {
        ("union", _) => {
            let all = schema.as_array().map_or(&[][..], Vec::as_slice);
            let all: Vec<_> = all.iter().map(type_text).collect();
            format!("[{}]", all.join(", "))
        }
        ("record" | "enum", _) => format!("{} {}", kind(schema), schema["name"]),
        (_, Some("decimal")) => {
            let digit = |key: &str| schema[key].as_u64().unwrap_or(0);
            format!("decimal({}, {})", digit("precision"), digit("scale"))
        }
        (kind, Some(logical)) => format!("{kind} ({logical})"),
        (kind, None) => kind.to_owned(),
    }
}

/// What decides how its bytes are read.
fn plain(schema: &Value) -> Value {
    match schema {
        Value::Object(attributes) => {
            let kept = attributes
                .iter()
                .filter(|(key, _)| !matches!(key.as_str(), "default" | "aliases"));
            Value::Object(
                kept.map(|(key, value)| (key.clone(), plain(value)))
                    .collect(),
            )
        }
        Value::Array(values) => values.iter().map(plain).collect(),
        other => other.clone(),
    }
}
