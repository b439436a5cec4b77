//! Replaced rows: tables other engines made, commits in between, lost answers, and death.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner as _};
use datafusion::prelude::SessionContext;
use serde_json::{Value, json};
use weir_plan::logical::WritePlanner;
use weir_plan::{ErrorKind, QueryId, Result};

use super::support::{Place, drain, people};
use crate::delta::PlanRunner;

/// Runs plans here, and `after` once each time a plan with a write is done.
struct Runner<F> {
    state: SessionState,
    after: F,
}

#[async_trait::async_trait]
impl<F: AsyncHook> PlanRunner for Runner<F> {
    async fn run(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>> {
        let writes = matches!(&plan, LogicalPlan::Extension(_));
        let plan = self.state.optimize(&plan)?;
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(WritePlanner)]);
        let plan = planner.create_physical_plan(&plan, &self.state).await?;
        let rows = collect(plan, self.state.task_ctx()).await?;
        if writes {
            self.after.call().await;
        }
        Ok(rows)
    }
}

#[async_trait::async_trait]
trait AsyncHook: Send + Sync {
    async fn call(&self);
}

/// Nothing happens in between.
struct Quiet;

#[async_trait::async_trait]
impl AsyncHook for Quiet {
    async fn call(&self) {}
}

/// Another writer appends these ids.
struct Appends<'a>(&'a Place, Mutex<Vec<i64>>);

#[async_trait::async_trait]
impl AsyncHook for Appends<'_> {
    async fn call(&self) {
        let ids = std::mem::take(&mut *self.1.lock().unwrap());
        if !ids.is_empty() {
            drain(&self.0.sink(), QueryId::random(), 0, people(&ids))
                .await
                .unwrap();
        }
    }
}

/// The process dies.
struct Dies;

#[async_trait::async_trait]
impl AsyncHook for Dies {
    async fn call(&self) {
        std::process::abort();
    }
}

async fn overwrite(
    place: &Place,
    options: &[(&str, &str)],
    rows: RecordBatch,
    after: impl AsyncHook,
) -> Result<Option<u64>> {
    let state = SessionStateBuilder::new().with_default_features().build();
    let input = SessionContext::new().read_batch(rows)?;
    let input = input.logical_plan().clone();
    let runner = Runner {
        state: state.clone(),
        after,
    };
    let sink = place.sink_with(&[], options);
    sink.overwrite(input, &state, &runner, None).await
}

async fn ids(place: &Place) -> String {
    let rows = place.query("select id from t order by id").await;
    rows.replace('\n', " ")
}

/// A table of ids 0 to 29 in one file, as version 0.
async fn thirty() -> Place {
    let place = Place::new();
    let rows: Vec<i64> = (0..30).collect();
    drain(&place.sink(), QueryId::random(), 0, people(&rows))
        .await
        .unwrap();
    place
}

fn lines(place: &Place, version: u64) -> Vec<Value> {
    let path = format!("{}/_delta_log/{version:020}.json", place.path());
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn action(place: &Place, version: u64, kind: &str) -> Value {
    let found = lines(place, version);
    found
        .iter()
        .find_map(|line| line.get(kind))
        .unwrap_or_else(|| panic!("no {kind} in {found:?}"))
        .clone()
}

/// Writes version 0 again, changed by `change`.
fn rewrite_first(place: &Place, change: impl Fn(&mut Value)) {
    let mut first = lines(place, 0);
    first.iter_mut().for_each(change);
    place.write_log(0, &first);
}

#[tokio::test]
async fn paths_are_removed_as_the_log_spells_them() {
    for partial in [false, true] {
        let place = thirty().await;
        let mut spelled = String::new();
        let path = action(&place, 0, "add")["path"]
            .as_str()
            .unwrap()
            .to_owned();
        // An escape that nobody needs, and that another writer may make.
        spelled.push_str(&path.replace('-', "%2D"));
        rewrite_first(&place, |line| {
            if let Some(add) = line.get_mut("add") {
                add["path"] = json!(spelled);
                add["tags"] = json!({"made-by": "another"});
            }
        });
        let options: &[_] = if partial {
            &[("replaceWhere", "id < 29")]
        } else {
            &[]
        };
        overwrite(&place, options, people(&[7]), Quiet)
            .await
            .unwrap();
        assert_eq!(ids(&place).await, if partial { "7 29" } else { "7" });
        let remove = action(&place, 1, "remove");
        assert_eq!(remove["path"], json!(spelled));
        assert_eq!(remove["tags"], json!({"made-by": "another"}));
    }
}

#[tokio::test]
async fn files_outside_the_table_are_removed_whole_and_not_in_part() {
    let place = thirty().await;
    let inside = action(&place, 0, "add")["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let elsewhere = format!("{}-elsewhere.parquet", place.path());
    std::fs::rename(format!("{}/{inside}", place.path()), &elsewhere).unwrap();
    let absolute = format!("file://{elsewhere}");
    rewrite_first(&place, |line| {
        if let Some(add) = line.get_mut("add") {
            add["path"] = json!(absolute);
        }
    });
    let partial = [("replaceWhere", "id < 29")];
    let error = overwrite(&place, &partial, people(&[7]), Quiet)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(&absolute), "{error}");
    overwrite(&place, &[], people(&[7]), Quiet).await.unwrap();
    assert_eq!(action(&place, 1, "remove")["path"], json!(absolute));
    assert_eq!(ids(&place).await, "7");
    assert!(std::path::Path::new(&elsewhere).exists());
    std::fs::remove_file(elsewhere).unwrap();
}

#[tokio::test]
async fn deletion_vectors_are_removed_with_their_files_and_never_rewritten() {
    let place = thirty().await;
    // Rows 3, 4, 7, 11, 18 and 29.
    let vector = json!({"storageType": "i", "sizeInBytes": 44, "cardinality": 6,
        "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"});
    rewrite_first(&place, |line| {
        if line.get("protocol").is_some() {
            *line = json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}});
        }
        if let Some(add) = line.get_mut("add") {
            add["deletionVector"] = vector.clone();
        }
    });
    assert_eq!(place.query("select count(*) from t").await, "24");
    let error = overwrite(&place, &[("replaceWhere", "id = 5")], people(&[5]), Quiet)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("deletion vector"), "{error}");
    // Row 4 is deleted: no row matches, and nothing of the file is written again.
    overwrite(&place, &[("replaceWhere", "id = 4")], people(&[4]), Quiet)
        .await
        .unwrap();
    assert_eq!(place.query("select count(*) from t").await, "25");
    overwrite(&place, &[], people(&[7]), Quiet).await.unwrap();
    let removes = lines(&place, 2);
    let vectors: Vec<_> = removes
        .iter()
        .filter_map(|line| line.get("remove")?.get("deletionVector"))
        .collect();
    assert_eq!(vectors, [&vector]);
    assert_eq!(ids(&place).await, "7");
}

async fn with_property(property: &str, value: &str) -> Place {
    let place = thirty().await;
    rewrite_first(&place, |line| {
        if let Some(metadata) = line.get_mut("metaData") {
            metadata["configuration"] = json!({property: value});
        }
        if let Some(protocol) = line.get_mut("protocol") {
            protocol["minWriterVersion"] = json!(4);
        }
    });
    place
}

#[tokio::test]
async fn what_a_table_asks_of_writers_that_replace_is_honoured_or_refused_by_name() {
    for (property, value, named) in [
        ("delta.appendOnly", "true", "delta.appendOnly"),
        (
            "delta.constraints.small",
            "id < 100",
            "CHECK constraint \"small\"",
        ),
    ] {
        let place = with_property(property, value).await;
        for options in [
            vec![],
            vec![("replaceWhere", "id = 7")],
            vec![("overwriteSchema", "true")],
        ] {
            let error = overwrite(&place, &options, people(&[7]), Quiet)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
        assert_eq!(
            place.files_on_disk(),
            1,
            "refused before anything is written"
        );
    }
    let place = with_property("delta.enableChangeDataFeed", "true").await;
    let partial = [("replaceWhere", "id = 7")];
    let error = overwrite(&place, &partial, people(&[7]), Quiet)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(
        error.to_string().contains("delta.enableChangeDataFeed"),
        "{error}"
    );
    overwrite(&place, &[], people(&[7]), Quiet).await.unwrap();
    assert_eq!(ids(&place).await, "7");
}

#[tokio::test]
async fn append_while_rows_are_written_is_followed_or_a_conflict() {
    // What the other writer adds cannot be among the replaced.
    let place = thirty().await;
    let other = Appends(&place, Mutex::new(vec![100]));
    let version = overwrite(&place, &[("replaceWhere", "id < 29")], people(&[7]), other).await;
    assert_eq!(version.unwrap(), Some(2));
    assert_eq!(ids(&place).await, "7 29 100");
    // It can.
    for options in [vec![], vec![("replaceWhere", "id < 200")]] {
        let place = thirty().await;
        let other = Appends(&place, Mutex::new(vec![100]));
        let error = overwrite(&place, &options, people(&[7]), other)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(
            error.to_string().contains("version 1 added rows"),
            "{error}"
        );
        assert_eq!(place.query("select count(*) from t").await, "31");
    }
    // The table came to be meanwhile.
    let place = Place::new();
    let other = Appends(&place, Mutex::new(vec![100]));
    let error = overwrite(&place, &[], people(&[7]), other)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(ids(&place).await, "100");
}

#[tokio::test]
async fn nan_is_in_no_statistics_and_still_replaced_or_kept() {
    // NaN is greater than every number, as in Spark.
    for (predicate, left) in [("x > 5", "1.0"), ("x < 5", "NaN"), ("x <= 1", "NaN")] {
        let place = Place::new();
        let rows = super::support::batch(vec![(
            "x",
            Arc::new(arrow::array::Float64Array::from(vec![1.0, f64::NAN])) as _,
        )]);
        drain(&place.sink(), QueryId::random(), 0, rows.clone())
            .await
            .unwrap();
        overwrite(
            &place,
            &[("replaceWhere", predicate)],
            rows.slice(0, 0),
            Quiet,
        )
        .await
        .unwrap();
        assert_eq!(place.query("select x from t").await, left, "{predicate}");
    }
}

/// Run by [`death_before_the_commit_leaves_the_table_as_it_was`], in a process of its own.
#[tokio::test]
async fn dies_before_the_commit() {
    let Ok(path) = std::env::var("WEIR_TEST_DIES_IN") else {
        return;
    };
    let place = Place::at(&path);
    let options = [("replaceWhere", "id < 29")];
    overwrite(&place, &options, people(&[7]), Dies)
        .await
        .unwrap();
}

#[tokio::test]
async fn death_before_the_commit_leaves_the_table_as_it_was() {
    let place = thirty().await;
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new(this)
        .args([
            "--exact",
            "delta::tests::overwrites::dies_before_the_commit",
        ])
        .env("WEIR_TEST_DIES_IN", place.path())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        None,
        "it died by a signal: {output:?}"
    );
    assert_eq!(place.files_on_disk(), 2, "it wrote files");
    assert_eq!(place.query("select count(*) from t").await, "30");
    assert!(!std::path::Path::new(&format!("{}/_delta_log/{:020}.json", place.path(), 1)).exists());
    // And does not keep the next run from writing.
    let options = [("replaceWhere", "id < 29")];
    overwrite(&place, &options, people(&[7]), Quiet)
        .await
        .unwrap();
    assert_eq!(ids(&place).await, "7 29");
}
