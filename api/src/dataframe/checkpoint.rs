//! `checkpoint`: rows that are computed once.

use weir_plan::Result;

use super::DataFrame;

impl DataFrame {
    /// Computes the rows now and keeps them in `weir.checkpoint.dir`: dataframes that are made of the result read them there, and a lost
    /// executor costs no more than what came after. On `local[N]` and `local-cluster[E,C]` the directory need not be set.
    ///
    /// The files are removed when the last dataframe that reads them is dropped. The order of the rows is not kept. Spark's
    /// `DataFrame.checkpoint()`, whose files stay.
    ///
    /// # Errors
    /// `InvalidArgument` on executors of a driver when `weir.checkpoint.dir` is not set; `Storage` when the rows cannot be kept; what the
    /// query reports.
    pub async fn checkpoint(self) -> Result<Self> {
        let prepared = self.prepare().await?;
        let kept = self.session().exchanges().checkpoint(&prepared).await?;
        self.map_plan(|_| Ok(kept))
    }
}
