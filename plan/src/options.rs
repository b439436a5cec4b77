//! Reader and writer options: case-insensitive keys, each declared once, the unknown refused.
//!
//! A connector declares its options as a table of [`OptionSpec`]s. [`Options::validate`] refuses a
//! key that is not in the table and names the nearest one: an option is never parsed and ignored.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// One declared option: its spelling in Spark, its default and what it does.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key as Spark spells it; matched without regard to case.
    pub key: &'static str,
    /// What it does, its unit and its default.
    pub doc: &'static str,
}

/// Options as functions take them, as pairs of text of their own, in the order given.
pub(crate) fn owned<K: Into<String>, V: Into<String>>(
    options: impl IntoIterator<Item = (K, V)>,
) -> Vec<(String, String)> {
    let options = options.into_iter();
    options
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// Options given by a user: keys compare without regard to case (a Spark rule), the last value given
/// for a key wins, the spelling is kept for messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Lowercase key to (key as spelt, value).
    entries: BTreeMap<String, (String, String)>,
}

impl Options {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key`, replacing an earlier value.
    pub fn set(&mut self, key: impl Into<String>, value: impl fmt::Display) {
        let key = key.into();
        self.entries
            .insert(key.to_lowercase(), (key, value.to_string()));
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries
            .get(&key.to_lowercase())
            .map(|(_, value)| value.as_str())
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.entries
            .remove(&key.to_lowercase())
            .map(|(_, value)| value)
    }

    /// Sets every option of `other`.
    pub fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// Keys as spelt, and values, in the order of the lowercase keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .values()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Keys that begin with `prefix` (in any case), without it and as spelt, and their values.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let prefix = prefix.to_lowercase();
        let length = prefix.len();
        self.entries
            .iter()
            .filter(move |(lower, _)| lower.starts_with(&prefix))
            .filter_map(move |(_, (key, value))| Some((key.get(length..)?, value.as_str())))
    }

    /// The value of `key` parsed as `T`.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the key, the value and `expected` (e.g. "a positive integer").
    pub fn parse<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>> {
        self.get(key)
            .map(|value| {
                value.trim().parse().map_err(|_| {
                    Error::invalid_argument(format!(
                        "option {key:?} is {value:?}; it takes {expected}"
                    ))
                })
            })
            .transpose()
    }

    /// The value of `key` as a boolean: `true` or `false` in any case, as in Spark.
    ///
    /// # Errors
    /// `InvalidArgument` for any other value.
    pub fn parse_bool(&self, key: &str) -> Result<Option<bool>> {
        self.get(key)
            .map(|value| match value.trim().to_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(Error::invalid_argument(format!(
                    "option {key:?} is {value:?}; it takes true or false"
                ))),
            })
            .transpose()
    }

    /// Refuses keys that are neither declared in `known` nor begin with one of `open_prefixes`.
    ///
    /// # Errors
    /// `InvalidArgument`, naming `place` (e.g. "the kafka source"), the key and the nearest declared
    /// one.
    pub fn validate(
        &self,
        place: &str,
        known: &[OptionSpec],
        open_prefixes: &[&str],
    ) -> Result<()> {
        for (lower, (key, _)) in &self.entries {
            let declared = known.iter().any(|spec| spec.key.eq_ignore_ascii_case(key));
            let open = open_prefixes
                .iter()
                .any(|prefix| lower.starts_with(&prefix.to_lowercase()));
            if declared || open {
                continue;
            }
            return Err(Error::invalid_argument(format!(
                "unknown option {key:?} of {place}{}",
                did_you_mean(key, known.iter().map(|spec| spec.key))
            )));
        }
        Ok(())
    }
}

/// Keys only: a value may be a secret.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.entries.values().map(|(key, _)| key))
            .finish()
    }
}

impl<K: Into<String>, V: fmt::Display> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let mut options = Self::new();
        for (key, value) in iter {
            options.set(key, value);
        }
        options
    }
}

/// `"; did you mean \"x\"?"` for the candidate nearest to `given`, or `"; known: a, b, ..."`.
#[must_use]
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(given, &candidates) {
        Some(near) => format!("; did you mean {near:?}?"),
        None if candidates.is_empty() => String::new(),
        None => format!("; known: {}", candidates.join(", ")),
    }
}

/// The candidate most like `given` without regard to case, if any is alike enough to be meant.
#[must_use]
pub fn nearest<'a>(given: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .iter()
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&given, &candidate.to_lowercase());
            (likeness, *candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[OptionSpec] = &[
        OptionSpec {
            key: "startingOffsets",
            doc: "",
        },
        OptionSpec {
            key: "subscribe",
            doc: "",
        },
    ];

    #[test]
    fn keys_compare_without_case_and_last_value_wins() {
        let mut options = Options::new();
        options.set("startingOffsets", "latest");
        options.set("STARTINGOFFSETS", "earliest");
        assert_eq!(options.get("startingoffsets"), Some("earliest"));
        assert_eq!(options.iter().count(), 1);
    }

    #[test]
    fn misspelt_option_is_refused_with_the_nearest_one() {
        let options: Options = [("startingOfsets", "earliest")].into_iter().collect();
        let error = options
            .validate("the kafka source", KNOWN, &[])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown option \"startingOfsets\" of the kafka source; did you mean \"startingOffsets\"?"
        );
    }

    #[test]
    fn open_prefix_passes_through_with_its_spelling() {
        let options: Options = [("kafka.Client.id", "a")].into_iter().collect();
        options.validate("kafka", KNOWN, &["kafka."]).unwrap();
        assert_eq!(
            options.with_prefix("KAFKA.").collect::<Vec<_>>(),
            vec![("Client.id", "a")]
        );
    }

    #[test]
    fn bad_number_names_key_value_and_what_is_expected() {
        let options: Options = [("maxOffsetsPerTrigger", "many")].into_iter().collect();
        let error = options
            .parse::<u64>("maxOffsetsPerTrigger", "a positive integer")
            .unwrap_err();
        assert!(error.to_string().contains("\"many\""), "{error}");
    }

    #[test]
    fn debug_shows_no_values() {
        let options: Options = [("kafka.sasl.password", "hunter2")].into_iter().collect();
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
