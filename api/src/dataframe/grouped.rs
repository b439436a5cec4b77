//! A dataframe's groups, waiting for their aggregates.

use datafusion::logical_expr::{Expr, lit};
use weir_plan::Result;

use super::DataFrame;
use crate::functions;

/// What [`DataFrame::group_by`] returns.
#[derive(Debug, Clone)]
pub struct GroupedData {
    frame: DataFrame,
    keys: Vec<Expr>,
}

impl GroupedData {
    pub(super) fn new(frame: DataFrame, keys: Vec<Expr>) -> Self {
        Self { frame, keys }
    }

    /// One row per group: its keys and `aggregates`. Null is a key like any other.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist or an aggregate over types it does not take.
    pub fn agg(self, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let inner = self
            .frame
            .inner
            .aggregate(self.keys, aggregates.into_iter().collect())?;
        Ok(DataFrame::new(self.frame.session, inner))
    }

    /// The number of rows per group, in column `count`.
    ///
    /// # Errors
    /// As [`Self::agg`].
    pub fn count(self) -> Result<DataFrame> {
        self.agg([functions::count(lit(1)).alias("count")])
    }
}
