//! Dataframes a session makes out of what it has: views, numbers, and batches in memory.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl};
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::functions_table::generate_series::RangeFunc;
use datafusion::logical_expr::lit;
use weir_plan::options::did_you_mean;
use weir_plan::{Error, ErrorKind, Result};

use super::Session;
use crate::dataframe::DataFrame;
use crate::functions::col;

impl Session {
    /// The rows of the view `name`.
    ///
    /// # Errors
    /// `NotFound`, with the nearest, when there is none.
    pub async fn table(&self, name: &str) -> Result<DataFrame> {
        let reference = TableReference::parse_str(name);
        if !self.datafusion().table_exist(reference.clone())? {
            let known = self.view_names();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "no table or view {name:?}{}",
                    did_you_mean(name, known.iter().map(String::as_str))
                ),
            ));
        }
        let inner = self.datafusion().table(reference).await?;
        Ok(DataFrame::from_datafusion(self, inner))
    }

    /// The whole numbers from `start` up to, and without, `end`, `step` apart, in column `id`; downwards when
    /// `step` is negative.
    ///
    /// # Errors
    /// `InvalidArgument` for a step of zero.
    pub fn range(&self, start: i64, end: i64, step: i64) -> Result<DataFrame> {
        if step == 0 {
            return Err(Error::invalid_argument(
                "range(): the step is 0; give a positive or a negative one",
            ));
        }
        let arguments = [lit(start), lit(end), lit(step)];
        let state = self.datafusion().state();
        let numbers = RangeFunc {}.call_with_args(TableFunctionArgs::new(&arguments, &state))?;
        let inner = self.datafusion().read_table(numbers)?;
        DataFrame::from_datafusion(self, inner).select([col("value").alias("id")])
    }

    /// The rows of `batches`, which all have the schema `schema`.
    ///
    /// # Errors
    /// `InvalidPlan` when a batch has another one.
    pub fn create_dataframe(
        &self,
        schema: SchemaRef,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<DataFrame> {
        let batches: Vec<RecordBatch> = batches.into_iter().collect();
        for (at, batch) in batches.iter().enumerate() {
            if !schema.contains(&batch.schema()) {
                return Err(Error::invalid_plan(format!(
                    "create_dataframe: batch {at} has the columns {}, not {}",
                    batch.schema(),
                    schema
                )));
            }
        }
        let table = MemTable::try_new(schema, vec![batches])?;
        let inner = self.datafusion().read_table(Arc::new(table))?;
        Ok(DataFrame::from_datafusion(self, inner))
    }

    /// Forgets the view `name`; whether there was one. Dataframes made of it stay as they are.
    ///
    /// # Errors
    /// `InvalidPlan` when `name` names a catalog or schema that does not exist.
    pub fn drop_temp_view(&self, name: &str) -> Result<bool> {
        let dropped = self.datafusion().deregister_table(name)?;
        Ok(dropped.is_some())
    }

    fn view_names(&self) -> Vec<String> {
        let state = self.datafusion().state();
        let catalog = &state.config_options().catalog;
        let schema = self
            .datafusion()
            .catalog(&catalog.default_catalog)
            .and_then(|found| found.schema(&catalog.default_schema));
        schema
            .map(|schema| schema.table_names())
            .unwrap_or_default()
    }
}
