//! Which client properties are secrets, and how they are kept out of texts.

use std::collections::BTreeMap;
use std::fmt;

/// Parts of a key that mark its value as a secret.
const SENSITIVE: &[&str] = &[
    "password",
    "secret",
    "token",
    "credential",
    "jaas",
    "oauthbearer",
    "ssl.key",
    "keystore",
    "private",
    ".pem",
];

/// Whether the value of `key` must not be shown.
pub(super) fn is_sensitive(key: &str) -> bool {
    let key = key.to_lowercase();
    SENSITIVE.iter().any(|part| key.contains(part))
}

/// Values that must not be shown, to be taken out of librdkafka's texts.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Those among `properties`.
    pub(super) fn of(properties: &BTreeMap<String, String>) -> Self {
        let mut values: Vec<String> = properties
            .iter()
            .filter(|(key, value)| is_sensitive(key) && value.len() > 2)
            .map(|(_, value)| value.clone())
            .collect();
        // A secret that contains another one goes first.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// `text` with every secret replaced.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), "***")
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}
