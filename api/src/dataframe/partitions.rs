//! Verbs that say in how many partitions rows are: how many tasks work on them at once, and in how many files they are written.

use weir_plan::Result;
use weir_plan::partitioning::RepartitionNode;

use super::arguments::IntoColumn;
use super::{DataFrame, resolve};

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

    /// Puts partitions together, until there are at most `partitions`, without exchanging rows: what computes them runs in as few
    /// tasks. PySpark's `coalesce`.
    ///
    /// # Errors
    /// As [`Self::repartition`].
    pub fn coalesce(self, partitions: usize) -> Result<Self> {
        self.map_plan(|plan| RepartitionNode::together(partitions, plan))
    }
}
