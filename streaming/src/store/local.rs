//! A checkpoint in a local directory.
//!
//! An entry is written to a temporary file, synced, and linked to its name: `link(2)` fails if the
//! name exists, so the put is atomic and exclusive on any POSIX file system, and the directory is
//! synced, so it survives a power cut. A process killed in between leaves a `.tmp-` file, which
//! [`list`](CheckpointStore::list) does not show.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;
use weir_plan::{Error, ErrorKind, Result};

use super::{CheckpointStore, Put};

const TEMPORARY: &str = ".tmp-";

/// Entries as files below one directory, which is made at the first put.
#[derive(Debug, Clone)]
pub struct LocalCheckpointStore {
    root: PathBuf,
}

impl LocalCheckpointStore {
    /// The store in directory `root`.
    ///
    /// # Errors
    /// `Storage` when the current directory, to which a relative path belongs, cannot be read.
    pub fn new(root: impl AsRef<Path>) -> Result<Self> {
        let root = std::path::absolute(root.as_ref())
            .map_err(|error| storage("resolving", root.as_ref(), error))?;
        Ok(Self { root })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        path: &str,
        doing: &'static str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.root.join(path);
        let result = tokio::task::spawn_blocking({
            let path = path.clone();
            move || work(&path)
        })
        .await
        .map_err(|error| Error::internal("a checkpoint access died").with_source(error))?;
        result.map_err(|error| storage(doing, &path, error))
    }
}

#[async_trait]
impl CheckpointStore for LocalCheckpointStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<Put> {
        self.blocking(path, "writing", move |path| link_new(path, &bytes))
            .await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        self.blocking(path, "reading", |path| match fs::read(path) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(error) if error.kind() == IoKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn list(&self, dir: &str) -> Result<Vec<String>> {
        self.blocking(dir, "listing", |dir| {
            let entries = match fs::read_dir(dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == IoKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut names = Vec::new();
            for entry in entries {
                if let Ok(name) = entry?.file_name().into_string()
                    && !name.starts_with(TEMPORARY)
                {
                    names.push(name);
                }
            }
            Ok(names)
        })
        .await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        self.blocking(path, "deleting", |path| match fs::remove_file(path) {
            Err(error) if error.kind() != IoKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }
}

fn link_new(path: &Path, bytes: &[u8]) -> io::Result<Put> {
    let dir = path.parent().unwrap_or(Path::new("."));
    create_dir_synced(dir)?;
    let temporary = dir.join(format!("{TEMPORARY}{}", Uuid::new_v4()));
    let written =
        write_synced(&temporary, bytes).and_then(|()| match fs::hard_link(&temporary, path) {
            Ok(()) => sync_dir(dir).map(|()| Put::Created),
            Err(error) if error.kind() == IoKind::AlreadyExists => Ok(Put::Exists),
            Err(error) => Err(error),
        });
    // Whether it was linked or not, the temporary name has served.
    let removed = fs::remove_file(&temporary);
    let put = written?;
    match removed {
        Err(error) if error.kind() != IoKind::NotFound => Err(error),
        _ => Ok(put),
    }
}

/// As `create_dir_all`; a directory whose own name is not synced would take its entries with it.
fn create_dir_synced(dir: &Path) -> io::Result<()> {
    let Some(parent) = dir.parent().filter(|_| !dir.is_dir()) else {
        return Ok(());
    };
    create_dir_synced(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != IoKind::AlreadyExists => Err(error),
        _ => sync_dir(parent),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn storage(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!("{doing} checkpoint entry {}", path.display()),
    )
    .with_source(error)
}
