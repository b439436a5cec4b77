//! No public verb lacks a test.

use std::collections::BTreeSet;
use std::path::Path;

use weir_tests::files::files_under;

/// Verbs that no golden case can show, with the test that does: a file under `tests/it` and its function.
const SHOWN_ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "Session::executors",
        "cluster.rs",
        "executors_end_with_their_session",
    ),
    (
        "DataFrame::print_schema",
        "functions/verbs_api.rs",
        "trees_and_tables_are_printed",
    ),
    (
        "DataFrame::show",
        "functions/verbs_api.rs",
        "trees_and_tables_are_printed",
    ),
    (
        "DataFrame::show_rows",
        "functions/verbs_api.rs",
        "trees_and_tables_are_printed",
    ),
    (
        "DataFrame::show_string",
        "api.rs",
        "show_prints_a_table_and_says_when_there_is_more",
    ),
    (
        "DataFrame::explain",
        "functions/verbs_api.rs",
        "trees_and_tables_are_printed",
    ),
    (
        "DataFrame::explain_string",
        "api.rs",
        "explain_shows_the_kafka_read_and_no_secret",
    ),
    (
        "DataFrame::explain_analyze",
        "functions/verbs_api.rs",
        "trees_and_tables_are_printed",
    ),
    (
        "DataFrame::profile",
        "explain.rs",
        "profile_counts_the_rows_bytes_and_tasks_of_each_stage",
    ),
    (
        "DataFrame::persist",
        "exchanges/persist.rs",
        "persisted_rows_are_computed_once_and_read_without_their_source_and_an_executor",
    ),
    (
        "DataFrame::cache",
        "exchanges/persist.rs",
        "rows_persisted_of_persisted_rows_are_kept_twice_and_go_with_their_dataframes",
    ),
    (
        "DataFrame::unpersist",
        "exchanges/persist.rs",
        "persisted_rows_are_computed_once_and_read_without_their_source_and_an_executor",
    ),
    (
        "DataFrame::is_cached",
        "exchanges/persist.rs",
        "persisted_rows_are_computed_once_and_read_without_their_source_and_an_executor",
    ),
    (
        "DataFrame::repartition",
        "partitions.rs",
        "repartition_writes_as_many_files_of_about_as_many_rows",
    ),
    (
        "DataFrame::repartition_by",
        "partitions.rs",
        "repartition_by_columns_keeps_their_rows_together_in_spark_s_partition",
    ),
    (
        "DataFrame::repartition_by_range",
        "partitions.rs",
        "repartition_by_range_writes_files_whose_ranges_do_not_overlap",
    ),
    (
        "DataFrame::coalesce",
        "partitions.rs",
        "coalesce_writes_no_more_files_and_exchanges_nothing",
    ),
    (
        "DataFrame::salted",
        "joins/salting.rs",
        "salted_sides_join_to_the_same_rows_or_explain_says_why_not",
    ),
    (
        "GroupedData::salted",
        "joins/groups.rs",
        "salted_groups_are_those_without_a_salt",
    ),
    (
        "DataFrame::checkpoint",
        "exchanges.rs",
        "checkpoint_keeps_every_type_and_names_that_occur_twice",
    ),
    (
        "DataFrame::to_local_iterator",
        "functions/verbs_api.rs",
        "rows_stream_past_the_limit_of_a_result",
    ),
    (
        "DataFrame::into_datafusion",
        "functions/verbs_api.rs",
        "engine_and_dataframe_convert_into_each_other",
    ),
    (
        "DataFrame::from_datafusion",
        "functions/verbs_api.rs",
        "engine_and_dataframe_convert_into_each_other",
    ),
    (
        "DataFrame::session",
        "functions/verbs_api.rs",
        "engine_and_dataframe_convert_into_each_other",
    ),
    (
        "Session::datafusion",
        "functions/verbs_api.rs",
        "engine_and_dataframe_convert_into_each_other",
    ),
    (
        "DataFrame::write",
        "api.rs",
        "write_modes_add_fail_leave_or_replace",
    ),
    (
        "DataFrame::write_stream",
        "api.rs",
        "stream_cannot_be_collected_and_a_table_cannot_be_streamed",
    ),
    (
        "Session::read",
        "api.rs",
        "write_modes_add_fail_leave_or_replace",
    ),
    (
        "Session::read_stream",
        "api.rs",
        "stream_cannot_be_collected_and_a_table_cannot_be_streamed",
    ),
    (
        "Session::builder",
        "api.rs",
        "settings_and_masters_that_are_wrong_are_refused",
    ),
    (
        "Session::add_listener",
        "functions/verbs_api.rs",
        "listener_of_a_session_hears_its_queries",
    ),
    (
        "Session::app_name",
        "functions/verbs_api.rs",
        "session_tells_what_it_was_made_with",
    ),
    (
        "Session::master",
        "functions/verbs_api.rs",
        "session_tells_what_it_was_made_with",
    ),
    (
        "Session::schema_registry",
        "schemas/avro.rs",
        "records_of_every_version_are_read_as_the_readers_schema_here_and_on_executors",
    ),
    (
        "Session::settings",
        "functions/verbs_api.rs",
        "session_tells_what_it_was_made_with",
    ),
];

/// Golden cases.
const GOLDEN: &[&str] = &[
    "verbs.rs",
    "verbs_joins.rs",
    "verbs_groups.rs",
    "verbs_sets.rs",
];

#[test]
fn every_verb_is_shown_by_a_golden_case_or_a_named_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("it");
    // Without the cases' names: they are PySpark, whose methods are called much the same.
    let golden: String = GOLDEN
        .iter()
        .map(|file| std::fs::read_to_string(here.join("functions").join(file)).unwrap())
        .map(|text| without_strings(&text))
        .collect();
    let verbs = public_verbs();
    assert!(verbs.contains("DataFrame::join") && verbs.contains("GroupedData::pivot"));
    assert_eq!(without_strings(r#"a("x\".b(") .c("#), "a() .c(");
    let mut missing = Vec::new();
    for verb in &verbs {
        let (_, method) = verb.split_once("::").unwrap();
        let elsewhere = SHOWN_ELSEWHERE.iter().find(|(name, ..)| name == verb);
        let shown = match elsewhere {
            Some((_, file, test)) => {
                let text = std::fs::read_to_string(here.join(file)).unwrap();
                calls(body_of(&text, test), method)
            }
            None => calls(&golden, method),
        };
        if !shown {
            missing.push(verb.as_str());
        }
    }
    assert!(missing.is_empty(), "no test calls {missing:?}");
    for (name, ..) in SHOWN_ELSEWHERE {
        assert!(verbs.contains(*name), "{name} is no verb any more");
    }
}

/// Rust source without what stands between its double quotes.
fn without_strings(text: &str) -> String {
    let (mut kept, mut inside, mut escaped) = (String::new(), false, false);
    for character in text.chars() {
        match (inside, character) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => inside = !inside,
            (true, _) => {}
            (false, _) => kept.push(character),
        }
    }
    kept
}

fn calls(text: &str, method: &str) -> bool {
    [format!(".{method}("), format!("::{method}(")]
        .iter()
        .any(|call| text.contains(call))
}

/// The text of the function `test`, up to the next one at the margin.
fn body_of<'a>(text: &'a str, test: &str) -> &'a str {
    let Some(start) = text.find(&format!("fn {test}(")) else {
        return "";
    };
    let end = text[start..].find("\n}\n").unwrap();
    &text[start..start + end]
}

/// `Type::method` of every public method of the types a program calls verbs on.
fn public_verbs() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/src");
    let folders = ["dataframe", "session"].map(|folder| sources.join(folder));
    let files = folders.iter().flat_map(|folder| files_under(folder, ".rs"));
    let mut verbs = BTreeSet::new();
    for file in files {
        let mut owner = None;
        for line in std::fs::read_to_string(file).unwrap().lines() {
            if line.starts_with("impl") {
                owner = ["DataFrame", "GroupedData", "Session"]
                    .into_iter()
                    .find(|name| line == format!("impl {name} {{"));
            }
            let rest = line
                .strip_prefix("    pub fn ")
                .or_else(|| line.strip_prefix("    pub async fn "));
            if let (Some(owner), Some(rest)) = (owner, rest) {
                let name = rest.split(['(', '<']).next().unwrap();
                verbs.insert(format!("{owner}::{name}"));
            }
        }
    }
    verbs
}
