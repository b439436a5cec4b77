//! `persist`: rows that are computed once, when they are first needed.

use weir_plan::Result;
use weir_plan::logical::PersistNode;

use super::DataFrame;

impl DataFrame {
    /// Keeps the rows when the first action computes them: later actions on the result, and on dataframes that are made of it,
    /// read what is kept. They are files in `weir.checkpoint.dir`, as those of [`Self::checkpoint`]; the other `StorageLevel`s
    /// of Spark's `DataFrame.persist()` do not exist. A dataframe that is persisted stays as it is.
    ///
    /// The files are removed by [`Self::unpersist`], or when the last dataframe that is made of the result is dropped. The order of the
    /// rows is not kept. On a stream it is refused when the query starts.
    ///
    /// # Errors
    /// `InvalidArgument` on executors of a driver when `weir.checkpoint.dir` is not set.
    pub fn persist(self) -> Result<Self> {
        self.session().exchanges().check_place()?;
        self.map_plan(|plan| {
            Ok(match PersistNode::of(&plan) {
                Some(node) if node.rows().is_released() => PersistNode::plan(node.input().clone()),
                Some(_) => plan,
                None => PersistNode::plan(plan),
            })
        })
    }

    /// [`Self::persist`].
    ///
    /// # Errors
    /// As [`Self::persist`].
    pub fn cache(self) -> Result<Self> {
        self.persist()
    }

    /// The dataframe as it was before [`Self::persist`]. What was kept goes once no running query reads it; other dataframes that
    /// are made of the persisted one compute its rows again. A dataframe that is not persisted stays as it is.
    #[must_use]
    pub fn unpersist(self) -> Self {
        let Some(node) = PersistNode::of(self.plan()).cloned() else {
            return self;
        };
        node.rows().release();
        let (state, _) = self.inner.into_parts();
        let inner = datafusion::dataframe::DataFrame::new(state, node.input().clone());
        Self::new(self.session, inner)
    }

    /// Whether [`Self::persist`] was the last that was done to it, and [`Self::unpersist`] not to a clone of it. PySpark's
    /// `DataFrame.is_cached`.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        PersistNode::of(self.plan()).is_some_and(|node| !node.rows().is_released())
    }
}
