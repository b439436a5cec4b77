//! Join hints in SQL: `SELECT /*+ BROADCAST(p), MERGE(o) */ ... FROM orders o JOIN products p`.
//!
//! The parser keeps the comment at its `SELECT`; DataFusion's planner does not look at it. [`mark_hints`] moves each hint
//! to the relation it names, where [`HintedRelations`] finds it when that relation is planned. A hint holds for its own
//! `SELECT`, as in Spark.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::common::DataFusionError;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SetExpr, Setting, TableFactor, VisitMut as _, VisitorMut,
};
use regex::Regex;

use super::hint::{HintNode, JoinHint};
use crate::error::{Error, Result};

/// What a hint is carried under: no SQL text has such a name without quotes.
const CARRIER: &str = "weir join hint";

/// Moves the hints of each `SELECT` of `statement` to the relations they name.
///
/// # Errors
/// As [`JoinHint::parse`]; `InvalidPlan` for a comment of hints that cannot be read, and for a name that is no relation of
/// its `SELECT`.
pub fn mark_hints(statement: &mut Statement) -> Result<()> {
    let Statement::Statement(statement) = statement else {
        return Ok(());
    };
    match statement.visit(&mut Marker) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Marker;

impl VisitorMut for Marker {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        match mark_body(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn mark_body(body: &mut SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(select) => mark_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            mark_body(left)?;
            mark_body(right)
        }
        // A query in parentheses is visited for itself.
        _ => Ok(()),
    }
}

fn mark_select(select: &mut Select) -> Result<()> {
    for comment in std::mem::take(&mut select.optimizer_hints) {
        for (hint, relation) in read_comment(&comment.text)? {
            let mut names = Vec::new();
            let mut found = false;
            for from in &mut select.from {
                let joined = from.joins.iter_mut().map(|join| &mut join.relation);
                for factor in std::iter::once(&mut from.relation).chain(joined) {
                    found |= mark_relation(factor, hint, &relation, &mut names);
                }
            }
            if !found {
                return Err(Error::invalid_plan(format!(
                    "hint {hint}({relation}) names no relation of its SELECT, which has {}",
                    names.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// `BROADCAST(a, b), MERGE(c)`: each hint with each relation.
fn read_comment(text: &str) -> Result<Vec<(JoinHint, String)>> {
    #[expect(clippy::expect_used, reason = "the pattern is a constant")]
    static HINT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\s,]*(\w+)\s*\(([^()]*)\)").expect("the pattern is valid"));
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some(groups) = HINT.captures(rest) else {
            let name = rest.split_whitespace().next().unwrap_or(rest);
            JoinHint::parse(name)?;
            return Err(Error::invalid_plan(format!(
                "hint /*+{text}*/ cannot be read from {rest:?}: name the relations it is for, as in BROADCAST(p)"
            )));
        };
        let hint = JoinHint::parse(&groups[1])?;
        let relations = groups[2].split(',').map(str::trim);
        for relation in relations {
            if relation.is_empty() {
                return Err(Error::invalid_plan(format!(
                    "hint {hint} in /*+{text}*/ names no relation: write it as in BROADCAST(p)"
                )));
            }
            found.push((hint, relation.to_owned()));
        }
        rest = rest[groups[0].len()..].trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    Ok(found)
}

/// Marks `factor`, or what it is made of, if it is called `wanted`; adds what it is called to `names`.
fn mark_relation(
    factor: &mut TableFactor,
    hint: JoinHint,
    wanted: &str,
    names: &mut Vec<String>,
) -> bool {
    let mut is_wanted = |name: String| {
        let same = name.eq_ignore_ascii_case(wanted);
        names.push(name);
        same
    };
    match factor {
        TableFactor::Table {
            name,
            alias,
            with_hints,
            ..
        } => {
            let called = match alias {
                Some(alias) => alias.name.value.clone(),
                // As it is spelt, without quotes and schema.
                None => match name.0.last().and_then(|part| part.as_ident()) {
                    Some(name) => name.value.clone(),
                    None => name.to_string(),
                },
            };
            let marked = is_wanted(called);
            if marked {
                with_hints.push(carried(hint));
            }
            marked
        }
        TableFactor::Derived {
            lateral: false,
            subquery,
            alias: Some(alias),
            ..
        } => {
            let marked = is_wanted(alias.name.value.clone());
            if marked {
                let setting = Setting {
                    key: Ident::new(CARRIER),
                    value: carried(hint),
                };
                subquery.settings.get_or_insert_default().push(setting);
            }
            marked
        }
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => {
            let joined = table_with_joins.joins.iter_mut();
            let joined = joined.map(|join| &mut join.relation);
            let mut marked = false;
            for factor in std::iter::once(&mut table_with_joins.relation).chain(joined) {
                marked |= mark_relation(factor, hint, wanted, names);
            }
            marked
        }
        _ => false,
    }
}

fn carried(hint: JoinHint) -> Expr {
    Expr::CompoundIdentifier(vec![Ident::new(CARRIER), Ident::new(hint.to_string())])
}

/// The hint that `expr` carries.
fn hint_in(expr: &Expr) -> Option<JoinHint> {
    match expr {
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [carrier, hint] if carrier.value == CARRIER => JoinHint::parse(&hint.value).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Plans relations that [`mark_hints`] has marked.
#[derive(Debug, Clone, Copy, Default)]
pub struct HintedRelations;

impl RelationPlanner for HintedRelations {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning, DataFusionError> {
        let hints = take_hints(&mut relation);
        if hints.is_empty() {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let plan = context.plan(relation)?;
        let plan = hints
            .into_iter()
            .fold(plan, |plan, hint| HintNode::plan(hint, plan));
        let planned = PlannedRelation::new(plan, None);
        Ok(RelationPlanning::Planned(Box::new(planned)))
    }
}

/// Those of `relation`, the weakest first.
fn take_hints(relation: &mut TableFactor) -> Vec<JoinHint> {
    let mut hints = Vec::new();
    match relation {
        TableFactor::Table { with_hints, .. } => with_hints.retain(|expr| {
            hints.extend(hint_in(expr));
            hint_in(expr).is_none()
        }),
        TableFactor::Derived { subquery, .. } => {
            if let Some(settings) = &mut subquery.settings {
                settings.retain(|setting| {
                    hints.extend(hint_in(&setting.value));
                    hint_in(&setting.value).is_none()
                });
            }
            subquery.settings = subquery.settings.take().filter(|left| !left.is_empty());
        }
        _ => {}
    }
    hints.sort_by(|a, b| b.cmp(a));
    hints
}
