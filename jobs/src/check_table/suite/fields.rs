//! The keys of a table in a suite's file, each taken once and by its type.

use serde_json::{Map, Number, Value};
use weir::{Error, Result, did_you_mean};

/// One table of keys and values, and where it stands.
pub(super) struct Fields {
    place: String,
    entries: Map<String, Value>,
}

impl Fields {
    pub(super) fn new(place: String, value: Value) -> Result<Self> {
        match value {
            Value::Object(entries) => Ok(Self { place, entries }),
            other => Err(Error::invalid_argument(format!(
                "{place} is {}; it takes keys and values",
                described(&other)
            ))),
        }
    }

    /// Refuses what is not in `known`.
    pub(super) fn refuse_unknown(&self, known: &[&str]) -> Result<()> {
        let unknown = |key: &&String| !known.contains(&key.as_str());
        match self.entries.keys().find(unknown) {
            Some(key) => Err(self.error(format!(
                "unknown key {key:?}{}",
                did_you_mean(key, known.iter().copied())
            ))),
            None => Ok(()),
        }
    }

    /// An error at this place.
    pub(super) fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::invalid_argument(format!("{}: {message}", self.place))
    }

    pub(super) fn move_to(&mut self, place: String) {
        self.place = place;
    }

    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.entries.remove(key)
    }

    /// What `key` must not be left out for.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error(format!("key {key:?} is missing")))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, &other, "a text")),
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(key, &other, "true or false")),
        }
    }

    /// A whole number from 0.
    pub(super) fn count(&mut self, key: &str) -> Result<Option<u64>> {
        match self.value(key) {
            None => Ok(None),
            Some(other) => match other.as_u64() {
                Some(count) => Ok(Some(count)),
                None => Err(self.wrong(key, &other, "a whole number from 0")),
            },
        }
    }

    /// A part of all rows, 0 to 1.
    pub(super) fn fraction(&mut self, key: &str) -> Result<Option<f64>> {
        let given = self.value(key);
        let fraction = given.as_ref().and_then(Value::as_f64);
        match (given, fraction) {
            (None, _) => Ok(None),
            (Some(_), Some(fraction)) if (0.0..=1.0).contains(&fraction) => Ok(Some(fraction)),
            (Some(other), _) => Err(self.wrong(key, &other, "a number from 0 to 1")),
        }
    }

    pub(super) fn list(&mut self, key: &str) -> Result<Option<Vec<Value>>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(key, &other, "a list")),
        }
    }

    /// Names of columns: one text, or a list of them.
    pub(super) fn names(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        let Some(given) = self.value(key) else {
            return Ok(None);
        };
        let names: Option<Vec<String>> = match &given {
            Value::String(name) => Some(vec![name.clone()]),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        match names {
            Some(names) if !names.is_empty() => Ok(Some(names)),
            _ => Err(self.wrong(key, &given, "a column's name, or a list of them")),
        }
    }

    pub(super) fn wrong(&self, key: &str, value: &Value, expected: &str) -> Error {
        self.error(format!(
            "{key} is {}; it takes {expected}",
            described(value)
        ))
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table of keys".to_owned(),
        Value::Number(number) => Number::to_string(number),
        other => other.to_string(),
    }
}
