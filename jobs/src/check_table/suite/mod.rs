//! A suite: named checks of one table, read from a file.
//!
//! Everything in the file is either understood or refused, naming the file, the check and the nearest
//! known name: a check that is misspelt must not pass for one that holds.

mod check;
mod fields;
mod file;
#[cfg(test)]
mod tests;

pub(super) use check::{Bound, Check, Kind, Severity};

use std::collections::BTreeSet;
use std::path::Path;

use weir::{Error, Result};

use fields::Fields;

const KEYS: &[&str] = &["name", "checks"];

/// The checks of one table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suite {
    /// Its name; the file's, without the extension, unless it gives one.
    pub(super) name: String,
    /// At least one, in the file's order.
    pub(super) checks: Vec<Check>,
}

impl Suite {
    /// The suite in the file at `path`.
    ///
    /// # Errors
    /// `InvalidArgument`: see the module's documentation.
    pub(crate) fn read(path: &str) -> Result<Self> {
        let place = format!("suite {path:?}");
        let root = file::read(path).map_err(|error| error.context(&place))?;
        let mut fields = Fields::new(place.clone(), root)?;
        fields.refuse_unknown(KEYS)?;
        let name = fields.text("name")?;
        let checks = fields.list("checks")?.unwrap_or_default();
        if checks.is_empty() {
            return Err(Error::invalid_argument(format!(
                "{place} has no checks; list at least one under \"checks\""
            )));
        }
        let checks = checks
            .into_iter()
            .enumerate()
            .map(|(at, check)| Check::parse(&place, at + 1, check))
            .collect::<Result<Vec<_>>>()?;
        let mut names = BTreeSet::new();
        for check in &checks {
            if !names.insert(check.name.as_str()) {
                return Err(Error::invalid_argument(format!(
                    "{place} has two checks named {:?}; give each a name of its own",
                    check.name
                )));
            }
        }
        let stem = Path::new(path).file_stem();
        let stem = || stem.map(|stem| stem.to_string_lossy().into_owned());
        Ok(Self {
            name: name.or_else(stem).unwrap_or_default(),
            checks,
        })
    }
}
