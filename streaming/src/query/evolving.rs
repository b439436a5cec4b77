//! Rows whose columns follow something outside of the query: the newest schema of what producers write.
//!
//! What a batch's rows are made with is found out when the batch is planned, after the ends of its ranges, and logged with them in
//! `offsets/N`: a batch that runs again, in another process and on another day, makes the same rows of the same records. Asked after the
//! ends are known, a schema that was registered before a record was produced is never missed for that record.

use std::fmt;

use async_trait::async_trait;
use datafusion::logical_expr::LogicalPlan;
use tokio::sync::Mutex;
use weir_plan::functions::{PinnedParameters, pinned_parameters};
use weir_plan::{QueryId, Result};

use super::QuerySpec;
use crate::bind::check_streamable;
use crate::checkpoint::{Checkpoint, Recovery};
use crate::contract::written_schema;

/// Makes the plans of a query's batches from what is logged with them.
#[async_trait]
pub trait EvolvingRows: fmt::Debug + Send + Sync {
    /// What a batch that is planned now is made with: parameters of its own, which are logged. `last` are all that the batch before
    /// was logged with, if there is one.
    ///
    /// # Errors
    /// `SchemaMismatch` when rows of the newest do not go on from those of `last`; `Unavailable` when it cannot be found out.
    async fn next(&self, last: Option<&PinnedParameters>) -> Result<PinnedParameters>;

    /// The plan of a batch that was logged with `parameters`. Of one that was logged without, it is the plan of the query's start.
    ///
    /// # Errors
    /// `CorruptCheckpoint` for parameters that cannot be understood; those of making the rows.
    fn plan(&self, parameters: &PinnedParameters) -> Result<LogicalPlan>;

    /// What rows with `parameters` are made with, for errors.
    fn describe(&self, parameters: &PinnedParameters) -> String;
}

/// What the batches of one run are logged with.
#[derive(Debug, Default)]
pub(super) struct Evolution {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the batch that was logged last.
    last: Option<PinnedParameters>,
    /// Whether that was in this run.
    in_this_run: bool,
}

impl Evolution {
    /// The last run logged a batch with `parameters`; the sink was opened for its rows.
    pub(super) async fn begin_after(&self, parameters: &PinnedParameters) {
        self.state.lock().await.last = Some(parameters.clone());
    }

    /// The parameters of the batch that is being planned. `once`: everything that this run reads was there before the first batch was
    /// planned, and so was its schema.
    ///
    /// # Errors
    /// As [`EvolvingRows::next`]; `SchemaMismatch` for rows that the sink does not take: nothing is logged that could never be written.
    pub(super) async fn next(
        &self,
        spec: &QuerySpec,
        rows: &dyn EvolvingRows,
        query_id: QueryId,
        once: bool,
    ) -> Result<PinnedParameters> {
        let mut state = self.state.lock().await;
        if once
            && state.in_this_run
            && let Some(last) = &state.last
        {
            return Ok(last.clone());
        }
        let next = rows.next(state.last.as_ref()).await?;
        let mut parameters = pinned_parameters(&rows.plan(&next)?)?;
        parameters.extend(next);
        if state.last.as_ref() != Some(&parameters) {
            open_for(spec, rows, &parameters, query_id).await?;
        }
        *state = State {
            last: Some(parameters.clone()),
            in_this_run: true,
        };
        Ok(parameters)
    }
}

/// Opens the sink of a query that starts, for rows like those of the last batch in `found`: what is left of that one is finished before
/// newer ones are looked at.
pub(super) async fn open_sink(
    spec: &QuerySpec,
    query_id: QueryId,
    found: Option<&Checkpoint>,
) -> Result<()> {
    let Some(rows) = &spec.evolving else {
        let schema = written_schema(&spec.plan, spec.contract.as_ref())?;
        return spec.sink.open(query_id, schema).await;
    };
    let recovery = match found {
        Some(found) => found.recover().await?,
        None => Recovery::Fresh,
    };
    let parameters = match recovery.batch() {
        Some(batch) => batch.parameters.clone(),
        None => rows.next(None).await?,
    };
    open_for(spec, rows.as_ref(), &parameters, query_id).await
}

/// Checks that the sink takes rows with `parameters`.
async fn open_for(
    spec: &QuerySpec,
    rows: &dyn EvolvingRows,
    parameters: &PinnedParameters,
    query_id: QueryId,
) -> Result<()> {
    let opened = async {
        let plan = rows.plan(parameters)?;
        check_streamable(&plan)?;
        let schema = written_schema(&plan, spec.contract.as_ref())?;
        spec.sink.open(query_id, schema).await
    };
    let opened = opened.await;
    opened.map_err(|error| error.context(rows.describe(parameters)))
}
