//! Bounded writes to Delta tables.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use weir_connectors::delta::{AppendMode, DeltaSink, PlanRunner};
use weir_plan::logical::WriteNode;
use weir_plan::manifest::collect_manifest;
use weir_plan::{Error, Options, Result, StreamSink as _};
use weir_streaming::{BatchJob, BatchRunner};

use super::write::SaveMode;
use crate::dataframe::DataFrame;

/// A write, as its [`DataFrameWriter`](super::DataFrameWriter) has it.
pub(super) struct DeltaWrite<'a> {
    pub(super) frame: DataFrame,
    pub(super) location: &'a str,
    pub(super) mode: SaveMode,
    pub(super) partition_by: Vec<String>,
    pub(super) options: Options,
    pub(super) expected_version: Option<u64>,
}

/// Writes in one commit.
pub(super) async fn save(write: DeltaWrite<'_>) -> Result<()> {
    let input: LogicalPlan = write.frame.plan().clone();
    let session = write.frame.session();
    let stores = session.stores();
    let sink = DeltaSink::try_new(write.location, write.partition_by, &write.options, stores)?;
    let runner = SessionRunner(session.runner());
    let mode = match (write.mode, write.expected_version) {
        (SaveMode::Overwrite, expected) => {
            let state = session.datafusion().state();
            sink.overwrite(input, &state, &runner, expected).await?;
            return Ok(());
        }
        (_, Some(version)) => {
            return Err(Error::invalid_argument(format!(
                "expected_version({version}) belongs to mode \"overwrite\": other modes replace nothing"
            )));
        }
        (SaveMode::Append, None) => AppendMode::Append,
        (SaveMode::ErrorIfExists, None) => AppendMode::ErrorIfExists,
        (SaveMode::Ignore, None) => AppendMode::Ignore,
    };
    let schema = Arc::clone(input.schema().inner());
    if !sink.prepare_append(Arc::clone(&schema), mode).await? {
        return Ok(());
    }
    let step = sink.write_step(Arc::clone(&schema)).await?;
    let written = collect_manifest(&runner.run(WriteNode::plan(step, input)?).await?)?;
    sink.append(&written, schema, mode).await?;
    Ok(())
}

/// The session's runner, for the plans of one write.
struct SessionRunner(Arc<dyn BatchRunner>);

#[async_trait]
impl PlanRunner for SessionRunner {
    async fn run(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>> {
        let job = BatchJob {
            plan,
            timestamp: chrono::Utc::now(),
        };
        Ok(self.0.run(job).await?.rows)
    }
}
