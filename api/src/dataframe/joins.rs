//! Joins, with the columns that Spark's have.
//!
//! A join on names keeps one column per key, first; a join on a condition keeps all columns of both sides.
//! Columns of one name stay, told apart by their side: its [alias](super::DataFrame::alias) or, without one,
//! `left` and `right`.

use datafusion::common::{Column, ExprSchema as _, JoinType, NullEquality, TableReference};
use datafusion::logical_expr::builder::UNNAMED_TABLE;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use weir_plan::functions::ddl::type_name;
use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

use super::widen::plain;
use super::{DataFrame, resolve};

/// What a join is on.
#[derive(Debug, Clone)]
pub enum JoinOn {
    /// Columns that both sides have.
    Columns(Vec<String>),
    /// A condition on the columns of both.
    Condition(Expr),
}

/// What [`DataFrame::join`] takes to join on: a name, names, a condition, or conditions that all hold.
pub trait IntoJoinOn {
    /// The names or the condition.
    ///
    /// # Errors
    /// `InvalidPlan` when there is none.
    fn into_join_on(self) -> Result<JoinOn>;
}

/// One of what a join is on: a name, or a condition.
pub trait JoinKey: Sized {
    /// All of `keys`, at least one.
    ///
    /// # Errors
    /// `InvalidPlan` when there is none.
    fn all(keys: impl Iterator<Item = Self>) -> Result<JoinOn>;
}

fn no_keys() -> Error {
    Error::invalid_plan(
        "a join needs a column or a condition to join on; use cross_join() for none",
    )
}

impl JoinKey for Expr {
    fn all(keys: impl Iterator<Item = Self>) -> Result<JoinOn> {
        let condition = keys.reduce(Expr::and).ok_or_else(no_keys)?;
        Ok(JoinOn::Condition(condition))
    }
}

macro_rules! name_keys {
    ($($text:ty),*) => {$(
        impl JoinKey for $text {
            fn all(keys: impl Iterator<Item = Self>) -> Result<JoinOn> {
                let names: Vec<String> = keys.map(Into::into).collect();
                match names.is_empty() {
                    true => Err(no_keys()),
                    false => Ok(JoinOn::Columns(names)),
                }
            }
        }

        impl IntoJoinOn for $text {
            fn into_join_on(self) -> Result<JoinOn> {
                JoinKey::all(std::iter::once(self))
            }
        }
    )*};
}

name_keys!(&str, String, &String);

impl IntoJoinOn for Expr {
    fn into_join_on(self) -> Result<JoinOn> {
        Ok(JoinOn::Condition(self))
    }
}

impl<K: JoinKey, const N: usize> IntoJoinOn for [K; N] {
    fn into_join_on(self) -> Result<JoinOn> {
        K::all(self.into_iter())
    }
}

impl<K: JoinKey> IntoJoinOn for Vec<K> {
    fn into_join_on(self) -> Result<JoinOn> {
        K::all(self.into_iter())
    }
}

impl<K: JoinKey + Clone> IntoJoinOn for &[K] {
    fn into_join_on(self) -> Result<JoinOn> {
        K::all(self.iter().cloned())
    }
}

/// How a join treats rows without a match: a [`JoinType`], or one of Spark's names for it (`inner`, `left`,
/// `left_outer`, `right`, `full`, `outer`, `left_semi`, `semi`, `left_anti`, `anti` and so on; capitals and
/// underscores do not matter).
pub trait IntoJoinType {
    /// The join type.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown name, with the nearest.
    fn into_join_type(self) -> Result<JoinType>;
}

impl IntoJoinType for JoinType {
    fn into_join_type(self) -> Result<JoinType> {
        Ok(self)
    }
}

/// Spark's names (`JoinType.apply` of Spark 4).
const NAMES: &[(&str, JoinType)] = &[
    ("inner", JoinType::Inner),
    ("cross", JoinType::Inner),
    ("outer", JoinType::Full),
    ("full", JoinType::Full),
    ("fullouter", JoinType::Full),
    ("left", JoinType::Left),
    ("leftouter", JoinType::Left),
    ("right", JoinType::Right),
    ("rightouter", JoinType::Right),
    ("semi", JoinType::LeftSemi),
    ("leftsemi", JoinType::LeftSemi),
    ("anti", JoinType::LeftAnti),
    ("leftanti", JoinType::LeftAnti),
];

impl IntoJoinType for &str {
    fn into_join_type(self) -> Result<JoinType> {
        let plain = self.to_lowercase().replace('_', "");
        let known = NAMES.iter().find(|(name, _)| *name == plain);
        known.map(|(_, how)| *how).ok_or_else(|| {
            Error::invalid_argument(format!(
                "unknown join type {self:?}{}",
                did_you_mean(&plain, NAMES.iter().map(|(name, _)| *name))
            ))
        })
    }
}

impl DataFrame {
    /// Joined with `other`. On names, the keys come first, once each (a full join takes them from whichever
    /// side has them), then what else this side has, then the other; on a condition, all columns of both.
    /// Semi and anti joins keep this side's columns only. A null key matches nothing.
    ///
    /// A condition says which side a column of both is of through their [aliases](Self::alias):
    /// `o.join(p, col("o.id").eq(col("p.id")), "left")`.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that one of them lacks, or that is ambiguous, and for nothing to join on;
    /// `InvalidArgument` for an unknown join type.
    pub fn join(self, other: Self, on: impl IntoJoinOn, how: impl IntoJoinType) -> Result<Self> {
        let how = how.into_join_type()?;
        let on = on.into_join_on()?;
        if let JoinOn::Columns(names) = &on {
            for side in [&self, &other] {
                side.check_columns(names.iter().map(String::as_str))?;
                for name in names {
                    resolve::unambiguous(name, side.schema())?;
                }
            }
        }
        let other = other.inner.into_unoptimized_plan();
        self.map_plan(|plan| {
            let sides = Sides::tell_apart(plan, other)?;
            match on {
                JoinOn::Columns(names) => sides.join_using(&names, how),
                JoinOn::Condition(condition) => sides.join_on(condition, how),
            }
        })
    }

    /// Every row with every row of `other`.
    ///
    /// # Errors
    /// None for valid dataframes.
    pub fn cross_join(self, other: Self) -> Result<Self> {
        let other = other.inner.into_unoptimized_plan();
        self.map_plan(|plan| {
            let sides = Sides::tell_apart(plan, other)?;
            let joined = LogicalPlanBuilder::from(sides.left).cross_join(sides.right)?;
            plain_names(joined.build()?, &sides.labels)
        })
    }
}

/// Two plans of which no column is called the same: side and name.
struct Sides {
    left: LogicalPlan,
    right: LogicalPlan,
    labels: [String; 2],
}

impl Sides {
    fn tell_apart(left: LogicalPlan, right: LogicalPlan) -> Result<Self> {
        let labels = ["left", "right"].map(|label| unused(label, [&left, &right]));
        let sides = [&left, &right].map(|plan| plan.schema().columns());
        let clashes = |own: &Column, others: &[Column]| {
            others.iter().any(|other| {
                own.name == other.name && (own.relation == other.relation || side_of(own).is_none())
            })
        };
        let labelled = |plan: LogicalPlan, at: usize| -> Result<LogicalPlan> {
            let (own, others) = (&sides[at], &sides[1 - at]);
            if !own.iter().any(|column| clashes(column, others)) {
                return Ok(plan);
            }
            let columns = own.iter().map(|column| {
                let expr = Expr::Column(column.clone());
                match clashes(column, others) {
                    true => expr.alias_qualified(
                        Some(TableReference::bare(labels[at].as_str())),
                        &column.name,
                    ),
                    false => expr,
                }
            });
            let columns: Vec<Expr> = columns.collect();
            Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
        };
        Ok(Self {
            left: labelled(left, 0)?,
            right: labelled(right, 1)?,
            labels,
        })
    }

    fn join_using(self, names: &[String], how: JoinType) -> Result<LogicalPlan> {
        let key = |plan: &LogicalPlan, name: &String| -> Result<Column> {
            resolve::matching(name, plan.schema())
                .pop()
                .ok_or_else(|| resolve::unknown(name, plan.schema()))
        };
        let pairs: Vec<(Column, Column)> = names
            .iter()
            .map(|name| Ok((key(&self.left, name)?, key(&self.right, name)?)))
            .collect::<Result<_>>()?;
        for (left, right) in &pairs {
            check_comparable(left, &self.left, right, &self.right)?;
        }
        let joined = LogicalPlanBuilder::from(self.left).join_detailed(
            self.right,
            how,
            pairs.iter().cloned().unzip::<_, _, Vec<_>, Vec<_>>(),
            None,
            NullEquality::NullEqualsNothing,
        )?;
        let joined = joined.build()?;
        let one_sided = matches!(how, JoinType::LeftSemi | JoinType::LeftAnti);
        let mut columns: Vec<Expr> = pairs
            .iter()
            .map(|(left, right)| match how {
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => {
                    Expr::Column(right.clone())
                }
                JoinType::Full => crate::functions::coalesce(vec![
                    Expr::Column(left.clone()),
                    Expr::Column(right.clone()),
                ])
                .alias(&left.name),
                _ => Expr::Column(left.clone()),
            })
            .collect();
        let is_key = |column: &Column| {
            pairs
                .iter()
                .any(|(left, right)| column == left || (!one_sided && column == right))
        };
        columns.extend(
            joined
                .schema()
                .columns()
                .into_iter()
                .filter(|column| !is_key(column))
                .map(Expr::Column),
        );
        let chosen = LogicalPlanBuilder::from(joined).project(columns)?.build()?;
        plain_names(chosen, &self.labels)
    }

    fn join_on(self, condition: Expr, how: JoinType) -> Result<LogicalPlan> {
        let both = self.left.schema().join(self.right.schema())?;
        let condition = resolve::resolve(condition, &both)?;
        // Of other joins, it says whether the other side has rows at all.
        if how == JoinType::Inner && condition.column_refs().is_empty() {
            return Err(Error::invalid_plan(format!(
                "join condition {condition} names no column: each row of one side would meet every row of the other; use cross_join() if that is meant"
            )));
        }
        let joined = LogicalPlanBuilder::from(self.left).join_on(self.right, how, [condition])?;
        plain_names(joined.build()?, &self.labels)
    }
}

fn check_comparable(
    left: &Column,
    of_left: &LogicalPlan,
    right: &Column,
    of_right: &LogicalPlan,
) -> Result<()> {
    let types = [
        of_left.schema().field_from_column(left)?.data_type(),
        of_right.schema().field_from_column(right)?.data_type(),
    ];
    if comparison_coercion(types[0], types[1]).is_some() {
        return Ok(());
    }
    let [left_type, right_type] = types.map(|data_type| type_name(plain(data_type)));
    Err(Error::invalid_plan(format!(
        "column {:?} is {left_type} on the left and {right_type} on the right, which cannot be compared: cast one of them before the join",
        left.name
    )))
}

/// The side a column is known to be of: a table or an alias.
fn side_of(column: &Column) -> Option<&TableReference> {
    column
        .relation
        .as_ref()
        .filter(|side| side.table() != UNNAMED_TABLE)
}

fn unused(label: &str, plans: [&LogicalPlan; 2]) -> String {
    let used = |name: &str| {
        plans.iter().any(|plan| {
            plan.schema()
                .iter()
                .any(|(side, _)| side.is_some_and(|side| side.table() == name))
        })
    };
    let mut name = label.to_owned();
    let mut number = 2;
    while used(&name) {
        name = format!("{label}{number}");
        number += 1;
    }
    name
}

/// `plan` whose columns lose the `labels` that nothing needs any more.
fn plain_names(plan: LogicalPlan, labels: &[String; 2]) -> Result<LogicalPlan> {
    let columns = plan.schema().columns();
    let plain = |column: &Column| {
        let labelled = column
            .relation
            .as_ref()
            .is_some_and(|side| labels.iter().any(|label| label == side.table()));
        labelled && resolve::matching(&column.name, plan.schema()).len() == 1
    };
    if !columns.iter().any(plain) {
        return Ok(plan);
    }
    let exprs: Vec<Expr> = columns
        .iter()
        .map(|column| match plain(column) {
            true => Expr::Column(column.clone()).alias(&column.name),
            false => Expr::Column(column.clone()),
        })
        .collect();
    Ok(LogicalPlanBuilder::from(plan).project(exprs)?.build()?)
}
