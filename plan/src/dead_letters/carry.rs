//! A record carried beside the rows that are made of it, from the scan of its stream to the write.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNode as _;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::source_as_provider;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::logical_plan::Projection;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use super::letter::{LETTER_COLUMNS, RECORD_COLUMNS};
use super::rules::{Action, LetterRule};
use super::sort::{BROKEN, LETTER, MESSAGES, RECORD};
use crate::error::{Error, Result};
use crate::functions::{RowRule, broken_rules};
use crate::stream_table::StreamTable;

/// The column of a record, while it is carried.
const CARRIED: &str = "__weir_record";

/// `plan`, whose rows have one column more: the record of the stream that each is made of.
///
/// With `whole`, all that a letter keeps of it; without, where it stands.
///
/// # Errors
/// `Unsupported` for an operation that mixes records, and for a stream whose rows are no records of Kafka; `InvalidArgument` when
/// a whole record is asked for and its headers are not read.
pub fn carry_record(plan: &LogicalPlan, whole: bool) -> Result<LogicalPlan> {
    if plan.schema().fields().iter().any(|f| f.name() == CARRIED) {
        return Err(Error::invalid_plan(format!(
            "the rows have a column {CARRIED:?}; rename it"
        )));
    }
    carry(plan, whole)
}

/// The column [`LETTER`] of `plan`, made by [`carry_record`]: the record, the names of the rules whose `conditions` are not true of
/// the row, and the row's own messages about them. An error of a rule that fails shows `row`.
///
/// # Errors
/// `Internal` when there is not one condition and message for each rule.
pub fn letter_column(
    plan: &LogicalPlan,
    rules: &[LetterRule],
    conditions: Vec<Expr>,
    messages: &[Option<Expr>],
    row: Expr,
) -> Result<Expr> {
    let specs: Vec<RowRule> = rules
        .iter()
        .map(|rule| RowRule {
            name: rule.name.clone(),
            fails: rule.action == Action::Fail,
        })
        .collect();
    let broken = broken_rules(&specs, row, conditions)?;
    let record = Expr::Column(carried(plan)?);
    let mut parts = vec![lit(RECORD), record, lit(BROKEN), broken];
    let messages: Vec<Expr> = (0..rules.len())
        .zip(messages)
        .filter_map(|(rule, message)| Some([lit(rule.to_string()), message.clone()?]))
        .flatten()
        .collect();
    if !messages.is_empty() {
        parts.extend([lit(MESSAGES), named_struct(messages)]);
    }
    Ok(named_struct(parts).alias(LETTER))
}

fn carry(plan: &LogicalPlan, whole: bool) -> Result<LogicalPlan> {
    if is_stream(plan) {
        return with_record(plan, whole);
    }
    let name = plan.display();
    match plan {
        LogicalPlan::Projection(projection) => {
            let input = carry(&projection.input, whole)?;
            let mut columns = projection.expr.clone();
            columns.push(Expr::Column(carried(&input)?));
            Ok(LogicalPlan::Projection(Projection::try_new(
                columns,
                Arc::new(input),
            )?))
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Extension(_) => {
            let inputs = plan.inputs().into_iter();
            let inputs = inputs
                .map(|input| match reads_stream(input) {
                    true => carry(input, whole),
                    false => Ok(input.clone()),
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(plan.with_new_exprs(plan.expressions(), inputs)?)
        }
        _ => Err(Error::unsupported(format!(
            "expectations of a stream after \"{name}\" are not supported: the record that a row is made of is not known there; write \
             without expectations, or check the table"
        ))),
    }
}

/// A stream's scan, with its record beside its columns.
fn with_record(scan: &LogicalPlan, whole: bool) -> Result<LogicalPlan> {
    let wanted = if whole { RECORD_COLUMNS } else { 3 };
    let mut parts = Vec::new();
    for name in &LETTER_COLUMNS[..wanted] {
        let found = scan.schema().qualified_field_with_unqualified_name(name);
        let Ok((qualifier, _)) = found else {
            return Err(match *name {
                "headers" => Error::invalid_argument(
                    "dead letters keep a record's headers, which this stream does not read: set option \"includeHeaders\" of the \
                     source to true",
                ),
                name => Error::unsupported(format!(
                    "expectations of a stream without a column {name:?} are not supported: its rows are no records of Kafka"
                )),
            });
        };
        parts.extend([lit(*name), column(qualifier, name)]);
    }
    let own = scan.schema().iter();
    let mut columns: Vec<Expr> = own
        .map(|(qualifier, field)| column(qualifier, field.name()))
        .collect();
    columns.push(named_struct(parts).alias(CARRIED));
    let plan = LogicalPlanBuilder::from(scan.clone()).project(columns)?;
    Ok(plan.build()?)
}

fn column(qualifier: Option<&TableReference>, name: &str) -> Expr {
    Expr::Column(Column::new(qualifier.cloned(), name))
}

/// Where the record is in `plan`'s rows.
fn carried(plan: &LogicalPlan) -> Result<Column> {
    let found = plan.schema().qualified_field_with_unqualified_name(CARRIED);
    let (qualifier, _) = found.map_err(|error| {
        Error::internal("the record that rows are made of was lost").with_source(error)
    })?;
    Ok(Column::new(qualifier.cloned(), CARRIED))
}

fn is_stream(plan: &LogicalPlan) -> bool {
    let LogicalPlan::TableScan(scan) = plan else {
        return false;
    };
    source_as_provider(&scan.source).is_ok_and(|provider| {
        let provider: &dyn datafusion::catalog::TableProvider = provider.as_ref();
        (provider as &dyn std::any::Any).is::<StreamTable>()
    })
}

fn reads_stream(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(is_stream(node))).unwrap_or(true)
}
