//! The functions of row rules and their examples, through plans that travel.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::{col, lit};
use datafusion::physical_plan::collect;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};

use super::{RowRule, broken_rules, examples};
use crate::codec::WeirCodec;
use crate::error::{Error, ErrorKind};

const ROWS: &str = "select * from (values (1, 1.5, 'a'), (2, cast('NaN' as double), null), \
                    (null, 0.5, 'c'), (2, cast('NaN' as double), null)) v(n, x, s)";

fn rules(fails: bool) -> Vec<RowRule> {
    ["small", "named"]
        .map(|name| RowRule {
            name: name.to_owned(),
            fails,
        })
        .to_vec()
}

async fn rows() -> DataFrame {
    SessionContext::new().sql(ROWS).await.unwrap()
}

/// What the plan computes after it travelled.
async fn travelled(frame: DataFrame) -> Result<Vec<RecordBatch>, Error> {
    let sent = frame.create_physical_plan().await?;
    let codec = WeirCodec::default();
    let bytes = physical_plan_to_bytes_with_extension_codec(sent, &codec)?;
    let context = SessionContext::new();
    let back = physical_plan_from_bytes_with_extension_codec(&bytes, &context.task_ctx(), &codec)?;
    Ok(collect(Arc::clone(&back), context.task_ctx()).await?)
}

fn checked(rules: &[RowRule]) -> datafusion::logical_expr::Expr {
    let row = named_struct(vec![lit("n"), col("n"), lit("x"), col("x")]);
    let conditions = vec![col("n").lt(lit(2)), col("s").is_not_null()];
    broken_rules(rules, row, conditions).unwrap()
}

#[tokio::test]
async fn false_and_null_conditions_are_broken_on_an_executor_as_here() {
    let checked = rows()
        .await
        .select(vec![col("n"), checked(&rules(false)).alias("broken")]);
    let shown = pretty_format_batches(&travelled(checked.unwrap()).await.unwrap()).unwrap();
    let expected = "\
+---+----------------+
| n | broken         |
+---+----------------+
| 1 | []             |
| 2 | [small, named] |
|   | [small]        |
| 2 | [small, named] |
+---+----------------+";
    assert_eq!(shown.to_string(), expected);
}

#[tokio::test]
async fn rule_that_must_hold_ends_the_query_with_count_and_example() {
    let checked = rows()
        .await
        .select(vec![checked(&rules(true)).alias("broken")]);
    let error = travelled(checked.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compute);
    let text = error.to_string();
    for part in ["\"small\"", "3 of 4 rows", r#"{"n":2,"x":"NaN"}"#] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn examples_are_different_rows_and_the_same_however_they_come() {
    let row = || {
        named_struct(vec![
            lit("s"),
            col("s"),
            lit("x"),
            col("x"),
            lit("n"),
            col("n"),
        ])
    };
    let expected = "\
+---------------------------------------------------------------+
| e                                                             |
+---------------------------------------------------------------+
| [{\"s\":\"a\",\"x\":1.5,\"n\":1}, {\"s\":\"c\",\"x\":0.5,\"n\":null}] |
+---------------------------------------------------------------+";
    for descending in [false, true] {
        let sorted = rows()
            .await
            .sort(vec![col("n").sort(descending, descending)]);
        let found = sorted
            .unwrap()
            .repartition(datafusion::logical_expr::Partitioning::RoundRobinBatch(3))
            .unwrap()
            .aggregate(vec![], vec![examples(row(), 2).alias("e")]);
        let found = travelled(found.unwrap()).await.unwrap();
        let shown = pretty_format_batches(&found).unwrap().to_string();
        let without_widths = |text: &str| text.replace([' ', '-'], "");
        assert_eq!(without_widths(&shown), without_widths(expected));
    }
}

#[tokio::test]
async fn function_that_is_not_known_is_refused_by_name() {
    use datafusion_proto::physical_plan::PhysicalExtensionCodec as _;
    let codec = WeirCodec::default();
    let error = codec.try_decode_udf("weir_no_such", &[]).unwrap_err();
    assert!(error.to_string().contains("weir_no_such"), "{error}");
}
