//! Kafka's jars, fetched once per version into the user's cache by `support/kafka/pom.xml`.

use std::path::PathBuf;
use std::process::Command;

use crate::cache;
use crate::requirements::{Unavailable, require_program, support};

const POM: &str = include_str!("../../support/kafka/pom.xml");

/// The directory of jars.
pub(crate) fn jars() -> Result<PathBuf, Unavailable> {
    require_program("java", "-version")?;
    let version = pinned_version();
    cache::fetched(&format!("kafka-{version}"), |staging| {
        require_program("mvn", "--version")?;
        let mut output = std::ffi::OsString::from("-DoutputDirectory=");
        output.push(staging);
        let mut mvn = Command::new("mvn");
        mvn.args(["-q", "-B", "-f"])
            .arg(support("kafka/pom.xml"))
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(output);
        cache::run(&format!("Apache Kafka {version}"), &mut mvn)
    })
}

/// The pom is the only place that names the version.
fn pinned_version() -> &'static str {
    let (_, rest) = POM
        .split_once("<kafka.version>")
        .expect("the pom pins kafka.version");
    let (version, _) = rest
        .split_once("</kafka.version>")
        .expect("kafka.version is closed");
    assert!(
        version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.'),
        "kafka.version in the pom is no version: {version:?}"
    );
    version
}
