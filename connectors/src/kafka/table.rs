//! A bounded table of Kafka offset ranges.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::config::ReadConfig;
use super::exec::{KafkaReadExec, ReadSettings};
use super::ranges::{OffsetRange, pack, split};
use super::schema::kafka_schema;

/// The records of explicit offset ranges: the same ones at every scan.
#[derive(Debug)]
pub(super) struct KafkaTable {
    config: Arc<ReadConfig>,
    ranges: Vec<OffsetRange>,
}

impl KafkaTable {
    pub(super) fn new(config: Arc<ReadConfig>, ranges: Vec<OffsetRange>) -> Self {
        Self { config, ranges }
    }
}

#[async_trait]
impl TableProvider for KafkaTable {
    fn schema(&self) -> SchemaRef {
        kafka_schema(self.config.include_headers)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let ranges = split(self.ranges.clone(), self.config.split);
        let tasks_wanted = self.config.split.min_partitions;
        // A range that was cut on request is meant to be read side by side.
        let tasks_wanted = self
            .config
            .split
            .max_records
            .map(|_| ranges.len() as u64)
            .or(tasks_wanted);
        let tasks = pack(ranges, state.config().target_partitions(), tasks_wanted);
        let settings = ReadSettings {
            client: self.config.client.clone(),
            include_headers: self.config.include_headers,
            fail_on_data_loss: self.config.fail_on_data_loss,
            poll_timeout: self.config.poll_timeout,
        };
        Ok(Arc::new(KafkaReadExec::try_new(
            settings, projection, tasks,
        )?))
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
