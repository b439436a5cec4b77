//! What a test does when a tool it needs is not on this machine.
//!
//! [`require_or_skip`] is the one place that decides: it prints `SKIPPED <test>: why` on stderr and lets the test return, or panics
//! when `WEIR_TEST_REQUIRE=1` says that this machine is supposed to have everything (CI).

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A tool that a test needs and that cannot be had here.
#[derive(Debug, Clone)]
pub struct Unavailable {
    /// What is missing: `java`, `python3 venv`.
    pub what: String,
    /// Why, with what to do next.
    pub why: String,
}

impl Unavailable {
    pub(crate) fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is unavailable: {}", self.what, self.why)
    }
}

impl std::error::Error for Unavailable {}

/// The value, or `None` after saying on stderr that the test is skipped.
///
/// # Panics
/// When the tool is unavailable and `WEIR_TEST_REQUIRE=1`.
pub fn require_or_skip<T>(found: Result<T, Unavailable>) -> Option<T> {
    let unavailable = match found {
        Ok(value) => return Some(value),
        Err(unavailable) => unavailable,
    };
    if std::env::var_os("WEIR_TEST_REQUIRE").is_some_and(|value| value == "1") {
        panic!("{unavailable} (WEIR_TEST_REQUIRE=1 forbids skipping)");
    }
    // The test harness names each test's thread after the test.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed test");
    // Not `eprintln!`: the harness captures the print macros of a test that passes, and a skipped test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {unavailable}");
    None
}

/// Fails unless `program` runs with `argument` (`--version` or the like).
pub(crate) fn require_program(program: &str, argument: &str) -> Result<(), Unavailable> {
    let status = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Unavailable::new(
            program,
            format!("`{program} {argument}` ended with {status}"),
        )),
        Err(error) => Err(Unavailable::new(
            program,
            format!("{error}: install it, or put it on PATH"),
        )),
    }
}

/// A file or directory under `tests/support`.
pub(crate) fn support(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("support")
        .join(relative)
}
