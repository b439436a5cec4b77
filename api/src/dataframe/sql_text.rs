//! Expressions written as SQL text, over a dataframe's columns.
//!
//! The grammar and the functions are those of [`Session::sql`](crate::Session::sql). Names are found as
//! Spark finds them: exactly as spelt, or else without regard to case.

use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Ident, visit_expressions_mut};
use weir_plan::{Error, Result};

use super::DataFrame;
use super::resolve;

/// `text` as an expression over the columns of `frame`, with its alias if it gives one.
///
/// # Errors
/// `InvalidPlan`, with the text, when it does not parse or names a column that does not exist.
pub(super) fn parse(frame: &DataFrame, text: &str) -> Result<Expr> {
    parse_unplaced(frame, text).map_err(|error| error.context(format!("in {text:?}")))
}

fn parse_unplaced(frame: &DataFrame, text: &str) -> Result<Expr> {
    let state = frame.session().datafusion().state();
    let dialect = state.config().options().sql_parser.dialect;
    let mut sql = state.sql_to_expr_with_alias(text, &dialect)?;
    if let ControlFlow::Break(error) =
        visit_expressions_mut(&mut sql.expr, |expr| match spell(frame, expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        })
    {
        return Err(error);
    }
    // An alias keeps its spelling, as in Spark.
    if let Some(alias) = &mut sql.alias {
        *alias = quoted(&alias.value);
    }
    let expr = state.create_logical_expr_from_sql_expr(sql, frame.schema())?;
    small_integers(expr)
}

/// Gives the names in `expr` the spelling of the columns they mean.
fn spell(frame: &DataFrame, expr: &mut SqlExpr) -> Result<()> {
    match expr {
        SqlExpr::Identifier(name) => {
            if let Some(found) = find(frame, name)? {
                *name = found;
            }
        }
        SqlExpr::CompoundIdentifier(parts) if parts.len() > 1 => {
            // A struct's field or, after a join, a side's column.
            if let Some(found) = find(frame, &parts[0])? {
                parts[0] = found;
                return Ok(());
            }
            let side = frame.schema().iter().find_map(|(qualifier, _)| {
                let name = qualifier?.table();
                meant(&parts[0], name).then(|| name.to_owned())
            });
            let Some(side) = side else { return Ok(()) };
            let columns = frame.schema().iter().filter_map(|(qualifier, field)| {
                (qualifier?.table() == side).then_some(field.name().as_str())
            });
            if let Some(found) = best(&parts[1], columns)? {
                parts[1] = found;
            }
            parts[0] = quoted(&side);
        }
        _ => {}
    }
    Ok(())
}

fn find(frame: &DataFrame, name: &Ident) -> Result<Option<Ident>> {
    let found = best(
        name,
        frame.schema().fields().iter().map(|f| f.name().as_str()),
    )?;
    if let Some(found) = &found {
        resolve::unambiguous(&found.value, frame.schema())?;
    }
    Ok(found)
}

/// The candidate that `name` means: spelt the same, or else the only one that differs in case alone.
fn best<'a>(name: &Ident, candidates: impl Iterator<Item = &'a str>) -> Result<Option<Ident>> {
    let mut alike: Vec<&str> = candidates.filter(|other| meant(name, other)).collect();
    alike.sort_unstable();
    alike.dedup();
    if alike.contains(&name.value.as_str()) {
        return Ok(Some(quoted(&name.value)));
    }
    match alike[..] {
        [] => Ok(None),
        [only] => Ok(Some(quoted(only))),
        _ => Err(Error::invalid_plan(format!(
            "column {:?} is ambiguous: there are {}; spell it as one of them",
            name.value,
            alike.join(", ")
        ))),
    }
}

fn meant(name: &Ident, candidate: &str) -> bool {
    name.value.to_lowercase() == candidate.to_lowercase()
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// A whole number that fits is an `int` in Spark's SQL; the engine's is a `bigint`.
fn small_integers(expr: Expr) -> Result<Expr> {
    let expr = expr.transform_up(|expr| {
        Ok(match &expr {
            Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(*value)
            {
                Ok(small) => Transformed::yes(Expr::Literal(
                    ScalarValue::Int32(Some(small)),
                    metadata.clone(),
                )),
                Err(_) => Transformed::no(expr),
            },
            _ => Transformed::no(expr),
        })
    })?;
    Ok(expr.data)
}
