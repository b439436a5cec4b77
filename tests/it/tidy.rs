//! What ARCHITECTURE.md promises about the tree itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use weir_tests::files::files_under;

/// Which workspace crates a crate may name among its dependencies.
const ARROWS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("macros", &[]),
    ("plan", &["weir-proto"]),
    ("connectors", &["weir-plan", "weir-proto"]),
    ("streaming", &["weir-plan", "weir-proto"]),
    (
        "api",
        &[
            "weir-streaming",
            "weir-connectors",
            "weir-executor",
            "weir-rpc",
            "weir-plan",
            "weir-proto",
            "weir-macros",
        ],
    ),
    ("rpc", &["weir-plan"]),
    ("driver", &["weir-rpc", "weir-plan", "weir-proto"]),
    (
        "executor",
        &["weir-connectors", "weir-rpc", "weir-plan", "weir-proto"],
    ),
    ("jobs", &["weir"]),
    (
        "cli",
        &["weir", "weir-jobs", "weir-driver", "weir-rpc", "weir-proto"],
    ),
];

/// Crates that only one workspace crate (and tests) may name.
const OWNED: &[(&str, &str)] = &[
    ("rdkafka", "connectors"),
    ("deltalake", "connectors"),
    ("delta_kernel", "connectors"),
];

/// Two versions of one of these are two types of the same name.
const SINGLE: &[&str] = &[
    "arrow",
    "datafusion",
    "object_store",
    "parquet",
    "tonic",
    "prost",
    "rdkafka",
    "deltalake",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The names under `[dependencies]`, features and the like left out.
fn dependencies(member: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim().to_owned()))
        .collect()
}

#[test]
fn crates_import_only_what_the_code_map_allows() {
    for (member, allowed) in ARROWS {
        for dependency in dependencies(member) {
            let ours = dependency == "weir" || dependency.starts_with("weir-");
            assert!(
                !ours || allowed.contains(&dependency.as_str()),
                "{member} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn kafka_and_delta_libraries_stay_in_the_connectors() {
    for (member, _) in ARROWS {
        for dependency in dependencies(member) {
            if let Some((_, owner)) = OWNED.iter().find(|(name, _)| *name == dependency) {
                assert_eq!(member, owner, "only {owner} may depend on {dependency}");
            }
        }
    }
}

#[test]
fn lock_file_holds_one_version_of_each_shared_library() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lock.lines() {
        if let Some(name) = line
            .strip_prefix("name = \"")
            .and_then(|l| l.strip_suffix('"'))
        {
            *versions.entry(name).or_default() += 1;
        }
    }
    for name in SINGLE {
        let found = versions.get(name).copied().unwrap_or_default();
        assert!(found <= 1, "Cargo.lock holds {found} versions of {name}");
    }
}

#[test]
fn documents_name_tests_that_exist() {
    let sources: String = ["plan", "connectors", "streaming", "api", "jobs", "tests"]
        .iter()
        .flat_map(|member| files_under(&root().join(member), ".rs"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    for document in ["docs/semantics.md", "docs/features.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        // Every other piece stands between backticks.
        for path in text.split('`').skip(1).step_by(2) {
            let Some((_, name)) = path.rsplit_once("::").filter(|(_, name)| !name.is_empty())
            else {
                continue;
            };
            let declared = [
                format!("fn {name}("),
                format!("mod {name};"),
                format!("mod {name} {{"),
            ];
            assert!(
                declared.iter().any(|declared| sources.contains(declared)),
                "{document} names {path}, which does not exist"
            );
        }
    }
}
