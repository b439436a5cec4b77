//! Which files a read is of, and the partition directories each lies in.
//!
//! As Spark lists (`InMemoryFileIndex`, `HadoopFSUtils.shouldFilterOutPathName`): every file below a
//! path, but for names that begin with `.`, or with `_` and hold no `=`, and for empty files. Files in
//! directories without `=` are read only with `recursiveFileLookup`, which finds no partitions.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use regex::Regex;
use weir_plan::{Error, ErrorKind, Result};

use super::glob;
use super::location::{io_error, local_path, store_path};
use super::partition::unescape;

/// What is listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookup {
    /// `recursiveFileLookup`.
    pub(super) recursive: bool,
    /// `pathGlobFilter`, on a file's name.
    pub(super) filter: Option<Regex>,
    /// `basePath`: the directory below which partitions begin.
    pub(super) base: Option<PathBuf>,
}

/// One file of a read.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) meta: ObjectMeta,
    /// Names and values of the directories it lies in, unescaped, outermost first.
    pub(super) partitions: Vec<(String, String)>,
}

/// The files at `locations`, sorted by path. Blocking.
///
/// # Errors
/// `NotFound` for a location that is not there, or that matches nothing; `InvalidArgument` for
/// directories of different partition columns.
pub(super) fn list(locations: &[String], lookup: &Lookup) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for location in locations {
        let path = local_path(location)?;
        let roots = if path.exists() || !glob::is_pattern(&path) {
            vec![path]
        } else {
            glob::expand(&path)?
        };
        if roots.is_empty() {
            return Err(not_found(location, "nothing matches it"));
        }
        for root in roots {
            let info = match std::fs::metadata(&root) {
                Ok(info) => info,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(not_found(location, "there is no such file or directory"));
                }
                Err(error) => return Err(io_error("reading", &root, error)),
            };
            let base = match &lookup.base {
                Some(base) if !root.starts_with(base) => {
                    return Err(Error::invalid_argument(format!(
                        "option \"basePath\" is {:?}, which {} is not in",
                        base.display(),
                        root.display()
                    )));
                }
                Some(base) => base.clone(),
                None if info.is_dir() => root.clone(),
                None => root.parent().unwrap_or(&root).to_path_buf(),
            };
            let mut below = Vec::new();
            if info.is_dir() {
                walk(&root, lookup, &mut below)?;
            } else {
                below.push((root.clone(), info));
            }
            let mut files = Vec::with_capacity(below.len());
            for (path, info) in below {
                files.push(describe(path, &info, &base, lookup)?);
            }
            // Directories that are no partitions are not looked into (`PartitioningAwareFileIndex`).
            let partitioned = files.iter().any(|file| !file.partitions.is_empty());
            if !partitioned && !lookup.recursive {
                files.retain(|file| file.path == root || file.path.parent() == Some(&root));
            }
            found.extend(files);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    check_columns(&found)?;
    Ok(found)
}

fn walk(
    directory: &Path,
    lookup: &Lookup,
    found: &mut Vec<(PathBuf, std::fs::Metadata)>,
) -> Result<()> {
    let failed = |error| io_error("listing", directory, error);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if is_hidden(&name) {
            continue;
        }
        // Follows links, as Hadoop's local file system does.
        let info = match std::fs::metadata(&path) {
            Ok(info) => info,
            // Deleted since the directory was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error("reading", &path, error)),
        };
        if info.is_dir() {
            walk(&path, lookup, found)?;
        } else if info.len() > 0 && lookup.filter.as_ref().is_none_or(|f| f.is_match(&name)) {
            found.push((path, info));
        }
    }
    Ok(())
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
        || (name.starts_with('_') && !name.contains('='))
        || name.ends_with("._COPYING_")
}

fn describe(
    path: PathBuf,
    info: &std::fs::Metadata,
    base: &Path,
    lookup: &Lookup,
) -> Result<Found> {
    let modified = info
        .modified()
        .map_err(|error| io_error("reading", &path, error))?;
    let meta = ObjectMeta {
        location: store_path(&path)?,
        last_modified: DateTime::<Utc>::from(modified),
        size: info.len(),
        e_tag: None,
        version: None,
    };
    let mut partitions = Vec::new();
    if !lookup.recursive {
        let directories = path
            .parent()
            .and_then(|parent| parent.strip_prefix(base).ok());
        for name in directories.into_iter().flat_map(Path::iter) {
            let name = name.to_string_lossy();
            if let Some((column, value)) = name
                .split_once('=')
                .filter(|(c, v)| !c.is_empty() && !v.is_empty())
            {
                partitions.push((unescape(column), unescape(value)));
            }
        }
    }
    Ok(Found {
        path,
        meta,
        partitions,
    })
}

/// Every file lies in directories of the same columns, in one order.
fn check_columns(found: &[Found]) -> Result<()> {
    let columns = |file: &Found| -> Vec<String> {
        file.partitions
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    };
    let Some(first) = found.first() else {
        return Ok(());
    };
    let expected = columns(first);
    match found.iter().find(|file| columns(file) != expected) {
        None => Ok(()),
        Some(other) => Err(Error::invalid_argument(format!(
            "{} is partitioned by [{}] and {} by [{}]; read directories of one layout at a time, or \
             set option \"basePath\" or \"recursiveFileLookup\"",
            first.path.display(),
            expected.join(", "),
            other.path.display(),
            columns(other).join(", "),
        ))),
    }
}

fn not_found(location: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("no files at {location:?}: {why}"),
    )
}
