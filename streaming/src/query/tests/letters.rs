//! Rows told apart: dead letters before rows, each once, and never a batch with too many of them if that is to fail.

use datafusion::common::ScalarValue;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, col, lit};
use weir_plan::ErrorKind;
use weir_plan::dead_letters::{Action as Does, ErrorType, LETTER, LetterRule};
use weir_plan::functions::{RowRule, broken_rules};

use super::*;
use crate::contract::{Contract, OverRate};
use crate::progress::BatchStep;
use crate::testing::{Action, DiesAt, MemoryLetters};

/// Every third record is a letter.
fn third() -> Expr {
    (col("offset") % lit(3_i64)).not_eq(lit(2_i64))
}

/// A drain whose rows are told apart by [`third`].
fn contracted(world: &World, letters: &Arc<MemoryLetters>) -> QuerySpec {
    let rule = RowRule {
        name: "third".to_owned(),
        fails: false,
    };
    let null = || lit(ScalarValue::Binary(None));
    let record = [
        (lit("topic"), lit("t")),
        (lit("partition"), col("partition")),
        (lit("offset"), col("offset")),
        (
            lit("timestamp"),
            lit(ScalarValue::TimestampMicrosecond(None, None)),
        ),
        (lit("key"), null()),
        (
            lit("value"),
            cast(col("value"), datafusion::arrow::datatypes::DataType::Binary),
        ),
        (lit("headers"), null()),
    ];
    let record = named_struct(
        record
            .into_iter()
            .flat_map(|(name, part)| [name, part])
            .collect(),
    );
    let broken = broken_rules(&[rule], lit(ScalarValue::Null), vec![third()]).unwrap();
    let letter = named_struct(vec![lit("record"), record, lit("broken"), broken]);
    let columns = ["partition", "offset", "value"].map(col);
    let columns = columns.into_iter().chain([letter.alias(LETTER)]);
    let plan = LogicalPlanBuilder::from(world.frame().into_unoptimized_plan());
    let mut spec = world.spec_of(plan.project(columns).unwrap().build().unwrap());
    spec.contract = Some(Contract {
        rules: vec![LetterRule {
            name: "third".to_owned(),
            action: Does::Quarantine,
            error_type: ErrorType::SemanticError,
            reason: "a third one".to_owned(),
        }],
        letters: Some(Arc::clone(letters) as _),
        max_rate: 1.0,
        over_rate: OverRate::Fail,
    });
    spec
}

fn rows(world: &World) -> Vec<i64> {
    let values = world.sink.values("offset");
    let mut rows: Vec<i64> = values.iter().map(|value| value.parse().unwrap()).collect();
    rows.sort_unstable();
    rows
}

const LETTERS: [i64; 3] = [2, 5, 8];
const ROWS: [i64; 6] = [0, 1, 3, 4, 6, 7];

#[tokio::test]
async fn rows_and_letters_are_told_apart_and_counted() {
    let world = World::with_limit(&[9], 4);
    let letters = Arc::new(world.sink.letters());
    let query = StreamingQuery::start(contracted(&world, &letters))
        .await
        .unwrap();
    query.await_termination().await.unwrap();
    assert_eq!(rows(&world), ROWS);
    assert_eq!(letters.offsets(), LETTERS);
    let summary = query.summary();
    assert_eq!((summary.input_rows, summary.output_rows), (9, 6));
    assert_eq!((summary.dead_letter_rows, summary.dropped_rows), (3, 0));
    assert_eq!((summary.rules[0].passed, summary.rules[0].failed), (6, 3));
    let first = &query.recent_progress()[0];
    let found = first.expectations.as_ref().unwrap();
    assert_eq!((found.num_checked_rows, found.num_dead_letter_rows), (4, 1));
    assert_eq!(found.dead_letters.as_deref(), Some("memory:///letters"));
    assert_eq!(
        found.rules[0].example.as_deref(),
        Some("a record: a third one")
    );
}

#[tokio::test]
async fn death_after_each_step_leaves_each_record_a_row_or_a_letter_once() {
    for step in [
        BatchStep::OffsetsLogged,
        BatchStep::Prepared,
        BatchStep::DeadLettersCommitted,
        BatchStep::SinkCommitted,
        BatchStep::Closed,
    ] {
        let world = World::with_limit(&[9], 4);
        let letters = Arc::new(world.sink.letters());
        let mut dies = contracted(&world, &letters);
        dies.listeners.push(Arc::new(DiesAt::new(1, step)));
        finish(dies).await.unwrap_err();
        finish(contracted(&world, &letters)).await.unwrap();
        assert_eq!(rows(&world), ROWS, "{step:?}");
        assert_eq!(letters.offsets(), LETTERS, "{step:?}");
        assert_eq!(world.runner.runs(), 3, "{step:?}");
    }
}

#[tokio::test]
async fn letters_that_cannot_be_committed_keep_the_rows_back() {
    for fault in [Action::FailBefore, Action::FailAfter] {
        let world = World::new(&[9]);
        let letters = Arc::new(world.sink.letters());
        letters.script.add("letters commit 0", fault);
        let error = finish(contracted(&world, &letters)).await.unwrap_err();
        assert!(
            error.to_string().contains("dead letters of batch 0"),
            "{error}"
        );
        assert_eq!(rows(&world), Vec::<i64>::new());
        // Nor are they committed anywhere else.
        let mut other = world.sink.letters();
        other.location = "memory:///other".to_owned();
        let error = finish(contracted(&world, &Arc::new(other)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckpointMismatch, "{error}");
        finish(contracted(&world, &letters)).await.unwrap();
        assert_eq!(
            (rows(&world), letters.offsets()),
            (ROWS.to_vec(), LETTERS.to_vec())
        );
        assert_eq!(
            world.runner.runs(),
            1,
            "what is prepared is not computed again"
        );
    }
}

#[tokio::test]
async fn too_many_letters_leave_nothing_but_a_planned_batch() {
    let world = World::new(&[9]);
    let letters = Arc::new(world.sink.letters());
    let mut strict = contracted(&world, &letters);
    strict.contract.as_mut().unwrap().max_rate = 0.3;
    let error = finish(strict).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compute, "{error}");
    assert!(error.to_string().contains("3 of 9"), "{error}");
    assert_eq!(world.entries("prepared").await, Vec::<u64>::new());
    assert_eq!((rows(&world), letters.offsets()), (vec![], vec![]));
    finish(contracted(&world, &letters)).await.unwrap();
    assert_eq!(
        (rows(&world), letters.offsets()),
        (ROWS.to_vec(), LETTERS.to_vec())
    );
}

#[tokio::test]
async fn place_that_is_not_there_is_refused_before_anything_is_read() {
    let world = World::new(&[9]);
    let letters = Arc::new(world.sink.letters());
    *letters.refuses.lock().unwrap() = true;
    let error = finish(contracted(&world, &letters)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("dead letters"), "{error}");
    assert_eq!(world.store.get("metadata").await.unwrap(), None);
    let mut nowhere = contracted(&world, &letters);
    nowhere.contract.as_mut().unwrap().letters = None;
    let error = finish(nowhere).await.unwrap_err();
    assert!(error.to_string().contains("\"third\""), "{error}");
}

#[tokio::test]
async fn staged_letters_that_stay_are_no_failure() {
    let world = World::new(&[9]);
    let letters = Arc::new(world.sink.letters());
    letters.script.add("letters closed", Action::FailBefore);
    finish(contracted(&world, &letters)).await.unwrap();
    assert!(letters.script.is_played());
    assert_eq!(letters.offsets(), LETTERS);
}
