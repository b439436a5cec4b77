//! The names of formats.

use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

/// Refuses a format that is not in `known`.
pub(super) fn check(what: &str, format: Option<&str>, known: &[&str]) -> Result<String> {
    let Some(format) = format else {
        return Err(Error::invalid_argument(format!(
            "{what} needs a format: {}",
            known.join(", ")
        )));
    };
    let lower = format.to_lowercase();
    if known.contains(&lower.as_str()) {
        return Ok(lower);
    }
    Err(Error::unsupported(format!(
        "{what} does not know format {format:?}{}",
        did_you_mean(&lower, known.iter().copied())
    )))
}
