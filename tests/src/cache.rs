//! The user's cache of downloaded tools: `$XDG_CACHE_HOME/weir` or `~/.cache/weir`.
//!
//! Each entry is made once, however many test processes start together: a lock file beside the entry serialises them, and an entry is
//! either whole or absent. [`fetched`] suits what can be moved (jars): made in a staging directory, then renamed. [`installed`] suits
//! what cannot (a Python venv holds absolute paths): made in place, and believed only once its `.complete` marker exists.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::requirements::Unavailable;

const COMPLETE: &str = ".complete";

/// The entry called `name`, made by `make(staging directory)` if it is absent.
pub(crate) fn fetched(
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), Unavailable>,
) -> Result<PathBuf, Unavailable> {
    let entry = root(name)?.join(name);
    if entry.is_dir() {
        return Ok(entry);
    }
    let _lock = lock(&entry)?;
    if entry.is_dir() {
        return Ok(entry);
    }
    let staging = tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        .tempdir_in(entry.parent().expect("an entry has a parent"))
        .map_err(|error| Unavailable::new(name, error))?;
    make(staging.path())?;
    fs::rename(staging.keep(), &entry).map_err(|error| Unavailable::new(name, error))?;
    Ok(entry)
}

/// The entry called `name`, made in place by `make(entry)` if it is absent or was left half made.
pub(crate) fn installed(
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), Unavailable>,
) -> Result<PathBuf, Unavailable> {
    let entry = root(name)?.join(name);
    let marker = entry.join(COMPLETE);
    if marker.exists() {
        return Ok(entry);
    }
    let _lock = lock(&entry)?;
    if marker.exists() {
        return Ok(entry);
    }
    if entry.exists() {
        fs::remove_dir_all(&entry).map_err(|error| Unavailable::new(name, error))?;
    }
    make(&entry)?;
    File::create(&marker).map_err(|error| Unavailable::new(name, error))?;
    Ok(entry)
}

/// Runs a command that fills a cache entry. Its output becomes the reason when it fails.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<(), Unavailable> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Unavailable::new(what, error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Unavailable::new(
        what,
        format!(
            "{} ended with {}\n{}{}",
            command.get_program().display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        ),
    ))
}

fn root(what: &str) -> Result<PathBuf, Unavailable> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .ok_or_else(|| {
            Unavailable::new(
                what,
                "neither XDG_CACHE_HOME nor HOME is set: no cache directory",
            )
        })?;
    let root = base.join("weir");
    fs::create_dir_all(&root)
        .map_err(|error| Unavailable::new(what, format!("{}: {error}", root.display())))?;
    Ok(root)
}

/// Held until dropped. The file stays: removing a lock file lets two processes lock two different files of one name.
fn lock(entry: &Path) -> Result<File, Unavailable> {
    let path = entry.with_added_extension("lock");
    let locked = File::create(&path).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|error| Unavailable::new(path.display().to_string(), error))
}
