//! Actions that bring rows to the program: bounded, so that they do not drown it.

use std::collections::VecDeque;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::COUNT_STAR_EXPANSION;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use weir_plan::estimate::batch_bytes;
use weir_plan::settings::MAX_RESULT_SIZE;
use weir_plan::{Error, ErrorKind, Result};

use super::DataFrame;
use crate::session::{Joins, Prepared};

impl DataFrame {
    /// All rows, as Arrow batches.
    ///
    /// # Errors
    /// `ResourcesExhausted`, naming the setting, when they take more than
    /// `weir.driver.maxResultSize`; what the query reports otherwise.
    pub async fn collect(&self) -> Result<Vec<RecordBatch>> {
        let prepared = self.prepare().await?;
        let attempt = |joins| self.collect_once(&prepared, joins);
        self.session().exchanges().complete(attempt).await
    }

    async fn collect_once(&self, prepared: &Prepared, joins: Joins) -> Result<Vec<RecordBatch>> {
        let limit = self.session().settings().max_result_bytes()?;
        let mut stream = rows(prepared, joins).await?;
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some(batch) = stream.try_next().await? {
            bytes += batch_bytes(&batch);
            if let Some(limit) = limit.filter(|limit| bytes > *limit) {
                return Err(too_large(limit));
            }
            batches.push(batch);
        }
        Ok(batches)
    }

    /// The first `rows` rows, as Arrow batches; the query stops once it has them.
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn take(&self, rows: usize) -> Result<Vec<RecordBatch>> {
        self.clone().limit(rows)?.collect().await
    }

    /// [`Self::take`].
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn head(&self, rows: usize) -> Result<Vec<RecordBatch>> {
        self.take(rows).await
    }

    /// The first row, as a batch of one; `None` when there is none.
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn first(&self) -> Result<Option<RecordBatch>> {
        let batches = self.take(1).await?;
        Ok(batches.into_iter().find(|batch| batch.num_rows() > 0))
    }

    /// The last `rows` rows. All rows are computed; only the last are kept in memory.
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn tail(&self, rows: usize) -> Result<Vec<RecordBatch>> {
        let prepared = self.prepare().await?;
        let attempt = |joins| self.tail_once(&prepared, rows, joins);
        self.session().exchanges().complete(attempt).await
    }

    async fn tail_once(
        &self,
        prepared: &Prepared,
        count: usize,
        joins: Joins,
    ) -> Result<Vec<RecordBatch>> {
        let limit = self.session().settings().max_result_bytes()?;
        let mut stream = rows(prepared, joins).await?;
        let mut kept: VecDeque<RecordBatch> = VecDeque::new();
        let mut has = 0;
        while let Some(batch) = stream.try_next().await? {
            has += batch.num_rows();
            kept.push_back(batch);
            while let Some(first) = kept.front()
                && has - first.num_rows() >= count
            {
                has -= first.num_rows();
                kept.pop_front();
            }
            if let Some(limit) =
                limit.filter(|limit| kept.iter().map(batch_bytes).sum::<u64>() > *limit)
            {
                return Err(too_large(limit));
            }
        }
        if let Some(first) = kept.front_mut() {
            let surplus = has.saturating_sub(count);
            *first = first.slice(surplus, first.num_rows() - surplus);
        }
        Ok(kept.into())
    }

    /// All rows, batch by batch as they are computed: as many as do not fit into memory at once.
    ///
    /// On a cluster, a lost executor is an error here, and so is a side of a join that is too large to be broadcast after all: rows
    /// that were handed out cannot be taken back.
    ///
    /// # Errors
    /// What the query reports, from here or from the stream.
    pub async fn to_local_iterator(&self) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let mut prepared = self.prepare().await?;
        prepared.end_turn();
        let rows = rows(&prepared, Joins::Chosen).await?;
        // What was kept for it is read until the end, and is in a directory of the session.
        let kept = (prepared, self.session().clone());
        let rows = rows.inspect(move |_| {
            let _kept = &kept;
        });
        Ok(rows.boxed())
    }

    /// Whether there is no row.
    ///
    /// # Errors
    /// What the query reports.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.first().await?.is_none())
    }

    /// The number of rows.
    ///
    /// # Errors
    /// What the query reports.
    pub async fn count(&self) -> Result<u64> {
        let every = count(Expr::Literal(COUNT_STAR_EXPANSION, None)).alias("count");
        let counted = self.inner().clone().aggregate(vec![], vec![every])?;
        let counted = Self::new(self.session().clone(), counted).collect().await?;
        let counts = counted.iter().flat_map(|batch| batch.columns());
        let counts = counts.filter_map(|column| column.as_primitive_opt::<Int64Type>());
        let total: i64 = counts.flat_map(|counts| counts.values()).sum();
        Ok(total.unsigned_abs())
    }

    /// Its parts that are to run first, run.
    pub(super) async fn prepare(&self) -> Result<Prepared> {
        let (state, plan) = self.inner().clone().into_parts();
        self.session().exchanges().prepare(state, &plan).await
    }
}

/// The rows of one attempt.
async fn rows(
    prepared: &Prepared,
    joins: Joins,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let rows = prepared.attempt(joins).await?.rows()?;
    Ok(rows.map_err(Error::from).boxed())
}

fn too_large(limit: u64) -> Error {
    Error::new(
        ErrorKind::ResourcesExhausted,
        format!(
            "the result is larger than {} = {limit} bytes: write it to a table, \
             limit it, or raise the setting",
            MAX_RESULT_SIZE.key
        ),
    )
}
