//! Unions, intersections and differences of rows.
//!
//! Columns meet by position (by name where the verb says so), take the type that holds both, and keep the
//! names of the first dataframe. Nulls are equal.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, lit};
use weir_plan::functions::ddl::type_name;
use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

use super::widen::{plain, wider};
use super::{DataFrame, resolve};
use crate::functions::col;

/// Numbers the rows that are equal, so that each meets one of the other side.
const COPY: &str = "__copy";

impl DataFrame {
    /// The rows of both, matched by position of their columns, duplicates kept. SQL's `UNION ALL`.
    ///
    /// # Errors
    /// `InvalidPlan` when the numbers of columns differ or types do not fit.
    pub fn union(self, other: Self) -> Result<Self> {
        let types = self.common_types(&other, "union")?;
        let one = self.cast_columns(&types)?;
        let other = other.renamed_as(&one)?.cast_columns(&types)?;
        let inner = one.inner.union(other.inner)?;
        Ok(Self::new(one.session, inner))
    }

    /// As [`Self::union`], matched by name. Columns that only one of them has are refused or, with
    /// `allow_missing_columns`, null in the rows of the other; those that only `other` has come last.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that one of them lacks, or has twice, and when types do not fit.
    pub fn union_by_name(self, other: Self, allow_missing_columns: bool) -> Result<Self> {
        for side in [&self, &other] {
            for name in side.columns() {
                resolve::unambiguous(&name, side.schema())?;
            }
        }
        let (own, others) = (self.columns(), other.columns());
        let mut lacks = own
            .iter()
            .filter(|name| !others.contains(name))
            .map(|name| (name, &others, "the other dataframe"))
            .chain(
                others
                    .iter()
                    .filter(|name| !own.contains(name))
                    .map(|name| (name, &own, "this dataframe")),
            );
        if !allow_missing_columns && let Some((name, known, place)) = lacks.next() {
            return Err(Error::invalid_plan(format!(
                "union_by_name: {place} has no column {name:?}{}; \
                 allow_missing_columns makes it null there",
                did_you_mean(name, known.iter().map(String::as_str))
            )));
        }
        let mut names = own.clone();
        names.extend(others.iter().filter(|name| !own.contains(name)).cloned());
        let complete = |frame: Self, own: &[String], model: &Self| -> Result<Self> {
            let columns: Vec<Expr> = names
                .iter()
                .map(|name| match own.contains(name) {
                    true => Ok(col(name)),
                    false => {
                        let field = model.schema().field_with_unqualified_name(name)?;
                        let null = ScalarValue::try_from(field.data_type())?;
                        Ok(lit(null).alias(name))
                    }
                })
                .collect::<Result<_>>()?;
            frame.select(columns)
        };
        let one = complete(self.clone(), &own, &other)?;
        let other = complete(other, &others, &self)?;
        one.union(other)
    }

    /// The different rows that both have.
    ///
    /// # Errors
    /// As [`Self::union`].
    pub fn intersect(self, other: Self) -> Result<Self> {
        self.set_operation(other, "intersect", |one, other| {
            Ok(LogicalPlanBuilder::intersect(one, other, false)?)
        })
    }

    /// The rows that both have, as often as both have them.
    ///
    /// # Errors
    /// As [`Self::union`].
    pub fn intersect_all(self, other: Self) -> Result<Self> {
        self.set_operation(other, "intersect_all", |one, other| {
            let (one, other) = (number_copies(one)?, number_copies(other)?);
            Ok(LogicalPlanBuilder::intersect(one, other, true)?)
        })
    }

    /// The different rows that `other` has not. SQL's `EXCEPT`.
    ///
    /// # Errors
    /// As [`Self::union`].
    pub fn subtract(self, other: Self) -> Result<Self> {
        self.set_operation(other, "subtract", |one, other| {
            Ok(LogicalPlanBuilder::except(one, other, false)?)
        })
    }

    /// The rows that are left when each row of `other` takes one equal row away.
    ///
    /// # Errors
    /// As [`Self::union`].
    pub fn except_all(self, other: Self) -> Result<Self> {
        self.set_operation(other, "except_all", |one, other| {
            let (one, other) = (number_copies(one)?, number_copies(other)?);
            Ok(LogicalPlanBuilder::except(one, other, true)?)
        })
    }

    /// `operation` on both, whose columns it sees under their positions: whatever the real names, they differ.
    fn set_operation(
        self,
        other: Self,
        verb: &str,
        operation: impl FnOnce(LogicalPlan, LogicalPlan) -> Result<LogicalPlan>,
    ) -> Result<Self> {
        let types = self.common_types(&other, verb)?;
        let numbered = |frame: Self| -> Result<LogicalPlan> {
            let frame = frame.cast_columns(&types)?;
            let names: Vec<String> = (0..types.len()).map(|at| at.to_string()).collect();
            let frame = frame.to_df(names.iter().map(String::as_str))?;
            Ok(frame.inner.into_unoptimized_plan())
        };
        let other = numbered(other)?;
        let named = self.clone();
        let one = numbered(self)?;
        named.clone().map_plan(|_| {
            let rows = operation(one, other)?;
            let columns: Vec<Expr> = named
                .schema()
                .iter()
                .enumerate()
                .map(|(at, (side, field))| {
                    col(at.to_string()).alias_qualified(side.cloned(), field.name())
                })
                .collect();
            Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
        })
    }

    fn common_types(&self, other: &Self, verb: &str) -> Result<Vec<DataType>> {
        let (own, others) = (self.schema().fields(), other.schema().fields());
        if own.len() != others.len() {
            return Err(Error::invalid_plan(format!(
                "{verb} matches columns by position, and {} ({}) cannot meet {} ({})",
                own.len(),
                self.columns().join(", "),
                others.len(),
                other.columns().join(", ")
            )));
        }
        let pairs = own.iter().zip(others).enumerate();
        pairs
            .map(|(at, (field, other))| {
                wider(field.data_type(), other.data_type()).ok_or_else(|| {
                    Error::invalid_plan(format!(
                        "{verb}: column {} is {:?} ({}) here and {:?} ({}) there; cast one of them",
                        at + 1,
                        field.name(),
                        type_name(plain(field.data_type())),
                        other.name(),
                        type_name(plain(other.data_type())),
                    ))
                })
            })
            .collect()
    }

    fn cast_columns(self, types: &[DataType]) -> Result<Self> {
        let fits = |(field, data_type): (&std::sync::Arc<_>, &DataType)| {
            let field: &datafusion::arrow::datatypes::Field = field;
            field.data_type() == data_type
        };
        if self.schema().fields().iter().zip(types).all(fits) {
            return Ok(self);
        }
        let columns: Vec<Expr> = resolve::all_columns(self.schema())
            .zip(self.schema().iter())
            .zip(types)
            .map(
                |((column, (side, field)), data_type)| match field.data_type() == data_type {
                    true => column,
                    false => Expr::Cast(Cast::new(Box::new(column), data_type.clone()))
                        .alias_qualified(side.cloned(), field.name()),
                },
            )
            .collect();
        self.select(columns)
    }

    /// Its columns under the names of `model`'s.
    fn renamed_as(self, model: &Self) -> Result<Self> {
        let columns: Vec<Expr> = resolve::all_columns(self.schema())
            .zip(model.schema().iter())
            .map(|(column, (side, field))| column.alias_qualified(side.cloned(), field.name()))
            .collect();
        self.select(columns)
    }
}

/// `plan` with a column that counts the rows that are equal.
fn number_copies(plan: LogicalPlan) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = resolve::all_columns(plan.schema()).collect();
    let number = datafusion::functions_window::expr_fn::row_number()
        .partition_by(columns)
        .build()?
        .alias(COPY);
    Ok(LogicalPlanBuilder::from(plan).window([number])?.build()?)
}
