//! What a user knows of a side of a join, and the planner does not.

use weir_plan::joins::{BUCKETS_MAX, HintNode, JoinHint};
use weir_plan::{Error, Result};

use super::DataFrame;

impl DataFrame {
    /// Says how this side of the next join is to be joined, as Spark's hints do: `broadcast` (also `broadcastjoin`,
    /// `mapjoin`): all of it is sent to every task of the other side; `merge` (`shuffle_merge`, `mergejoin`): both sides are
    /// shuffled and sorted; `shuffle_hash`: both are shuffled, and a hash table is built of this one. If the sides have
    /// different hints, the first in this order is followed.
    ///
    /// A hint that the join's type does not allow changes nothing; [`Self::explain`] and the log say why.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown hint, `Unsupported` for one of Spark's that is not about joins.
    pub fn hint(self, name: &str) -> Result<Self> {
        let hint = JoinHint::parse(name)?;
        self.map_plan(|plan| Ok(HintNode::plan(hint, plan)))
    }

    /// Spreads this side's rows of each key over `buckets` in the next join, whose other side's rows are copied to all of
    /// them: for keys so frequent that the task which joins one takes longer than all others. The rows of the join are
    /// the same.
    ///
    /// Where the join's type does not allow it (the other side's rows without a match are returned, too), or its keys are
    /// not compared for equality, nothing changes; [`Self::explain`] and the log say why.
    ///
    /// # Errors
    /// `InvalidArgument` for no buckets, and for more than [`BUCKETS_MAX`].
    pub fn salted(self, buckets: u32) -> Result<Self> {
        check_buckets(buckets)?;
        self.map_plan(|plan| Ok(HintNode::plan(JoinHint::Salted(buckets), plan)))
    }
}

pub(super) fn check_buckets(buckets: u32) -> Result<()> {
    if (1..=BUCKETS_MAX).contains(&buckets) {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "salted({buckets}): rows are spread over at least 1 bucket, and at most {BUCKETS_MAX}"
    )))
}
