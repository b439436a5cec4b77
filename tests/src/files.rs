//! Directories that a test writes tables, checkpoints and markers in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::requirements::{Unavailable, require_or_skip};
use crate::s3::{ROOT_VARIABLE, S3Server};

/// An empty lake in a temporary directory, removed when dropped, also when the test panics.
///
/// `WEIR_TEST_KEEP=1` keeps it and says where it is. Under [`ROOT_VARIABLE`] it is a bucket of that server: paths are those of its
/// files, URLs are the bucket's.
#[derive(Debug)]
pub struct TempLake {
    directory: TempDir,
    bucket: Option<String>,
}

impl TempLake {
    /// A new, empty lake.
    pub fn new() -> Self {
        match std::env::var_os(ROOT_VARIABLE) {
            Some(root) => Self::of_bucket(Path::new(&root)),
            None => Self::over(
                tempfile::Builder::new().prefix("weir-lake-").tempdir(),
                None,
            ),
        }
    }

    /// A new, empty lake on `server`: a bucket of its own.
    pub fn on(server: &S3Server) -> Self {
        Self::of_bucket(&server.root())
    }

    fn of_bucket(root: &Path) -> Self {
        // A bucket's name has no capital letters.
        let bucket = format!("weir-lake-{}", uuid::Uuid::new_v4().simple());
        let mut name = tempfile::Builder::new();
        let directory = name.prefix(&bucket).rand_bytes(0).tempdir_in(root);
        Self::over(directory, Some(bucket))
    }

    fn over(directory: io::Result<TempDir>, bucket: Option<String>) -> Self {
        let mut directory = directory.expect("a temporary directory");
        if std::env::var_os("WEIR_TEST_KEEP").is_some_and(|value| value == "1") {
            directory.disable_cleanup(true);
            eprintln!("kept: {}", directory.path().display());
        }
        Self { directory, bucket }
    }

    /// The lake's root.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a table. Nothing is created.
    pub fn table(&self, name: &str) -> PathBuf {
        self.directory.path().join("tables").join(name)
    }

    /// The same, as the URL that a job is given.
    pub fn table_url(&self, name: &str) -> String {
        self.url(&self.table(name))
    }

    /// A streaming query's checkpoint location, as a URL. Nothing is created.
    pub fn checkpoint_url(&self, name: &str) -> String {
        self.url(&self.checkpoint(name))
    }

    /// The URL of a place below the lake's root.
    pub fn url_of(&self, relative: &str) -> String {
        self.url(&self.directory.path().join(relative))
    }

    fn url(&self, path: &Path) -> String {
        match (&self.bucket, path.strip_prefix(self.directory.path())) {
            (Some(bucket), Ok(key)) => format!("s3://{bucket}/{}", key.display()),
            _ => file_url(path),
        }
    }

    /// A streaming query's checkpoint directory. Nothing is created.
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.directory.path().join("checkpoints").join(name)
    }

    /// A path for a marker or a configuration file of the test's own. Nothing is created.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Default for TempLake {
    fn default() -> Self {
        Self::new()
    }
}

/// A file system of a few bytes, to be filled: unmounted when dropped, and when the test process ends in any way.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
    /// A shell that unmounts once its standard input ends, which is open as long as this process lives.
    janitor: Child,
}

impl SmallDisk {
    /// Mounts a file system of `bytes` at `path`, which is created. Needs the right to mount.
    pub fn mount_or_skip(path: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(path).expect("a mount point");
        let mounted = mount(path, &format!("size={bytes}")).map(|()| Self {
            path: path.to_path_buf(),
            janitor: unmounting_janitor(path),
        });
        require_or_skip(mounted)
    }

    /// Changes its size; what is on it stays.
    pub fn resize(&self, bytes: u64) {
        mount(&self.path, &format!("remount,size={bytes}")).expect("what was mounted can be grown");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

fn mount(path: &Path, options: &str) -> Result<(), Unavailable> {
    let output = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(path)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Unavailable::new(
            "a small file system",
            format!(
                "`mount` says {}; run the tests as root in a container that may mount",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        )),
        Err(error) => Err(Unavailable::new("mount", error)),
    }
}

fn unmounting_janitor(path: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "trap '' INT TERM HUP; read -r _; umount -l -- \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh can be run")
}

/// Every file below `directory` whose name ends with `suffix`, sorted. A directory that does not exist holds no files.
pub fn files_under(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            // A writer may remove a file between the listing and this call: it is not a directory then.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path);
            } else if path.to_string_lossy().ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The versions that a Delta table's log holds as JSON commits, ascending. No table, no versions.
pub fn delta_versions(table: &Path) -> Vec<u64> {
    let mut versions: Vec<u64> = files_under(&table.join("_delta_log"), ".json")
        .iter()
        .filter_map(|path| path.file_stem()?.to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    versions
}

fn file_url(path: &Path) -> String {
    // Temporary directories hold no character that a URL must escape.
    format!("file://{}", path.display())
}
