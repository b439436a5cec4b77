//! Rules over rows in memory: who goes where, what is counted, what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, Expr, Volatility, create_udf};
use weir_plan::ErrorKind;

use super::{Action, Checked, Expectation, Expectations};
use crate::DataFrame;
use crate::functions::{col, lit};
use crate::session::Session;

const ROWS: &str = "select * from (values (1, 'a', 10), (2, null, 20), (null, 'c', -1), \
                    (4, 'd', -4), (5, 'e', null), (6, null, -6)) v(id, name, amount)";

async fn rows(query: &str) -> DataFrame {
    let session = Session::builder().master("local[2]").create().await;
    session.unwrap().sql(query).await.unwrap()
}

fn has_id() -> Expectation {
    Expectation::new("has_id", col("id").is_not_null()).action(Action::Quarantine)
}

fn has_name() -> Expectation {
    Expectation::new("has_name", col("name").is_not_null())
}

fn amount() -> Expectation {
    Expectation::new("amount", col("amount").gt_eq(lit(0)))
}

async fn shown(frame: DataFrame, by: &str) -> String {
    let sorted = frame.order_by([col(by)]).unwrap();
    sorted.show_string(20, None).await.unwrap()
}

async fn checked(rules: impl IntoIterator<Item = Expectation>) -> Checked {
    Expectations::new(rules).apply(rows(ROWS).await).unwrap()
}

#[tokio::test]
async fn rows_are_valid_quarantined_or_dropped_and_null_breaks_a_rule() {
    let checked = checked([has_name(), has_id(), amount().action(Action::Drop)]).await;
    let valid = "\
+----+------+--------+
| id | name | amount |
+----+------+--------+
| 1  | a    | 10     |
| 2  | NULL | 20     |
+----+------+--------+";
    assert_eq!(shown(checked.valid(), "id").await, valid);
    // It breaks a rule that drops, too: what is quarantined is not lost.
    let quarantined = "\
+------+------+--------+--------+------------------+--------------------------+
| id   | name | amount | rule   | rules            | reason                   |
+------+------+--------+--------+------------------+--------------------------+
| NULL | c    | -1     | has_id | [has_id, amount] | not true: id IS NOT NULL |
+------+------+--------+--------+------------------+--------------------------+";
    assert_eq!(shown(checked.quarantined(), "id").await, quarantined);
    let report = checked.report(2).await.unwrap();
    let expected = r#"
+----------+------------+--------+--------+------------------------------------------+
| rule     | action     | passed | failed | examples                                 |
+----------+------------+--------+--------+------------------------------------------+
| has_name | warn       | 4      | 2      | {"name":null}                            |
| has_id   | quarantine | 5      | 1      | {"id":null}                              |
| amount   | drop       | 2      | 4      | {"amount":-1}, {"amount":-4}             |
+----------+------------+--------+--------+------------------------------------------+
6 rows: 2 valid, 1 quarantined, 3 dropped"#;
    let squeezed = |text: &str| text.replace([' ', '-'], "");
    assert_eq!(squeezed(&report.to_string()), squeezed(expected.trim()));
    let session = checked.valid().session().clone();
    let table = report.to_dataframe(&session).unwrap();
    assert_eq!(table.count().await.unwrap(), 3);
}

#[tokio::test]
async fn first_quarantining_rule_names_the_row_and_its_reason_can_be_given() {
    let rules = [
        has_name(),
        amount().action(Action::Quarantine).reason("no refunds"),
        has_id(),
    ];
    let quarantined = checked(rules).await.quarantined();
    let columns = ["id", "rule", "rules", "reason"].map(col);
    let expected = "\
+------+--------+--------------------+------------+
| id   | rule   | rules              | reason     |
+------+--------+--------------------+------------+
| NULL | amount | [amount, has_id]   | no refunds |
| 4    | amount | [amount]           | no refunds |
| 5    | amount | [amount]           | no refunds |
| 6    | amount | [has_name, amount] | no refunds |
+------+--------+--------------------+------------+";
    assert_eq!(
        shown(quarantined.select(columns).unwrap(), "id").await,
        expected
    );
}

#[tokio::test]
async fn rule_that_must_hold_fails_valid_and_quarantined_but_not_the_report() {
    let rules = Expectations::new([amount().action(Action::Fail), has_id()]).identified_by(["id"]);
    let checked = rules.apply(rows(ROWS).await).unwrap();
    for part in [checked.valid(), checked.quarantined()] {
        let error = part.collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compute);
        let text = error.to_string();
        for part in ["\"amount\"", "4 of 6 rows", r#"{"id":null,"amount":-1}"#] {
            assert!(text.contains(part), "{text}");
        }
    }
    // Counting must not skip the rule, though it needs none of its columns.
    assert!(checked.valid().count().await.is_err());
    assert_eq!(checked.report(1).await.unwrap().rules[0].failed, 4);
    // Kept, it is as if it were not there.
    let held = Expectations::new([
        Expectation::new("held", col("id").lt(lit(9)).is_not_false()).action(Action::Fail),
    ]);
    let held = held.apply(rows(ROWS).await).unwrap();
    assert_eq!(held.valid().count().await.unwrap(), 6);
    assert_eq!(held.quarantined().count().await.unwrap(), 0);
}

/// `parse(x)`: `x`, counting the rows it was computed for.
fn counting(calls: &Arc<AtomicUsize>) -> impl Fn(Expr) -> Expr {
    let calls = Arc::clone(calls);
    let parse = create_udf(
        "parse",
        vec![DataType::Int64],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(move |arguments: &[ColumnarValue]| {
            let array = ColumnarValue::values_to_arrays(arguments)?.remove(0);
            calls.fetch_add(array.len(), Ordering::Relaxed);
            Ok(ColumnarValue::Array(array))
        }),
    );
    move |value| parse.call(vec![value])
}

#[tokio::test]
async fn parsing_and_conditions_are_computed_once_per_row_in_every_part() {
    let calls = Arc::new(AtomicUsize::new(0));
    let parse = counting(&calls);
    let input = rows("select value as x from generate_series(1, 1000)").await;
    let parsed = input.with_column("parsed", parse(col("x"))).unwrap();
    let bound = |n: i64| col("parsed").gt(lit(n));
    let rules = Expectations::new([
        Expectation::new("a", bound(10)).action(Action::Quarantine),
        Expectation::new("b", bound(20)).action(Action::Drop),
        Expectation::new("c", bound(0)).action(Action::Fail),
        Expectation::new("d", bound(30)),
    ]);
    let checked = rules.apply(parsed).unwrap();
    let rows_of = async |frame: DataFrame| {
        calls.store(0, Ordering::Relaxed);
        let batches = frame.collect().await.unwrap();
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        (rows, calls.load(Ordering::Relaxed))
    };
    assert_eq!(rows_of(checked.valid()).await, (980, 1000));
    assert_eq!(rows_of(checked.quarantined()).await, (10, 1000));
    calls.store(0, Ordering::Relaxed);
    let report = checked.report(3).await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1000);
    assert_eq!(
        (report.valid, report.quarantined, report.dropped),
        (980, 10, 10)
    );
    assert_eq!(report.rules[3].failed, 30);
}

#[tokio::test]
async fn empty_input_breaks_no_rule() {
    let empty = rows(ROWS).await.limit(0).unwrap();
    let rules = Expectations::new([has_id(), amount().action(Action::Fail)]);
    let checked = rules.apply(empty).unwrap();
    assert_eq!(checked.valid().count().await.unwrap(), 0);
    let report = checked.report(5).await.unwrap();
    assert_eq!(
        (report.rows, report.valid, report.rules[1].failed),
        (0, 0, 0)
    );
    assert!(report.rules[0].examples.is_empty());
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused_by_name() {
    let refused = async |rules: Expectations, kind: ErrorKind, parts: &[&str]| {
        let error = rules.apply(rows(ROWS).await).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{error}");
        }
    };
    let plan = ErrorKind::InvalidPlan;
    let argument = ErrorKind::InvalidArgument;
    refused(Expectations::new([]), argument, &["at least one"]).await;
    refused(
        Expectations::new([has_id(), has_id()]),
        argument,
        &["\"has_id\"", "twice"],
    )
    .await;
    let unknown = Expectation::new("r", col("nam").is_not_null());
    refused(
        Expectations::new([unknown]),
        plan,
        &["\"r\"", "\"nam\"", "\"name\"?"],
    )
    .await;
    let number = Expectation::new("r", col("id") + lit(1));
    refused(Expectations::new([number]), plan, &["\"r\"", "Int64"]).await;
    let identified = Expectations::new([has_id()]).identified_by(["idd"]);
    refused(identified, plan, &["identified_by", "\"idd\"", "\"id\"?"]).await;
    let taken = rows("select 1 as id, 'x' as reason").await;
    let error = Expectations::new([has_id()])
        .apply(taken.clone())
        .unwrap_err();
    assert!(error.to_string().contains("\"reason\""), "{error}");
    // Without a rule that quarantines, nothing is in the way.
    let kept = Expectations::new([has_id().action(Action::Drop)])
        .apply(taken)
        .unwrap();
    assert_eq!(kept.valid().count().await.unwrap(), 1);
    assert_eq!(
        kept.quarantined().columns(),
        ["id", "reason", "rule", "rules"]
    );
    let error = "quarantene".parse::<Action>().unwrap_err();
    assert!(error.to_string().contains("\"quarantine\"?"), "{error}");
}
