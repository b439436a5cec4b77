//! Verbs that choose and order rows.

use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use weir_plan::Result;

use super::arguments::IntoPredicate;
use super::{DataFrame, resolve};
use crate::functions::{IntoSort, col};

impl DataFrame {
    /// The rows for which `predicate` is true: an expression, or SQL text.
    ///
    /// # Errors
    /// As [`Self::select`]; `InvalidPlan` for text that does not parse and for what is no boolean.
    pub fn filter(self, predicate: impl IntoPredicate) -> Result<Self> {
        let predicate = predicate.into_predicate(&self)?;
        let predicate = resolve::resolve(predicate, self.schema())?;
        let inner = self.inner.filter(predicate)?;
        Ok(Self::new(self.session, inner))
    }

    /// [`Self::filter`], as PySpark's `where`.
    ///
    /// # Errors
    /// As [`Self::filter`].
    pub fn where_(self, predicate: impl IntoPredicate) -> Result<Self> {
        self.filter(predicate)
    }

    /// At most `rows` rows, whichever come first.
    ///
    /// # Errors
    /// None for a valid dataframe.
    pub fn limit(self, rows: usize) -> Result<Self> {
        let inner = self.inner.limit(0, Some(rows))?;
        Ok(Self::new(self.session, inner))
    }

    /// Without the first `rows` rows; which those are is known only after a sort.
    ///
    /// # Errors
    /// None for a valid dataframe.
    pub fn offset(self, rows: usize) -> Result<Self> {
        let inner = self.inner.limit(rows, None)?;
        Ok(Self::new(self.session, inner))
    }

    /// Sorted by `exprs`; a column alone, by expression or name, is ascending, nulls first, as in Spark, and
    /// [`ColumnExt::desc`](crate::functions::ColumnExt::desc) and the like give other orders.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn order_by<S: IntoSort>(self, exprs: impl IntoIterator<Item = S>) -> Result<Self> {
        let keys: Vec<_> = exprs
            .into_iter()
            .map(|expr| resolve::resolve_sort(expr.into_sort(), self.schema()))
            .collect::<Result<_>>()?;
        let inner = self.inner.sort(keys)?;
        Ok(Self::new(self.session, inner))
    }

    /// [`Self::order_by`].
    ///
    /// # Errors
    /// As [`Self::order_by`].
    pub fn sort<S: IntoSort>(self, exprs: impl IntoIterator<Item = S>) -> Result<Self> {
        self.order_by(exprs)
    }

    /// Each different row once; nulls are equal.
    ///
    /// # Errors
    /// None for a valid dataframe.
    pub fn distinct(self) -> Result<Self> {
        let inner = self.inner.distinct()?;
        Ok(Self::new(self.session, inner))
    }

    /// One row of those that agree in the columns `subset`; nulls are equal. Which row stays is not defined,
    /// as in Spark: where it matters, number the rows with a window and keep the first. Without a subset,
    /// [`Self::distinct`].
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn drop_duplicates<'a>(self, subset: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let keys: Vec<Expr> = subset
            .into_iter()
            .map(|name| resolve::resolve(col(name), self.schema()))
            .collect::<Result<_>>()?;
        if keys.is_empty() {
            return self.distinct();
        }
        let columns: Vec<Expr> = resolve::all_columns(self.schema()).collect();
        self.map_plan(|plan| {
            let one = LogicalPlanBuilder::from(plan).distinct_on(keys, columns, None)?;
            Ok(one.build()?)
        })
    }
}
