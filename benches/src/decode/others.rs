//! The peers that are other programs: each a process that decodes what a line of its stdin says, and answers with a line.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::json;
use weir_tests::environment;

use super::arguments::{Format, Size};

/// What one run took, and what was decoded.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Run {
    /// Of decoding alone.
    pub seconds: f64,
    /// How many.
    pub records: u64,
    /// The sum of their field `customer_id`.
    pub customers: i64,
}

/// A process that decodes.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Python, with the records of `spec` written first.
    ///
    /// # Panics
    /// When it cannot be had, or fails.
    pub fn python(spec: &Path) -> Self {
        let mut serve = Command::new(interpreter());
        serve.arg("-B").arg(support("decode/python.py"));
        serve.arg("serve").arg(spec);
        Self::of(serve)
    }

    /// Spark on one thread.
    ///
    /// # Panics
    /// When it cannot be had.
    pub fn spark(spec: &Path, memory: &str) -> Self {
        let python = had(environment::python(&support("decode/spark.txt")));
        let jars = had(environment::jars(&support("decode/pom.xml")));
        let jars: Vec<OsString> = weir_tests::files::files_under(&jars, ".jar")
            .into_iter()
            .map(PathBuf::into_os_string)
            .collect();
        let mut command = Command::new(python);
        command.arg("-B").arg(support("decode/spark.py")).arg(spec);
        command.arg("--jars").arg(jars.join(&OsString::from(",")));
        command.args(["--memory", memory]);
        command.env("SPARK_LOCAL_IP", "127.0.0.1");
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("an interpreter that was found");
        Self {
            commands: child.stdin.take().expect("stdin is piped"),
            answers: BufReader::new(child.stdout.take().expect("stdout is piped")),
            child,
        }
    }

    /// Decodes those records once.
    ///
    /// # Panics
    /// When the process fails.
    pub fn decode(&mut self, size: Size, format: Format) -> Run {
        let command = json!({"size": size.name(), "format": format.name()});
        writeln!(self.commands, "{command}").expect("a peer that listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("text");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer:?}: {error}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the records that `spec` describes in every format.
///
/// # Panics
/// When that fails.
pub fn write_formats(spec: &Path) {
    let mut make = Command::new(interpreter());
    make.arg("-B").arg(support("decode/python.py"));
    make.arg("make").arg(spec);
    let status = make.status().expect("an interpreter that was found");
    assert!(
        status.success(),
        "the records are not written in the formats"
    );
}

fn interpreter() -> PathBuf {
    had(environment::python(&support("decode/requirements.txt")))
}

fn had(found: Result<PathBuf, weir_tests::requirements::Unavailable>) -> PathBuf {
    found.unwrap_or_else(|unavailable| panic!("{unavailable}"))
}

fn support(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("support")
        .join(relative)
}
