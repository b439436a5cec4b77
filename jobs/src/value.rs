//! Argument values that come from elsewhere: `@env:NAME` and `@file:PATH`.
//!
//! A secret given this way stands in no process list. Errors name where a value was to come from,
//! never the value.

use std::env::VarError;
use std::fs;

use weir::{Error, Result};

/// The value that `text`, given for `argument`, stands for: the environment variable of `@env:NAME`,
/// the file of `@file:PATH` (without its last line end), or `text` itself.
///
/// # Errors
/// `InvalidArgument` when the variable is not set or the file cannot be read as UTF-8.
pub fn resolve(argument: &str, text: &str) -> Result<String> {
    look_up(text).map_err(|error| error.context(argument))
}

/// As [`resolve`], where the caller names the argument.
///
/// # Errors
/// As [`resolve`].
pub fn look_up(text: &str) -> Result<String> {
    if let Some(name) = text.strip_prefix("@env:") {
        return std::env::var(name).map_err(|error| match error {
            VarError::NotPresent => {
                Error::invalid_argument(format!("environment variable {name:?} is not set"))
            }
            // The error quotes the value.
            VarError::NotUnicode(_) => {
                Error::invalid_argument(format!("environment variable {name:?} is not UTF-8"))
            }
        });
    }
    if let Some(path) = text.strip_prefix("@file:") {
        let mut value = read(path)?;
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
        return Ok(value);
    }
    Ok(text.to_owned())
}

/// The duration of `--max-runtime`: `30s`, `10m`, `1h 30m`.
///
/// # Errors
/// `InvalidArgument` for what is none; as [`look_up`].
pub fn parse_max_runtime(text: &str) -> Result<std::time::Duration> {
    weir::settings::parse_duration("--max-runtime", &look_up(text)?)
}

/// `KEY=VALUE`, the value resolved.
///
/// # Errors
/// `InvalidArgument` when there is no `=` or no key; as [`resolve`].
pub fn resolve_pair(argument: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            let key = key.trim().to_owned();
            let value = resolve(&format!("{argument} {key}"), value)?;
            Ok((key, value))
        }
        // What was meant as a value may be a secret: it is not repeated.
        _ => Err(Error::invalid_argument(format!(
            "{argument} takes KEY=VALUE; what was given has no key or no \"=\""
        ))),
    }
}

/// The pairs of a properties file: `KEY=VALUE` lines, empty lines and `#` comments, values resolved.
///
/// # Errors
/// `InvalidArgument`, naming the file and the line.
pub fn read_properties(argument: &str, path: &str) -> Result<Vec<(String, String)>> {
    let text = read(path).map_err(|error| error.context(argument))?;
    let mut pairs = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{argument} {path}, line {}", number + 1);
        pairs.push(resolve_pair(&place, line)?);
    }
    Ok(pairs)
}

/// The bytes of the file at `path`.
///
/// # Errors
/// `InvalidArgument` when it cannot be read.
pub fn read_bytes(path: &str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        Error::invalid_argument(format!("cannot read file {path:?}")).with_source(error)
    })
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error| {
        Error::invalid_argument(format!("cannot read file {path:?}")).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_value_loses_its_line_end_only() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), " secret \r\n").unwrap();
        let text = format!("@file:{}", file.path().display());
        assert_eq!(resolve("--kafka", &text).unwrap(), " secret ");
    }

    #[test]
    fn missing_variable_is_named() {
        let error = resolve("--kafka sasl.password", "@env:WEIR_NO_SUCH_VARIABLE").unwrap_err();
        assert!(
            error.to_string().contains("WEIR_NO_SUCH_VARIABLE"),
            "{error}"
        );
    }

    #[test]
    fn malformed_pair_is_not_repeated() {
        let error = resolve_pair("--kafka", "hunter2").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn properties_skip_comments_and_name_the_bad_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# c\n\na = b=c\nbroken\n").unwrap();
        let path = file.path().display().to_string();
        let error = read_properties("--kafka-config", &path).unwrap_err();
        assert!(error.to_string().contains("line 4"), "{error}");
        fs::write(file.path(), "# c\n\na=b=c\n").unwrap();
        let pairs = read_properties("--kafka-config", &path).unwrap();
        assert_eq!(pairs, [("a".to_owned(), "b=c".to_owned())]);
    }
}
