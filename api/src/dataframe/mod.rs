//! Dataframes: a lazy plan, the verbs that extend it, and the actions that run it.

mod actions;
mod explain;
mod grouped;
mod show;

use datafusion::logical_expr::{Expr, JoinType, LogicalPlan};
use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

use crate::functions::IntoSort;
use crate::io::{DataFrameWriter, DataStreamWriter};
use crate::session::Session;

pub use explain::ExplainMode;
pub use grouped::GroupedData;
pub(crate) use show::draw;

/// Rows that are not computed yet. Verbs return a new dataframe; actions (`collect`, `show`,
/// `count`, `write`) run it.
#[derive(Debug, Clone)]
pub struct DataFrame {
    session: Session,
    inner: datafusion::dataframe::DataFrame,
}

impl DataFrame {
    pub(crate) fn new(session: Session, inner: datafusion::dataframe::DataFrame) -> Self {
        Self { session, inner }
    }

    /// The dataframe of DataFusion's, for what Weir does not wrap.
    #[must_use]
    pub fn into_datafusion(self) -> datafusion::dataframe::DataFrame {
        self.inner
    }

    /// A dataframe of DataFusion's on `session`.
    #[must_use]
    pub fn from_datafusion(session: &Session, inner: datafusion::dataframe::DataFrame) -> Self {
        Self::new(session.clone(), inner)
    }

    /// The session it belongs to.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The names of its columns.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let schema = self.inner.schema();
        schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    /// Its columns and their types.
    #[must_use]
    pub fn schema(&self) -> &datafusion::common::DFSchema {
        self.inner.schema()
    }

    /// The columns `exprs`.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist, naming the nearest, or types that do not fit.
    pub fn select(self, exprs: impl IntoIterator<Item = Expr>) -> Result<Self> {
        let session = self.session;
        let inner = self.inner.select(exprs.into_iter().collect::<Vec<_>>())?;
        Ok(Self::new(session, inner))
    }

    /// The rows for which `predicate` is true.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn filter(self, predicate: Expr) -> Result<Self> {
        let inner = self.inner.filter(predicate)?;
        Ok(Self::new(self.session, inner))
    }

    /// All columns and `name`, replacing a column of that name.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn with_column(self, name: &str, expr: Expr) -> Result<Self> {
        let inner = self.inner.with_column(name, expr)?;
        Ok(Self::new(self.session, inner))
    }

    /// Column `existing` under the name `new`.
    ///
    /// # Errors
    /// `InvalidPlan` when `existing` does not exist. (Spark renames nothing and says nothing.)
    pub fn with_column_renamed(self, existing: &str, new: &str) -> Result<Self> {
        self.check_columns([existing])?;
        let exprs = self.columns().into_iter().map(|name| {
            let column = crate::functions::col(name.clone());
            if name == existing {
                column.alias(new)
            } else {
                column
            }
        });
        let exprs: Vec<Expr> = exprs.collect();
        self.select(exprs)
    }

    /// Without the columns `names`.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist. (Spark ignores it.)
    pub fn drop<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let names: Vec<&str> = names.into_iter().collect();
        self.check_columns(names.iter().copied())?;
        let kept: Vec<Expr> = self
            .columns()
            .into_iter()
            .filter(|name| !names.contains(&name.as_str()))
            .map(crate::functions::col)
            .collect();
        self.select(kept)
    }

    /// At most `rows` rows, whichever come first.
    ///
    /// # Errors
    /// None for a valid dataframe.
    pub fn limit(self, rows: usize) -> Result<Self> {
        let inner = self.inner.limit(0, Some(rows))?;
        Ok(Self::new(self.session, inner))
    }

    /// Sorted by `exprs`; a column alone is ascending, nulls first, as in Spark, and
    /// [`ColumnExt::desc`](crate::functions::ColumnExt::desc) and the like give other orders.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn order_by<S: IntoSort>(self, exprs: impl IntoIterator<Item = S>) -> Result<Self> {
        self.sort(exprs.into_iter().map(IntoSort::into_sort))
    }

    /// Sorted by `exprs`.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn sort(
        self,
        exprs: impl IntoIterator<Item = datafusion::logical_expr::SortExpr>,
    ) -> Result<Self> {
        let inner = self.inner.sort(exprs.into_iter().collect())?;
        Ok(Self::new(self.session, inner))
    }

    /// The rows of both, matched by position of their columns, duplicates kept.
    ///
    /// # Errors
    /// `InvalidPlan` when the numbers of columns differ or types do not fit.
    pub fn union(self, other: Self) -> Result<Self> {
        let inner = self.inner.union(other.inner)?;
        Ok(Self::new(self.session, inner))
    }

    /// Each different row once.
    ///
    /// # Errors
    /// None for a valid dataframe.
    pub fn distinct(self) -> Result<Self> {
        let inner = self.inner.distinct()?;
        Ok(Self::new(self.session, inner))
    }

    /// Joined with `other` on columns of the same name in both.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that one of them lacks.
    pub fn join<'a>(
        self,
        other: Self,
        on: impl IntoIterator<Item = &'a str>,
        how: JoinType,
    ) -> Result<Self> {
        let on: Vec<&str> = on.into_iter().collect();
        self.check_columns(on.iter().copied())?;
        other.check_columns(on.iter().copied())?;
        let inner = self.inner.join(other.inner, how, &on, &on, None)?;
        Ok(Self::new(self.session, inner))
    }

    /// Groups by `exprs`.
    #[must_use]
    pub fn group_by(self, exprs: impl IntoIterator<Item = Expr>) -> GroupedData {
        GroupedData::new(self, exprs.into_iter().collect())
    }

    /// One row of aggregates over all rows.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn agg(self, aggregates: impl IntoIterator<Item = Expr>) -> Result<Self> {
        self.group_by([]).agg(aggregates)
    }

    /// Makes it a view that [`Session::sql`] sees under `name`, replacing an earlier one.
    ///
    /// # Errors
    /// `InvalidPlan` when `name` is no identifier.
    pub fn create_or_replace_temp_view(&self, name: &str) -> Result<()> {
        let context = self.session.datafusion();
        context.deregister_table(name)?;
        context.register_table(name, self.inner.clone().into_view())?;
        Ok(())
    }

    /// Writes its rows once.
    #[must_use]
    pub fn write(self) -> DataFrameWriter {
        DataFrameWriter::new(self)
    }

    /// Writes its rows as they come: it must read a stream.
    #[must_use]
    pub fn write_stream(self) -> DataStreamWriter {
        DataStreamWriter::new(self)
    }

    pub(crate) fn inner(&self) -> &datafusion::dataframe::DataFrame {
        &self.inner
    }

    pub(crate) fn plan(&self) -> &LogicalPlan {
        self.inner.logical_plan()
    }

    fn check_columns<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let columns = self.columns();
        for name in names {
            if !columns.iter().any(|column| column == name) {
                return Err(Error::invalid_plan(format!(
                    "no column {name:?}{}",
                    did_you_mean(name, columns.iter().map(String::as_str))
                )));
            }
        }
        Ok(())
    }
}
