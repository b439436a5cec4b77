//! Rows told apart, through a plan that computes their letters.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::{MemTable, provider_as_source, source_as_provider};
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::functions::string::expr_fn::concat;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};
use datafusion::prelude::SessionContext;
use serde_json::json;

use super::super::{Action, ErrorType, carry_record, letter_column};
use super::*;
use crate::error::ErrorKind;
use crate::source::{ReadLimit, SourceOffset, SourceRange, StreamSource};
use crate::stream_table::StreamTable;

/// Four records of topic `t`; the third was produced again twice.
const RECORDS: &str = "select column1 as key, column2 as value, 't' as topic, cast(0 as int) as partition, column3 as offset, \
     to_timestamp_micros(column3 * 1000) at time zone 'UTC' as timestamp, column4 as headers from (values \
     (cast('k1' as bytea), cast('1' as bytea), 1, null), \
     (null, cast('-2' as bytea), 2, null), \
     (cast('k3' as bytea), cast('x' as bytea), 3, [named_struct('key', 'weir.dlq.retry.count', 'value', cast('2' as bytea))]), \
     (cast('k4' as bytea), null, 4, null))";

#[derive(Debug)]
struct Records(arrow::datatypes::SchemaRef);

#[async_trait]
impl StreamSource for Records {
    fn kind(&self) -> &'static str {
        "records"
    }

    fn description(&self) -> String {
        "records".to_owned()
    }

    fn schema(&self) -> arrow::datatypes::SchemaRef {
        Arc::clone(&self.0)
    }

    async fn initial_offset(&self) -> Result<SourceOffset> {
        Ok(SourceOffset(json!(0)))
    }

    async fn latest_offset(&self, reached: &SourceOffset) -> Result<SourceOffset> {
        Ok(reached.clone())
    }

    async fn next_range(
        &self,
        _reached: &SourceOffset,
        _latest: &SourceOffset,
        _limit: ReadLimit,
    ) -> Result<Option<SourceRange>> {
        Ok(None)
    }

    async fn read(&self, _range: &SourceRange) -> Result<Arc<dyn TableProvider>> {
        Err(Error::internal("not read"))
    }

    fn records(&self, _range: &SourceRange) -> Result<u64> {
        Ok(0)
    }
}

struct Stream {
    context: SessionContext,
    batch: RecordBatch,
}

impl Stream {
    async fn new() -> Self {
        let context = SessionContext::new();
        let rows = context.sql(RECORDS).await.unwrap();
        let schema = Arc::clone(rows.schema().inner());
        let batches = rows.collect().await.unwrap();
        let batch = arrow::compute::concat_batches(&schema, &batches).unwrap();
        Self { context, batch }
    }

    fn frame(&self) -> DataFrame {
        let source = Arc::new(Records(self.batch.schema()));
        let table = Arc::new(StreamTable::new(source));
        self.context.read_table(table).unwrap()
    }

    /// Runs `plan` over the records.
    async fn run(&self, plan: LogicalPlan) -> Result<RecordBatch> {
        let table = MemTable::try_new(self.batch.schema(), vec![vec![self.batch.clone()]]).unwrap();
        let table: Arc<dyn TableProvider> = Arc::new(table);
        let bound = plan.transform_up(|node| {
            let LogicalPlan::TableScan(scan) = &node else {
                return Ok(Transformed::no(node));
            };
            source_as_provider(&scan.source)?;
            let source = provider_as_source(Arc::clone(&table));
            let scan = LogicalPlanBuilder::scan(scan.table_name.clone(), source, None)?;
            Ok(Transformed::yes(scan.build()?))
        });
        let frame = self.context.execute_logical_plan(bound?.data).await?;
        let schema = Arc::clone(frame.schema().inner());
        let batches = frame.collect().await?;
        Ok(arrow::compute::concat_batches(&schema, &batches).unwrap())
    }
}

fn rule(name: &str, action: Action, error_type: ErrorType) -> LetterRule {
    LetterRule {
        name: name.to_owned(),
        action,
        error_type,
        reason: format!("{name} does not hold"),
    }
}

fn diversion(rules: Vec<LetterRule>) -> Diversion {
    Diversion {
        rules,
        query_id: QueryId::random(),
        batch_id: BatchId(7),
        timestamp_ms: 1_000,
    }
}

/// `offset` and `n` of the records, with the letter's column for `rules` and their conditions over `n`.
fn lettered(rows: DataFrame, rules: &[LetterRule], conditions: Vec<Expr>) -> Result<LogicalPlan> {
    let text = datafusion::logical_expr::cast(col("value"), DataType::Utf8);
    let number = datafusion::logical_expr::try_cast(text.clone(), DataType::Int32);
    let rows = rows.select(vec![col("offset"), text.alias("s"), number.alias("n")])?;
    let plan = carry_record(&rows.into_unoptimized_plan(), true)?;
    let mut messages = vec![None; rules.len()];
    messages[0] = Some(concat(vec![lit("not a number: "), col("s")]));
    let row = named_struct(vec![lit("n"), col("n")]);
    let letter = letter_column(&plan, rules, conditions, &messages, row)?;
    let kept = vec![col("offset"), col("n"), letter];
    Ok(LogicalPlanBuilder::from(plan).project(kept)?.build()?)
}

#[tokio::test]
async fn each_row_is_written_a_letter_or_dropped_and_counted_by_its_rules() {
    let stream = Stream::new().await;
    let rules = vec![
        rule("a_number", Action::Quarantine, ErrorType::SchemaViolation),
        rule("positive", Action::Drop, ErrorType::SemanticError),
        rule("small", Action::Warn, ErrorType::SemanticError),
    ];
    let given = col("s").is_null().or(col("n").is_not_null());
    let conditions = vec![
        given,
        col("n").gt(lit(0)).or(col("n").is_null()),
        col("n").lt(lit(1)),
    ];
    let plan = lettered(stream.frame(), &rules, conditions).unwrap();
    let batch = stream.run(plan).await.unwrap();

    let mut counts = CheckCounts::default();
    let sorted = diversion(rules).sort(batch, &mut counts).unwrap();

    let rows = pretty_format_batches(&[sorted.rows]).unwrap().to_string();
    let expected = "\
+--------+---+
| offset | n |
+--------+---+
| 1      | 1 |
| 4      |   |
+--------+---+";
    assert_eq!(rows, expected);
    let letters = sorted.letters.unwrap();
    let names: Vec<_> = letters
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, LETTER_COLUMNS);
    let shown = [
        "topic",
        "offset",
        "key",
        "value",
        "error_type",
        "error_message",
        "rule",
        "rules",
        "batch_id",
        "retry_count",
    ];
    let shown: Vec<usize> = shown
        .iter()
        .map(|name| letters.schema().index_of(name).unwrap())
        .collect();
    let shown = pretty_format_batches(&[letters.project(&shown).unwrap()])
        .unwrap()
        .to_string();
    let expected = "\
+-------+--------+------+-------+------------------+-----------------+----------+-------------------+----------+-------------+
| topic | offset | key  | value | error_type       | error_message   | rule     | rules             | batch_id | retry_count |
+-------+--------+------+-------+------------------+-----------------+----------+-------------------+----------+-------------+
| t     | 3      | 6b33 | 78    | SCHEMA_VIOLATION | not a number: x | a_number | [a_number, small] | 7        | 2           |
+-------+--------+------+-------+------------------+-----------------+----------+-------------------+----------+-------------+";
    assert_eq!(shown, expected);
    assert_eq!((counts.rows, counts.dropped), (4, 1));
    let failed: Vec<_> = counts
        .rules
        .iter()
        .map(|(name, count)| (name.as_str(), count.failed))
        .collect();
    assert_eq!(failed, [("a_number", 1), ("positive", 1), ("small", 3)]);
    let example = counts.rules["a_number"].example.as_deref();
    assert_eq!(example, Some("t-0@3: not a number: x"));
}

#[tokio::test]
async fn batch_without_a_broken_rule_is_passed_on_as_it_is() {
    let stream = Stream::new().await;
    let rules = vec![rule("there", Action::Quarantine, ErrorType::SemanticError)];
    let plan = lettered(stream.frame(), &rules, vec![col("offset").gt(lit(0))]).unwrap();
    let batch = stream.run(plan).await.unwrap();
    let numbers = Arc::clone(batch.column(0));
    let mut counts = CheckCounts::default();
    let sorted = diversion(rules).sort(batch, &mut counts).unwrap();
    assert!(sorted.letters.is_none());
    assert!(
        Arc::ptr_eq(&numbers, sorted.rows.column(0)),
        "rows were copied"
    );
    assert_eq!((counts.rows, counts.rules.len()), (4, 0));
}

#[tokio::test]
async fn record_is_carried_through_filters_aliases_and_joins_and_refused_beyond() {
    let stream = Stream::new().await;
    let rules = vec![rule("small", Action::Quarantine, ErrorType::SemanticError)];
    let other = stream
        .context
        .sql("select 3 as id, 'three' as word")
        .await
        .unwrap();
    let joined = stream
        .frame()
        .filter(col("offset").gt(lit(1)))
        .unwrap()
        .alias("records")
        .unwrap()
        .join(
            other,
            datafusion::common::JoinType::Left,
            &["offset"],
            &["id"],
            None,
        )
        .unwrap();
    let plan = lettered(joined, &rules, vec![col("offset").lt(lit(3))]).unwrap();
    // The table of the join is no stream: it is left as it is.
    let plan = stream.context.state().optimize(&plan).unwrap();
    assert!(plan.display_indent().to_string().contains("Join"));
    let grouped = stream
        .frame()
        .aggregate(vec![col("topic")], vec![])
        .unwrap();
    let error = carry_record(&grouped.into_unoptimized_plan(), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("Aggregate"), "{error}");
}

#[tokio::test]
async fn stream_without_headers_is_refused_for_letters_and_taken_for_counts() {
    let stream = Stream::new().await;
    let plain = stream.batch.project(&[0, 1, 2, 3, 4, 5]).unwrap();
    let plain = Stream {
        context: stream.context,
        batch: plain,
    };
    let plan = plain.frame().into_unoptimized_plan();
    let error = carry_record(&plan, true).unwrap_err();
    assert!(error.to_string().contains("includeHeaders"), "{error}");
    carry_record(&plan, false).unwrap();
}

#[test]
fn long_message_is_cut_at_a_character() {
    let text = "é".repeat(MESSAGE_BYTES_MAX);
    let cut = shortened(&text);
    assert!(
        cut.len() <= MESSAGE_BYTES_MAX + 4 && cut.ends_with("é ..."),
        "{cut}"
    );
    assert_eq!(shortened("short"), "short");
}
