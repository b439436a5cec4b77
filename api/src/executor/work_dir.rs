//! The directory that an executor spills to.
//!
//! It is removed when the executor ends. An executor that is killed leaves its directory behind, locked no
//! longer: the next one in the same place removes it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tracing::info;
use weir_plan::{Error, ErrorKind, Result};

const PREFIX: &str = "weir-executor-";
const LOCK: &str = "lock";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct WorkDir {
    path: PathBuf,
    _lock: File,
}

impl WorkDir {
    /// A new one in `parent`, without those that dead executors left there.
    ///
    /// # Errors
    /// `Storage` when it cannot be made.
    pub(super) fn make(parent: PathBuf) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::new(
                ErrorKind::Storage,
                format!(
                    "an executor's directory cannot be made in {}",
                    parent.display()
                ),
            )
            .with_source(error)
        };
        fs::create_dir_all(&parent).map_err(failed)?;
        remove_dead(&parent).map_err(failed)?;
        let path = parent.join(format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&path).map_err(failed)?;
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What is left is the next executor's to remove.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn remove_dead(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // One without a lock is just being made.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            info!(
                "removing {}, which a dead executor left",
                entry.path().display()
            );
            // Another user's is another user's to remove.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_of_a_dead_executor_goes_and_that_of_a_living_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = WorkDir::make(parent.path().to_owned()).unwrap();
        let dead = parent.path().join(format!("{PREFIX}dead"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("spilled"), "rows").unwrap();
        let own = WorkDir::make(parent.path().to_owned()).unwrap();
        assert!(!dead.exists() && living.path().exists());
        let path = own.path().to_owned();
        drop(own);
        assert!(!path.exists());
    }
}
