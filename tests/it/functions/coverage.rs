//! Every public function has a case that was compared with Spark.

use std::collections::BTreeSet;
use std::path::Path;

/// Functions that PySpark has not, or whose names there are others.
const WEIR_ONLY: &[&str] = &[
    // A batch's logged value: see the checkpoint's documentation.
    "pinned",
    // Names of types, for messages.
    "type_name",
];

/// Functions that PySpark has in packages of their own, and those of schema registries, which it has not. What other programs wrote is
/// read by them in `it::schemas`, and other programs read there what they wrote.
const OF_SCHEMAS: &[&str] = &[
    "from_avro",
    "from_avro_registry",
    "from_json_registry",
    "from_protobuf",
    "from_protobuf_registry",
    "to_avro",
    "to_avro_registry",
    "to_json_registry",
    "to_protobuf",
    "to_protobuf_registry",
];

/// The text of every file below `folder` that ends with `ending`.
fn texts(folder: &str, ending: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    paths
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

/// The names that `weir::functions` makes public: its functions, and those it takes from elsewhere.
fn public_functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in texts("../api/src/functions", "rs") {
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("pub fn ") {
                let name = rest.split(['(', '<']).next().unwrap();
                names.insert(name.to_owned());
            }
        }
        for reexport in text.split("\npub use ").skip(1) {
            let reexport = reexport.split(';').next().unwrap();
            let listed = match reexport.split_once('{') {
                Some((_, listed)) => listed.trim_end_matches('}'),
                None => reexport.rsplit("::").next().unwrap(),
            };
            let listed = listed.split(',').map(str::trim);
            names.extend(
                listed
                    .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
                    .map(str::to_owned),
            );
        }
    }
    names
}

#[test]
fn every_public_function_has_a_golden_case() {
    let functions = public_functions();
    for known in [
        "col",
        "lit",
        "sum",
        "year",
        "upper",
        "from_json",
        "row_number",
        "coalesce",
    ] {
        assert!(
            functions.contains(known),
            "{known} is not found in the source"
        );
    }
    let golden = texts("it/functions/golden", "json").concat();
    let has_case = |name: &str| golden.contains(&format!("F.{name}("));
    // `not` is Python's `~`, and PySpark's `Column.otherwise` follows `when`.
    let missing: Vec<_> = functions
        .iter()
        .filter(|name| !has_case(name) && !WEIR_ONLY.contains(&name.as_str()))
        .filter(|name| !OF_SCHEMAS.contains(&name.as_str()))
        .filter(|name| name.as_str() != "not" || !golden.contains("(~F.col("))
        .collect();
    assert!(
        missing.is_empty(),
        "no case in tests/it/functions/golden for {missing:?}"
    );
    let unused: Vec<_> = WEIR_ONLY
        .iter()
        .chain(OF_SCHEMAS)
        .filter(|name| !functions.contains(**name))
        .collect();
    assert!(unused.is_empty(), "{unused:?} are no functions any more");
}
