//! The table that stands for a streaming source in a dataframe, until a batch gives it a range.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Error;
use crate::source::StreamSource;

/// The unbounded table of a [`StreamSource`]. It cannot be scanned: the micro-batch runtime replaces
/// it by the bounded table of each batch's range.
#[derive(Debug)]
pub struct StreamTable {
    source: Arc<dyn StreamSource>,
}

impl StreamTable {
    /// The table of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn StreamSource>) -> Self {
        Self { source }
    }

    /// The source it stands for.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn StreamSource> {
        &self.source
    }
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        // Spark: "Queries with streaming sources must be executed with writeStream.start()".
        Err(Error::invalid_plan(format!(
            "{} is a stream: start it with write_stream(), or read it once with read()",
            self.source.description()
        ))
        .into())
    }
}
