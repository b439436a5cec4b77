//! A suite's file as a tree, whatever it is written in.

use std::fs;
use std::path::Path;

use serde_json::{Map, Number, Value};
use weir::{Error, Result};

/// The tree in the file at `path`: YAML or TOML by its extension.
pub(super) fn read(path: &str) -> Result<Value> {
    let extension = Path::new(path)
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    let parse = match extension.as_deref() {
        Some("yaml" | "yml") => yaml,
        Some("toml") => toml,
        _ => {
            return Err(Error::invalid_argument(
                "the file's name does not end in .yaml, .yml or .toml, which say what it holds",
            ));
        }
    };
    let text = fs::read_to_string(path)
        .map_err(|error| Error::invalid_argument("cannot be read").with_source(error))?;
    parse(&text)
}

fn yaml(text: &str) -> Result<Value> {
    // YAML 1.1 reads y, no and on as booleans: names of columns and countries, here.
    let options = serde_saphyr::options! { strict_booleans: true };
    // An empty document is none.
    let value: Option<Value> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Error::invalid_argument(format!("is no YAML: {error}")))?;
    Ok(value.unwrap_or_else(|| Value::Object(Map::new())))
}

fn toml(text: &str) -> Result<Value> {
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| Error::invalid_argument(format!("is no TOML: {error}")))?;
    plain(toml::Value::Table(table))
}

/// JSON's kinds of values. A date or time is its text, as it is in YAML.
fn plain(value: toml::Value) -> Result<Value> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(number.into()),
        toml::Value::Float(number) => match Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => {
                return Err(Error::invalid_argument(format!(
                    "has {number}, which is no value to compare with"
                )));
            }
        },
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(plain).collect::<Result<_>>()?)
        }
        toml::Value::Table(entries) => {
            let entries = entries
                .into_iter()
                .map(|(key, value)| Ok((key, plain(value)?)))
                .collect::<Result<Map<_, _>>>()?;
            Value::Object(entries)
        }
    })
}
