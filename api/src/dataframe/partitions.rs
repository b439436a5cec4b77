//! Verbs that say in how many partitions rows are: how many tasks work on them at once, and in how many files they are written.

use datafusion::logical_expr::SortExpr;
use weir_plan::Result;
use weir_plan::partitioning::{RangeNode, RepartitionNode};

use super::arguments::IntoColumn;
use super::{DataFrame, resolve};
use crate::functions::IntoSort;

impl DataFrame {
    /// Exchanges the rows, so that they are in `partitions` of about as many rows each. PySpark's `repartition(n)`.
    ///
    /// # Errors
    /// `InvalidArgument` for no partitions, and for more than [`PARTITIONS_MAX`](weir_plan::partitioning::PARTITIONS_MAX).
    pub fn repartition(self, partitions: usize) -> Result<Self> {
        self.map_plan(|plan| RepartitionNode::in_turns(partitions, plan))
    }

    /// Exchanges the rows, so that they are in `partitions`, those with the same values of `columns` in one: expressions, or
    /// names. A row is in the partition of the same number as by PySpark's `repartition(n, columns)`. A partition may have the rows of
    /// many values, or none.
    ///
    /// # Errors
    /// As [`Self::repartition`], and [`Self::select`]; `InvalidArgument` without columns.
    pub fn repartition_by<C: IntoColumn>(
        self,
        partitions: usize,
        columns: impl IntoIterator<Item = C>,
    ) -> Result<Self> {
        let columns = columns.into_iter();
        let keys = columns.map(|column| resolve::resolve(column.into_column(), self.schema()));
        let keys = keys.collect::<Result<_>>()?;
        self.map_plan(|plan| RepartitionNode::by(keys, partitions, plan))
    }

    /// Exchanges the rows, so that they are in `partitions` of about as many rows, each with those between two bounds in the order of
    /// `exprs`, and in that order: what is in the first comes before what is in the second. Rows in a partition are in no order. A column alone, by
    /// expression or name, is ascending, nulls first. PySpark's `repartitionByRange(n, columns)`.
    ///
    /// The bounds are those of a sample of all rows, which the action takes first: they are computed twice. Where many rows have the
    /// same values, there are fewer partitions.
    ///
    /// # Errors
    /// As [`Self::repartition_by`].
    pub fn repartition_by_range<S: IntoSort>(
        self,
        partitions: usize,
        exprs: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let keys = exprs.into_iter().map(IntoSort::into_sort);
        let keys = keys.map(|key| {
            let expr = resolve::resolve(key.expr, self.schema())?;
            Ok(SortExpr { expr, ..key })
        });
        let keys = keys.collect::<Result<_>>()?;
        self.map_plan(|plan| RangeNode::plan(keys, partitions, plan))
    }

    /// Puts partitions together, until there are at most `partitions`, without exchanging rows: what computes them runs in as few
    /// tasks. PySpark's `coalesce`.
    ///
    /// # Errors
    /// As [`Self::repartition`].
    pub fn coalesce(self, partitions: usize) -> Result<Self> {
        self.map_plan(|plan| RepartitionNode::together(partitions, plan))
    }
}
