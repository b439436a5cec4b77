//! Directories of processes: what an executor spills to, where a session keeps what it has computed.
//!
//! One is removed when its process is done with it. A process that is killed leaves its directory behind, locked no
//! longer: the next one of the same use in the same place removes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tracing::info;
use weir_plan::{Error, ErrorKind, Result};

/// What a directory is for: how its name begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Executor,
    Checkpoints,
}

impl Purpose {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Executor => "weir-executor-",
            Self::Checkpoints => "weir-checkpoint-",
        }
    }
}

const LOCK: &str = "lock";

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct WorkDir {
    path: PathBuf,
    _lock: File,
}

impl WorkDir {
    /// A new one in `parent`, without those that dead processes left there.
    ///
    /// # Errors
    /// `Storage` when it cannot be made.
    pub(crate) fn make(parent: &Path, purpose: Purpose) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::new(
                ErrorKind::Storage,
                format!(
                    "a directory {}* cannot be made in {}",
                    purpose.prefix(),
                    parent.display()
                ),
            )
            .with_source(error)
        };
        fs::create_dir_all(parent).map_err(failed)?;
        remove_dead(parent, purpose).map_err(failed)?;
        let path = parent.join(format!(
            "{}{}",
            purpose.prefix(),
            uuid::Uuid::new_v4().simple()
        ));
        // Rows are nobody else's to read.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What is left is the next process's to remove.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn remove_dead(parent: &Path, purpose: Purpose) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with(purpose.prefix())
        {
            continue;
        }
        // One without a lock is just being made.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            info!(
                "removing {}, which a dead process left",
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
    fn directory_of_a_dead_process_goes_and_that_of_a_living_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = WorkDir::make(parent.path(), Purpose::Executor).unwrap();
        let dead = parent.path().join("weir-executor-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("spilled"), "rows").unwrap();
        let own = WorkDir::make(parent.path(), Purpose::Executor).unwrap();
        assert!(!dead.exists() && living.path().exists());
        let path = own.path().to_owned();
        drop(own);
        assert!(!path.exists());
    }
}
