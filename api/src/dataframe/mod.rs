//! Dataframes: a lazy plan, the verbs that extend it, and the actions that run it.

mod actions;
mod arguments;
mod checkpoint;
mod columns;
mod explain;
mod grouped;
mod hint;
mod joins;
mod missing;
mod partitions;
mod persist;
mod pivot;
mod resolve;
mod rows;
mod schema;
mod sets;
mod show;
mod sql_text;
mod widen;

use datafusion::logical_expr::{Expr, LogicalPlan};
use weir_plan::Result;

use crate::io::{DataFrameWriter, DataStreamWriter};
use crate::session::Session;

use grouped::Grouping;

pub use arguments::{IntoColumn, IntoPredicate};
pub use explain::{ExplainMode, QueryProfile, StageProfile};
pub use grouped::GroupedData;
pub use joins::{IntoJoinOn, IntoJoinType, JoinKey, JoinOn};
pub use missing::{DropNa, Fill};
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

    /// Groups by `exprs`: expressions, or names of columns.
    #[must_use]
    pub fn group_by<C: IntoColumn>(self, exprs: impl IntoIterator<Item = C>) -> GroupedData {
        self.grouped(exprs, Grouping::Together)
    }

    /// Groups by `exprs`, and by ever fewer of them from the left, down to one group of all rows: subtotals.
    /// Keys that a group is not by are null in it.
    #[must_use]
    pub fn rollup<C: IntoColumn>(self, exprs: impl IntoIterator<Item = C>) -> GroupedData {
        self.grouped(exprs, Grouping::Rollup)
    }

    /// Groups by every subset of `exprs`. Keys that a group is not by are null in it.
    #[must_use]
    pub fn cube<C: IntoColumn>(self, exprs: impl IntoIterator<Item = C>) -> GroupedData {
        self.grouped(exprs, Grouping::Cube)
    }

    /// One row of aggregates over all rows.
    ///
    /// # Errors
    /// As [`GroupedData::agg`].
    pub fn agg(self, aggregates: impl IntoIterator<Item = Expr>) -> Result<Self> {
        GroupedData::new(self, vec![], Grouping::Together).agg(aggregates)
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

    fn grouped<C: IntoColumn>(
        self,
        exprs: impl IntoIterator<Item = C>,
        grouping: Grouping,
    ) -> GroupedData {
        let keys = exprs.into_iter().map(IntoColumn::into_column).collect();
        GroupedData::new(self, keys, grouping)
    }

    /// The dataframe of what `step` makes of its plan.
    fn map_plan(self, step: impl FnOnce(LogicalPlan) -> Result<LogicalPlan>) -> Result<Self> {
        let (state, plan) = self.inner.into_parts();
        let inner = datafusion::dataframe::DataFrame::new(state, step(plan)?);
        Ok(Self::new(self.session, inner))
    }
}
