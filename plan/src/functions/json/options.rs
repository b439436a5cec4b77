//! The options of `from_json`: Spark's names; what is not supported is refused by name.

use std::hash::{Hash, Hasher};

use super::cursor::Liberties;
use crate::error::{Error, Result};
use crate::functions::time::pattern::Pattern;
use crate::options::{OptionSpec, Options};

/// What [`super::from_json`] understands.
pub const JSON_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        key: "mode",
        doc: "PERMISSIVE (default): what is malformed is null; FAILFAST: it fails the query",
    },
    OptionSpec {
        key: "columnNameOfCorruptRecord",
        doc: "the string field that receives a bad record's text, if the schema has it; default _corrupt_record",
    },
    OptionSpec {
        key: "columnNameOfError",
        doc: "in mode PERMISSIVE: the string field that says why a record does not fit, null where it does; added to the schema if it is not in it",
    },
    OptionSpec {
        key: "timestampFormat",
        doc: "the pattern of timestamps; default: ISO 8601, as casts read it",
    },
    OptionSpec {
        key: "timestampNTZFormat",
        doc: "the same of timestamps without a zone",
    },
    OptionSpec {
        key: "dateFormat",
        doc: "the pattern of dates; default: ISO 8601",
    },
    OptionSpec {
        key: "timeZone",
        doc: "of timestamps that name none: UTC, the only one",
    },
    OptionSpec {
        key: "allowSingleQuotes",
        doc: "strings and names may stand in single quotes; default true",
    },
    OptionSpec {
        key: "allowNonNumericNumbers",
        doc: "NaN, Infinity and INF are numbers; default true",
    },
    OptionSpec {
        key: "allowNumericLeadingZeros",
        doc: "numbers may begin with zeros; default false",
    },
    OptionSpec {
        key: "allowUnquotedControlChars",
        doc: "control characters may stand in strings; default false",
    },
];

/// Options of Spark's that are accepted only where they ask for nothing.
const REFUSED: &[&str] = &[
    "allowUnquotedFieldNames",
    "allowComments",
    "allowBackslashEscapingAnyCharacter",
];

#[derive(Debug, Clone)]
pub(super) struct JsonOptions {
    pub(super) fail_fast: bool,
    pub(super) corrupt_field: String,
    pub(super) error_field: Option<String>,
    pub(super) timestamp_format: Option<Pattern>,
    pub(super) timestamp_ntz_format: Option<Pattern>,
    pub(super) date_format: Option<Pattern>,
    pub(super) liberties: Liberties,
    /// As given, to be sent.
    pub(super) given: Vec<(String, String)>,
}

impl JsonOptions {
    pub(super) fn parse(given: &[(String, String)]) -> Result<Self> {
        let mut options = Options::new();
        for (key, value) in given {
            options.set(key.clone(), value);
        }
        for key in REFUSED {
            if options.parse_bool(key)? == Some(true) {
                return Err(Error::unsupported(format!(
                    "from_json: option {key:?} is not supported"
                )));
            }
            options.remove(key);
        }
        for (key, _) in options.iter() {
            if !JSON_OPTIONS
                .iter()
                .any(|known| known.key.eq_ignore_ascii_case(key))
            {
                let known: Vec<_> = JSON_OPTIONS.iter().map(|known| known.key).collect();
                return Err(Error::invalid_argument(format!(
                    "from_json: unknown option {key:?}{}",
                    crate::options::did_you_mean(key, known)
                )));
            }
        }
        let fail_fast = match options.get("mode").map(str::to_uppercase).as_deref() {
            None | Some("PERMISSIVE") => false,
            Some("FAILFAST") => true,
            Some(other) => {
                return Err(Error::invalid_argument(format!(
                    "from_json: mode {other:?} is not supported; use \"PERMISSIVE\" or \"FAILFAST\""
                )));
            }
        };
        if let Some(zone) = options.get("timeZone")
            && !matches!(zone, "UTC" | "Z" | "GMT" | "Etc/UTC" | "+00:00")
        {
            return Err(Error::unsupported(format!(
                "from_json: timeZone {zone:?} is not supported, only \"UTC\""
            )));
        }
        let error_field = options.get("columnNameOfError").map(str::to_owned);
        if fail_fast && error_field.is_some() {
            return Err(Error::invalid_argument(
                "from_json: columnNameOfError is for mode \"PERMISSIVE\", in which a bad record does not fail the query",
            ));
        }
        let pattern = |key: &str| {
            let pattern = options.get(key).map(Pattern::parse).transpose();
            pattern.map_err(|error| error.context(format!("from_json: {key}")))
        };
        let flag =
            |key: &str, default: bool| Ok::<_, Error>(options.parse_bool(key)?.unwrap_or(default));
        Ok(Self {
            fail_fast,
            corrupt_field: options
                .get("columnNameOfCorruptRecord")
                .unwrap_or("_corrupt_record")
                .to_owned(),
            error_field,
            timestamp_format: pattern("timestampFormat")?,
            timestamp_ntz_format: pattern("timestampNTZFormat")?,
            date_format: pattern("dateFormat")?,
            liberties: Liberties {
                single_quotes: flag("allowSingleQuotes", true)?,
                control_characters: flag("allowUnquotedControlChars", false)?,
                non_numeric_numbers: flag("allowNonNumericNumbers", true)?,
                leading_zeros: flag("allowNumericLeadingZeros", false)?,
            },
            given: given.to_vec(),
        })
    }
}

impl PartialEq for JsonOptions {
    fn eq(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl Eq for JsonOptions {}

impl Hash for JsonOptions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.given.hash(state);
    }
}
