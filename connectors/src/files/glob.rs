//! Hadoop's path patterns: `*`, `?`, `[abc]`, `[a-z]`, `[^a]` and `{a,b}`, each within one name.

use std::path::{Component, Path, PathBuf};

use regex::Regex;
use weir_plan::{Error, Result};

use super::location::io_error;

/// A pattern for one name.
///
/// # Errors
/// `InvalidArgument` for one that is not closed.
pub(super) fn pattern(text: &str) -> Result<Regex> {
    let mut regex = String::from("^");
    let mut braces = 0usize;
    let mut class = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            _ if class => {
                class = c != ']';
                if matches!(c, '\\' | '[' | '&' | '~') {
                    regex.push('\\');
                }
                regex.push(c);
            }
            '\\' => regex.push_str(&regex::escape(
                &chars.next().map(String::from).unwrap_or_default(),
            )),
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => {
                class = true;
                regex.push('[');
            }
            '{' => {
                braces += 1;
                regex.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                regex.push(')');
            }
            ',' if braces > 0 => regex.push('|'),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    Regex::new(&regex).map_err(|error| {
        Error::invalid_argument(format!("{text:?} is no path pattern")).with_source(error)
    })
}

/// Whether `path` has a pattern in it.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '[', '{', '\\'])
}

/// The paths that match `path`, sorted. Names that begin with `.` or `_` match no wildcard.
///
/// # Errors
/// `InvalidArgument` for a malformed pattern, `Storage` for a directory that cannot be listed.
pub(super) fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let Component::Normal(name) = component else {
            for path in &mut found {
                path.push(component);
            }
            continue;
        };
        if !is_pattern(Path::new(name)) {
            for path in &mut found {
                path.push(name);
            }
            continue;
        }
        let matching = pattern(&name.to_string_lossy())?;
        let mut next = Vec::new();
        for directory in found.iter().filter(|path| path.is_dir()) {
            let entries = std::fs::read_dir(directory)
                .map_err(|error| io_error("listing", directory, error))?;
            for entry in entries {
                let entry = entry.map_err(|error| io_error("listing", directory, error))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if !name.starts_with(['.', '_']) && matching.is_match(&name) {
                    next.push(entry.path());
                }
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_one_name_as_hadoop_does() {
        for (text, matching, other) in [
            ("*.json", "a.json", "a.jsonl"),
            ("part-?", "part-1", "part-12"),
            ("{a,b}.x", "b.x", "c.x"),
            ("[a-c]1", "b1", "d1"),
            ("[^a]1", "b1", "a1"),
            ("a.b", "a.b", "aXb"),
            ("\\*", "*", "x"),
        ] {
            let pattern = pattern(text).unwrap();
            assert!(pattern.is_match(matching), "{text} {matching}");
            assert!(!pattern.is_match(other), "{text} {other}");
        }
        assert!(pattern("[a").is_err());
    }
}
