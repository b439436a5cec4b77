//! The options of `from_csv`: Spark's names; what is not supported is refused by name.

use crate::error::{Error, Result};
use crate::functions::decode::known_options;
use crate::functions::time::pattern::Pattern;
use crate::options::OptionSpec;

/// What [`super::from_csv`] understands.
pub const CSV_OPTIONS: &[OptionSpec] = &[
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
        key: "sep",
        doc: "what separates fields, one ASCII character; default a comma",
    },
    OptionSpec {
        key: "delimiter",
        doc: "the same as sep",
    },
    OptionSpec {
        key: "quote",
        doc: "what fields with separators stand in, one ASCII character; default \"; empty: nothing",
    },
    OptionSpec {
        key: "escape",
        doc: "what a quote within quotes is preceded by, one ASCII character; default \\",
    },
    OptionSpec {
        key: "nullValue",
        doc: "the field that is null, besides the empty one",
    },
    OptionSpec {
        key: "ignoreLeadingWhiteSpace",
        doc: "whether blanks before a field are dropped; default false",
    },
    OptionSpec {
        key: "ignoreTrailingWhiteSpace",
        doc: "whether blanks behind a field are dropped; default false",
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
];

#[derive(Debug)]
pub(super) struct CsvOptions {
    pub(super) fail_fast: bool,
    pub(super) corrupt_field: String,
    pub(super) error_field: Option<String>,
    pub(super) separator: u8,
    pub(super) quote: Option<u8>,
    pub(super) escape: u8,
    pub(super) null: String,
    pub(super) trim_start: bool,
    pub(super) trim_end: bool,
    pub(super) timestamp_format: Option<Pattern>,
    pub(super) timestamp_ntz_format: Option<Pattern>,
    pub(super) date_format: Option<Pattern>,
}

impl CsvOptions {
    pub(super) fn parse(given: &[(String, String)]) -> Result<Self> {
        let options = known_options("from_csv", given, CSV_OPTIONS)?;
        let fail_fast = match options.get("mode").map(str::to_uppercase).as_deref() {
            None | Some("PERMISSIVE") => false,
            Some("FAILFAST") => true,
            Some(other) => {
                return Err(Error::invalid_argument(format!(
                    "from_csv: mode {other:?} is not supported; use \"PERMISSIVE\" or \"FAILFAST\""
                )));
            }
        };
        let error_field = options.get("columnNameOfError").map(str::to_owned);
        if fail_fast && error_field.is_some() {
            return Err(Error::invalid_argument(
                "from_csv: columnNameOfError is for mode \"PERMISSIVE\", in which a bad record does not fail the query",
            ));
        }
        let byte = |key: &str, default: u8| match options.get(key).map(str::as_bytes) {
            None => Ok(default),
            Some(br"\t") => Ok(b'\t'),
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
            Some(_) => Err(Error::unsupported(format!(
                "from_csv: option {key:?} is {:?}; it takes one ASCII character",
                options.get(key).unwrap_or("")
            ))),
        };
        let flag = |key: &str| Ok::<_, Error>(options.parse_bool(key)?.unwrap_or(false));
        let pattern = |key: &str| {
            let pattern = options.get(key).map(Pattern::parse).transpose();
            pattern.map_err(|error| error.context(format!("from_csv: {key}")))
        };
        if options.get("sep").is_some() && options.get("delimiter").is_some() {
            return Err(Error::invalid_argument(
                "from_csv: options \"sep\" and \"delimiter\" are the same: set one",
            ));
        }
        let separator = match options.get("delimiter") {
            Some(_) => byte("delimiter", b',')?,
            None => byte("sep", b',')?,
        };
        Ok(Self {
            fail_fast,
            corrupt_field: options
                .get("columnNameOfCorruptRecord")
                .unwrap_or("_corrupt_record")
                .to_owned(),
            error_field,
            separator,
            quote: match options.get("quote") {
                Some("") => None,
                _ => Some(byte("quote", b'"')?),
            },
            escape: byte("escape", b'\\')?,
            null: options.get("nullValue").unwrap_or("").to_owned(),
            trim_start: flag("ignoreLeadingWhiteSpace")?,
            trim_end: flag("ignoreTrailingWhiteSpace")?,
            timestamp_format: pattern("timestampFormat")?,
            timestamp_ntz_format: pattern("timestampNTZFormat")?,
            date_format: pattern("dateFormat")?,
        })
    }
}
