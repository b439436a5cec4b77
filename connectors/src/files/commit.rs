//! The committer: makes what the tasks of one write left the content of a directory.
//!
//! ```text
//!  prepare   _temporary/<job>/ is created                      (the directory can be written)
//!  tasks     _temporary/<job>/<attempt>/p=1/part-00000-..
//!  commit 1  overwrite: what is there moves to _temporary/<job>/replaced/
//!         2  each file moves to its place, p=1/part-00000-..
//!         3  _SUCCESS
//!         4  _temporary/<job>/ is removed
//! ```
//!
//! A failure in 1 to 3 moves everything back. A write that is dropped removes what is its own below
//! `_temporary`; a killed one leaves that there, where nobody reads it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::Schema;
use tracing::warn;
use uuid::Uuid;
use weir_plan::{Error, Options, Result, WriteStep, Written};

use super::location::{io_error, local_path};
use super::normalize::Normalizer;
use super::options::{FileFormat, FileSaveMode, WriteOptions};
use super::write::{FileEntry, FilesWriteStep, TEMPORARY, WriteSpec};

const SUCCESS: &str = "_SUCCESS";
const REPLACED: &str = "replaced";

/// One batch write to a directory: [`Self::prepare`], [`Self::write_step`], [`Self::commit`]. Dropped
/// before the commit, it takes back what it created.
#[derive(Debug)]
pub struct FilesSink {
    spec: Arc<WriteSpec>,
    mode: FileSaveMode,
    prepared: AtomicBool,
    /// Whether the directory is this write's own.
    created: AtomicBool,
}

impl FilesSink {
    /// The write to the directory at `location`, a path or a `file://` URL. No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` for options not in [`PARQUET_WRITE_OPTIONS`](super::PARQUET_WRITE_OPTIONS) or
    /// [`JSON_WRITE_OPTIONS`](super::JSON_WRITE_OPTIONS), or values they do not take; `Unsupported` for
    /// a location that is not local.
    pub fn try_new(
        format: FileFormat,
        location: &str,
        mode: FileSaveMode,
        partition_by: Vec<String>,
        options: &Options,
    ) -> Result<Self> {
        Ok(Self {
            spec: Arc::new(WriteSpec {
                format,
                root: local_path(location)?,
                job: Uuid::new_v4().to_string(),
                partition_by,
                options: WriteOptions::parse(format, options)?,
            }),
            mode,
            prepared: AtomicBool::new(false),
            created: AtomicBool::new(false),
        })
    }

    /// Checks that rows of `schema` can be written there under the mode. `false`: there is nothing to
    /// do, for files are there and the mode leaves them.
    ///
    /// # Errors
    /// `InvalidArgument` when the path is a file, or a directory with files that must not be there;
    /// `SchemaMismatch` and `Unsupported` for columns; `Storage` when the directory cannot be written.
    pub async fn prepare(&self, schema: &Schema) -> Result<bool> {
        Normalizer::try_new(self.spec.format, schema, &self.spec.partition_by)?;
        let (spec, mode) = (Arc::clone(&self.spec), self.mode);
        let created = !self.spec.root.exists();
        let writable = blocking(move || prepare(&spec, mode)).await?;
        self.prepared.store(writable, Ordering::Release);
        self.created.store(writable && created, Ordering::Release);
        Ok(writable)
    }

    /// How rows become files.
    #[must_use]
    pub fn write_step(&self) -> Arc<dyn WriteStep> {
        Arc::new(FilesWriteStep(Arc::clone(&self.spec)))
    }

    /// Makes the files of `written` the directory's: see the module's documentation.
    ///
    /// # Errors
    /// `Storage` when a file cannot be moved; the directory is then as it was, unless the message says
    /// that it could not be brought back.
    pub async fn commit(&self, written: &Written) -> Result<()> {
        let entries: Vec<FileEntry> = written
            .files
            .iter()
            .map(|text| FileEntry::decode(text))
            .collect::<Result<_>>()?;
        let (spec, mode) = (Arc::clone(&self.spec), self.mode);
        blocking(move || commit(&spec, mode, &entries)).await?;
        self.prepared.store(false, Ordering::Release);
        Ok(())
    }
}

impl Drop for FilesSink {
    fn drop(&mut self) {
        if self.prepared.load(Ordering::Acquire) {
            clean(&self.spec);
            if self.created.load(Ordering::Acquire) {
                // Fails where there are files: another write's.
                let _ = std::fs::remove_dir(&self.spec.root);
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::internal("a commit of files failed").with_source(error))?
}

fn prepare(spec: &WriteSpec, mode: FileSaveMode) -> Result<bool> {
    let root = &spec.root;
    match std::fs::metadata(root) {
        Ok(info) if !info.is_dir() => {
            return Err(Error::invalid_argument(format!(
                "{} is a file; a write makes a directory of files: give another path",
                root.display()
            )));
        }
        Ok(_) => {
            let vacant = entries(root)?.is_empty();
            match mode {
                FileSaveMode::Ignore if !vacant => return Ok(false),
                FileSaveMode::ErrorIfExists if !vacant => {
                    return Err(Error::invalid_argument(format!(
                        "{} exists and is not empty; use mode append or overwrite, or another path",
                        root.display()
                    )));
                }
                _ => {}
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error("reading", root, error)),
    }
    let staging = spec.staging();
    std::fs::create_dir_all(&staging).map_err(|error| io_error("creating", &staging, error))?;
    Ok(true)
}

/// What is in `root`, but for what writes keep there meanwhile.
fn entries(root: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| io_error("listing", root, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name() != TEMPORARY {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn commit(spec: &WriteSpec, mode: FileSaveMode, files: &[FileEntry]) -> Result<()> {
    let mut moved = Moves::default();
    if let Err(error) = publish(spec, mode, files, &mut moved) {
        return Err(match moved.undo() {
            Ok(()) => error,
            Err(undoing) => error.context(format!(
                "{} could not be brought back ({undoing}); what it held is below {}",
                spec.root.display(),
                spec.staging().display()
            )),
        });
    }
    clean(spec);
    Ok(())
}

fn publish(
    spec: &WriteSpec,
    mode: FileSaveMode,
    files: &[FileEntry],
    moved: &mut Moves,
) -> Result<()> {
    let staging = spec.staging();
    let written: Vec<(PathBuf, PathBuf)> = files
        .iter()
        .map(|file| {
            (
                staging.join(&file.attempt).join(&file.path),
                spec.root.join(&file.path),
            )
        })
        .collect();
    // Nothing is touched unless every file is there.
    for (from, _) in &written {
        std::fs::metadata(from).map_err(|error| io_error("reading", from, error))?;
    }
    if mode == FileSaveMode::Overwrite {
        let replaced = staging.join(REPLACED);
        make(&replaced)?;
        for path in entries(&spec.root)? {
            let name = path.file_name().unwrap_or_default();
            moved.rename(&path, &replaced.join(name))?;
        }
    }
    for (from, to) in &written {
        if let Some(parent) = to.parent() {
            make(parent)?;
        }
        moved.rename(from, to)?;
    }
    let success = spec.root.join(SUCCESS);
    std::fs::write(&success, []).map_err(|error| io_error("writing", &success, error))
}

fn make(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(|error| io_error("creating", directory, error))
}

/// Renames that can be taken back.
#[derive(Debug, Default)]
struct Moves {
    done: Vec<(PathBuf, PathBuf)>,
}

impl Moves {
    fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(|error| io_error("moving", from, error))?;
        self.done.push((from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn undo(self) -> Result<()> {
        for (from, to) in self.done.into_iter().rev() {
            std::fs::rename(&to, &from).map_err(|error| io_error("moving", &to, error))?;
            // Directories that were made for it; what is not empty stays.
            let mut parent = to.parent();
            while let Some(directory) = parent.filter(|path| std::fs::remove_dir(path).is_ok()) {
                parent = directory.parent();
            }
        }
        Ok(())
    }
}

/// Removes what a write keeps below `_temporary`.
fn clean(spec: &WriteSpec) {
    let staging = spec.staging();
    // What an overwrite could not bring back is kept.
    let kept =
        std::fs::read_dir(staging.join(REPLACED)).is_ok_and(|mut left| left.next().is_some());
    let committed = spec.root.join(SUCCESS).exists();
    if kept && !committed {
        warn!(path = %staging.display(), "files that an overwrite replaced are left here");
        return;
    }
    if let Err(error) = std::fs::remove_dir_all(&staging) {
        warn!(%error, path = %staging.display(), "temporary files of a write are left behind");
        return;
    }
    // Fails while another write is under way.
    let _ = std::fs::remove_dir(spec.root.join(TEMPORARY));
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;
