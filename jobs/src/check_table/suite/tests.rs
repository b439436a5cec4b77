//! Suites read from files: what is understood, what is refused and how.

use serde_json::json;
use weir::ErrorKind;

use super::check::{Allowed, TYPES};
use super::*;

/// The suite in a file whose name ends in `extension`.
fn read(extension: &str, text: &str) -> Result<Suite> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("orders.{extension}"));
    std::fs::write(&path, text).unwrap();
    Suite::read(&path.display().to_string())
}

#[track_caller]
fn refused(extension: &str, text: &str, parts: &[&str]) {
    let error = read(extension, text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} not in: {error}");
    }
}

const YAML: &str = r"
name: daily
checks:
  - {name: a, type: not_null, column: id, severity: warn, where: status <> 'test', mostly: 0.99}
  - {name: b, type: unique, columns: [id, day]}
  - {name: c, type: range, column: day, min: 2026-01-01, max: 2026-12-31, exclusive_max: true}
  - {name: d, type: range, column: amount, min: -1.5, tolerance: 0.1}
  - {name: e, type: in_set, column: status, values: [new, 'yes']}
  - {name: f, type: row_count, equals: 3, severity: info}
  - {name: g, type: freshness, column: at, max_age: 1h 30m}
  - {name: h, type: references, column: sku, table: /lake/products, to: id, version: 2}
  - {name: i, type: matches, column: email, pattern: '^.+@.+$'}
  - {name: j, type: sql, predicate: amount >= 0}
";

const TOML: &str = r#"
name = "daily"
checks = [
  {name = "a", type = "not_null", column = "id", severity = "warn", where = "status <> 'test'", mostly = 0.99},
  {name = "b", type = "unique", columns = ["id", "day"]},
  {name = "c", type = "range", column = "day", min = 2026-01-01, max = 2026-12-31, exclusive_max = true},
  {name = "d", type = "range", column = "amount", min = -1.5, tolerance = 0.1},
  {name = "e", type = "in_set", column = "status", values = ["new", "yes"]},
  {name = "f", type = "row_count", equals = 3, severity = "info"},
  {name = "g", type = "freshness", column = "at", max_age = "1h 30m"},
  {name = "h", type = "references", column = "sku", table = "/lake/products", to = "id", version = 2},
  {name = "i", type = "matches", column = "email", pattern = '^.+@.+$'},
  {name = "j", type = "sql", predicate = "amount >= 0"},
]
"#;

#[test]
fn every_type_is_read_and_yaml_and_toml_say_the_same() {
    let mut yaml = read("yaml", YAML).unwrap();
    let mut toml = read("toml", TOML).unwrap();
    for suite in [&mut yaml, &mut toml] {
        suite
            .checks
            .iter_mut()
            .for_each(|check| check.place.clear());
    }
    assert_eq!(yaml, toml);
    let checks = &yaml.checks;
    for (known, ..) in TYPES {
        let read = checks.iter().any(|check| check.kind.type_name() == *known);
        assert!(read, "{known}");
    }
    assert_eq!(checks[0].severity, Severity::Warn);
    assert_eq!(checks[0].filter.as_deref(), Some("status <> 'test'"));
    assert_eq!(checks[0].allowed, Allowed::Mostly(0.99));
    assert_eq!(checks[1].severity, Severity::Error);
    let Kind::Range {
        min, exclusive_max, ..
    } = &checks[2].kind
    else {
        panic!("{checks:?}");
    };
    assert_eq!(*min, Some(Bound::Text("2026-01-01".to_owned())));
    assert!(*exclusive_max);
    let values = vec![json!("new"), json!("yes")];
    let column = "status".to_owned();
    assert_eq!(checks[4].kind, Kind::InSet { column, values });
    assert_eq!(
        checks[5].kind,
        Kind::RowCount {
            min: Some(3),
            max: Some(3)
        }
    );
    // Without a name it is the file's.
    let unnamed = YAML.replace("name: daily\n", "");
    assert_eq!(read("yml", &unnamed).unwrap().name, "orders");
}

#[test]
fn files_that_are_no_suite_are_refused() {
    for empty in ["", "checks: []", "name: x"] {
        refused("yaml", empty, &["orders.yaml", "no checks"]);
    }
    refused("json", "{}", &["orders.json", ".toml"]);
    refused("yaml", "checks: [", &["orders.yaml", "no YAML"]);
    refused("toml", "checks = ", &["orders.toml", "no TOML"]);
    refused("yaml", "- a", &["a list", "keys and values"]);
    refused(
        "yaml",
        "check: []",
        &["\"check\"", "did you mean \"checks\"?"],
    );
    refused("yaml", "checks: {a: 1}", &["checks", "a list"]);
    let error = Suite::read("/nowhere/at/all.yaml").unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/at/all.yaml"),
        "{error}"
    );
}

#[test]
fn mistakes_in_a_check_are_refused_naming_it_and_what_was_meant() {
    for (check, parts) in [
        (
            "type: not_null, column: id",
            &["check 1", "\"name\" is missing"][..],
        ),
        (
            "name: a, column: id",
            &["check \"a\"", "\"type\" is missing"],
        ),
        (
            "name: a, type: not_nul, column: id",
            &["\"not_nul\"", "\"not_null\"?"],
        ),
        (
            "name: a, type: not_null, colum: id",
            &["check \"a\"", "\"colum\"", "\"column\"?"],
        ),
        ("name: a, type: not_null", &["\"column\" is missing"]),
        (
            "name: a, type: not_null, column: 3",
            &["column is 3", "a text"],
        ),
        (
            "name: a, type: not_null, column: id, severity: eror",
            &["\"eror\"", "\"error\"?"],
        ),
        (
            "name: a, type: not_null, column: id, mostly: 95",
            &["mostly is 95", "0 to 1"],
        ),
        (
            "name: a, type: not_null, column: id, mostly: 0.9, tolerance: 0.1",
            &["mostly", "tolerance", "one of them"],
        ),
        (
            "name: a, type: row_count, min: 1, tolerance: 0.1",
            &["\"tolerance\""],
        ),
        ("name: a, type: row_count", &["min, max and equals"]),
        (
            "name: a, type: row_count, min: -1",
            &["min is -1", "whole number"],
        ),
        ("name: a, type: row_count, min: 5, max: 4", &["5", "4"]),
        ("name: a, type: row_count, equals: 5, max: 4", &["equals"]),
        ("name: a, type: range, column: x", &["neither min nor max"]),
        (
            "name: a, type: range, column: x, min: 2, max: 1",
            &["min 2", "max 1"],
        ),
        ("name: a, type: range, column: x, min: .nan", &["min"]),
        (
            "name: a, type: range, column: x, min: 2, exclusive_max: true",
            &["exclusive_max", "without max"],
        ),
        (
            "name: a, type: range, column: x, min: 2, exclusive_min: 1",
            &["exclusive_min is 1", "true or false"],
        ),
        (
            "name: a, type: in_set, column: x, values: []",
            &["values is empty"],
        ),
        (
            "name: a, type: in_set, column: x, values: [a, null]",
            &["values", "not_null"],
        ),
        (
            "name: a, type: matches, column: x, pattern: '('",
            &["regular expression"],
        ),
        (
            "name: a, type: unique, column: x, columns: [y]",
            &["column and columns"],
        ),
        ("name: a, type: unique", &["\"columns\" is missing"]),
        (
            "name: a, type: references, columns: [x, y], table: t, to: z",
            &["to has 1", "columns has 2"],
        ),
        (
            "name: a, type: freshness, column: at, max_age: soon",
            &["max_age", "\"soon\""],
        ),
        ("name: a, type: sql", &["\"predicate\" is missing"]),
    ] {
        refused("yaml", &format!("checks: [{{{check}}}]"), parts);
    }
    let twice = "checks: [{name: a, type: row_count, min: 1}, {name: a, type: row_count, max: 1}]";
    refused("yaml", twice, &["two checks named \"a\""]);
}

#[test]
fn words_that_old_yaml_took_for_booleans_are_texts() {
    let text = "checks: [{name: a, type: in_set, column: y, values: [NO, on, 0x1F, 1, true]}]";
    let suite = read("yaml", text).unwrap();
    let values = vec![json!("NO"), json!("on"), json!(31), json!(1), json!(true)];
    let column = "y".to_owned();
    assert_eq!(suite.checks[0].kind, Kind::InSet { column, values });
    let twice = "checks: [{name: a, name: b, type: row_count, min: 1}]";
    refused("yaml", twice, &["no YAML", "name"]);
}

#[test]
fn tolerance_is_a_part_of_the_rows_and_mostly_is_the_rest() {
    for (allowed, broken, rows, permitted) in [
        (Allowed::None, 0, 0, true),
        (Allowed::None, 1, 100, false),
        (Allowed::Mostly(0.95), 5, 100, true),
        (Allowed::Mostly(0.95), 6, 100, false),
        (Allowed::Tolerance(0.05), 5, 100, true),
        (Allowed::Tolerance(0.05), 6, 100, false),
        (Allowed::Mostly(1.0), 1, 1_000_000, false),
        (Allowed::Mostly(1.0), 0, 0, true),
    ] {
        let found = allowed.permits(broken, rows);
        assert_eq!(found, permitted, "{allowed:?}: {broken} of {rows}");
    }
}
