//! A second opinion on a table: Apache Spark with Delta Lake's own connector.
//!
//! The first use on a machine fetches about 0.5 GB, so these checks run only where they are asked for, with `WEIR_TEST_SPARK=1`
//! (or `WEIR_TEST_REQUIRE=1`).

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::requirements::{Unavailable, require_or_skip, require_program, support};
use crate::s3::ROOT_VARIABLE;

/// The first use downloads Spark.
const VERIFY_WITHIN: Duration = Duration::from_secs(900);

/// Spark, reached through `support/spark/verify.sh`.
#[derive(Debug, Clone, Copy)]
pub struct Spark(());

/// Spark, if this machine is asked to use it and has Java, Maven and Python.
pub fn spark_or_skip() -> Option<Spark> {
    require_or_skip(find())
}

impl Spark {
    /// The table's summary in the form that [`crate::python::Python::read_delta`] reads: deserialise it as
    /// [`crate::python::DeltaSummary`].
    pub async fn read_delta(self, url: &str) -> Value {
        let mut command = Command::new(support("spark/verify.sh"));
        command.arg(files_of(url)).stdin(Stdio::null());
        Process::spawn(command)
            .wait(VERIFY_WITHIN)
            .await
            .expect_success()
            .last_json()
    }
}

/// Spark is not set up for object stores: it reads the files that a bucket of the tests' server is.
fn files_of(url: &str) -> String {
    match (std::env::var(ROOT_VARIABLE), url.strip_prefix("s3://")) {
        (Ok(root), Some(key)) => format!("file://{root}/{key}"),
        _ => url.to_owned(),
    }
}

fn find() -> Result<Spark, Unavailable> {
    let asked = ["WEIR_TEST_SPARK", "WEIR_TEST_REQUIRE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| value == "1"));
    if !asked {
        return Err(Unavailable::new("Spark", "set WEIR_TEST_SPARK=1 to use it"));
    }
    require_program("java", "-version")?;
    require_program("mvn", "--version")?;
    require_program("python3", "--version")?;
    Ok(Spark(()))
}
