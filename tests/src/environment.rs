//! Other tools' packages, fetched once into the user's cache: a Python environment of a `requirements.txt`, the jars of a `pom.xml`.
//!
//! Each is named by a hash of the file that describes it: a changed pin makes a new one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;
use crate::requirements::{Unavailable, require_program};

/// The interpreter of a virtual environment with the packages of `requirements`.
pub fn python(requirements: &Path) -> Result<PathBuf, Unavailable> {
    require_program("python3", "--version")?;
    let name = format!("python-{:08x}", hash(requirements)?);
    let environment = cache::installed(&name, |directory| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(directory);
        cache::run("a Python virtual environment", &mut venv)?;
        let mut pip = Command::new(directory.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements);
        cache::run(&format!("packages of {}", requirements.display()), &mut pip)
    })?;
    Ok(environment.join("bin/python"))
}

/// The directory of the jars that `pom`'s `dependency:copy-dependencies` copies.
pub fn jars(pom: &Path) -> Result<PathBuf, Unavailable> {
    require_program("java", "-version")?;
    cache::fetched(&format!("jars-{:08x}", hash(pom)?), |staging| {
        require_program("mvn", "--version")?;
        let mut output = OsString::from("-DoutputDirectory=");
        output.push(staging);
        let mut mvn = Command::new("mvn");
        mvn.args(["-q", "-B", "-f"])
            .arg(pom)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(output);
        cache::run(&format!("jars of {}", pom.display()), &mut mvn)
    })
}

fn hash(path: &Path) -> Result<u32, Unavailable> {
    let content =
        fs::read(path).map_err(|error| Unavailable::new(path.display().to_string(), error))?;
    Ok(crc32fast::hash(&content))
}
