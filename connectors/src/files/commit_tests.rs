//! The committer on real directories.

use std::collections::BTreeMap;
use std::fs;

use arrow::datatypes::{DataType, Field};
use tempfile::TempDir;
use weir_plan::ErrorKind;

use super::*;

fn sink(root: &Path, mode: FileSaveMode) -> FilesSink {
    let (location, options) = (root.to_str().unwrap(), Options::new());
    FilesSink::try_new(FileFormat::Json, location, mode, Vec::new(), &options).unwrap()
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("n", DataType::Int64, true)])
}

/// What tasks leave: `paths`, each with its own name as content.
fn stage(sink: &FilesSink, paths: &[&str]) -> Written {
    let files = paths.iter().map(|path| {
        let place = sink.spec.staging().join("attempt").join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, path).unwrap();
        format!("{{\"attempt\":\"attempt\",\"path\":{path:?}}}")
    });
    Written {
        files: files.collect(),
        ..Written::default()
    }
}

/// Every file below `root`, and its content.
fn content(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

#[tokio::test]
async fn overwrite_replaces_everything_and_leaves_nothing_temporary() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("t");
    let first = sink(&root, FileSaveMode::ErrorIfExists);
    assert!(first.prepare(&schema()).await.unwrap());
    first
        .commit(&stage(&first, &["p=1/a", "p=2/b"]))
        .await
        .unwrap();
    let second = sink(&root, FileSaveMode::Overwrite);
    assert!(second.prepare(&schema()).await.unwrap());
    let written = stage(&second, &["p=2/c"]);
    // Until the commit, what is there stays.
    assert!(root.join("p=1/a").exists());
    second.commit(&written).await.unwrap();
    drop((first, second));
    assert!(!root.join(TEMPORARY).exists());
    let files: Vec<String> = content(&root).into_keys().collect();
    assert_eq!(files, ["_SUCCESS", "p=2/c"]);
}

#[tokio::test]
async fn commit_that_fails_half_way_brings_back_what_was_there() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("t");
    let first = sink(&root, FileSaveMode::Append);
    assert!(first.prepare(&schema()).await.unwrap());
    first.commit(&stage(&first, &["p=1/a", "b"])).await.unwrap();
    let before = content(&root);
    let second = sink(&root, FileSaveMode::Overwrite);
    assert!(second.prepare(&schema()).await.unwrap());
    let mut written = stage(&second, &["c", "p=1/d"]);
    // The last file cannot go below "c", which is a file.
    written.files.extend(stage(&second, &["x"]).files);
    let below = "{\"attempt\":\"attempt\",\"path\":\"c/y\"}".to_owned();
    let staged = second.spec.staging().join("attempt");
    written.files.push(below);
    // Where it is read from exists under the same name only before "c" is moved.
    let error = {
        fs::remove_file(staged.join("c")).unwrap();
        fs::create_dir_all(staged.join("c")).unwrap();
        fs::write(staged.join("c/y"), "y").unwrap();
        second.commit(&written).await.unwrap_err()
    };
    assert!(error.to_string().contains("failed"), "{error}");
    drop(second);
    assert_eq!(content(&root), before);
    assert!(!root.join(TEMPORARY).exists());
}

#[tokio::test]
async fn write_that_is_given_up_takes_back_the_directory_it_made() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("a/t");
    let given_up = sink(&root, FileSaveMode::Append);
    assert!(given_up.prepare(&schema()).await.unwrap());
    stage(&given_up, &["x"]);
    drop(given_up);
    assert!(!root.exists());
}

#[tokio::test]
async fn modes_and_places_that_do_not_fit_are_told_before_anything_is_written() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = sink(&file, FileSaveMode::Overwrite)
        .prepare(&schema())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("is a file"), "{error}");
    let below = sink(&file.join("t"), FileSaveMode::Append);
    let error = below.prepare(&schema()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    let there = directory.path();
    let error = sink(there, FileSaveMode::ErrorIfExists)
        .prepare(&schema())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    assert!(
        !sink(there, FileSaveMode::Ignore)
            .prepare(&schema())
            .await
            .unwrap()
    );
    // What a killed write left is no content.
    let killed = directory.path().join("killed");
    fs::create_dir_all(killed.join("_temporary/old/x")).unwrap();
    let again = sink(&killed, FileSaveMode::ErrorIfExists);
    assert!(again.prepare(&schema()).await.unwrap());
}
