//! DataFusion's reader of Parquet, with the file's name in its errors.
//!
//! A damaged page is met when its rows are decoded, and the decoder does not know which file it decodes:
//! each step of reading a file is wrapped, from its first read to its last batch. Sent to an executor,
//! the scan is DataFusion's own.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::ObjectStore;

use super::scan::unreadable;
use crate::files::location::shown;

type DfResult<T> = Result<T, DataFusionError>;

/// `inner`, naming files.
pub(super) struct NamedSource(pub(super) Arc<dyn FileSource>);

fn wrap(inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
    Arc::new(NamedSource(inner))
}

impl FileSource for NamedSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> DfResult<Arc<dyn FileOpener>> {
        self.0.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> DfResult<Box<dyn Morselizer>> {
        let inner = self.0.create_morselizer(store, config, partition)?;
        Ok(Box::new(NamedMorselizer(inner)))
    }

    fn table_schema(&self) -> &TableSchema {
        self.0.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        wrap(self.0.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.0.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.0.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.0.metrics()
    }

    fn file_type(&self) -> &str {
        self.0.file_type()
    }

    fn fmt_extra(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_extra(format, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.0.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        min_size: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> DfResult<Option<FileScanConfig>> {
        self.0
            .repartitioned(target_partitions, min_size, ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> DfResult<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let mut pushed = self.0.try_pushdown_filters(filters, config)?;
        pushed.updated_node = pushed.updated_node.map(wrap);
        Ok(pushed)
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> DfResult<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        use SortOrderPushdownResult::{Exact, Inexact, Unsupported};
        Ok(match self.0.try_pushdown_sort(order, properties)? {
            Exact { inner } => Exact { inner: wrap(inner) },
            Inexact { inner } => Inexact { inner: wrap(inner) },
            Unsupported => Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.0.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> DfResult<Option<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_projection(projection)?.map(wrap))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }

    fn try_to_proto(
        &self,
        base: &FileScanConfig,
        context: &ExecutionPlanEncodeCtx<'_>,
    ) -> DfResult<Option<PhysicalPlanNode>> {
        self.0.try_to_proto(base, context)
    }
}

#[derive(Debug)]
struct NamedMorselizer(Box<dyn Morselizer>);

impl Morselizer for NamedMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> DfResult<Box<dyn MorselPlanner>> {
        let name: Arc<str> = shown(&file.object_meta.location).into();
        match self.0.plan_file(file) {
            Ok(inner) => Ok(Box::new(NamedPlanner { inner, name })),
            Err(error) => Err(unreadable(&name, error).into()),
        }
    }
}

#[derive(Debug)]
struct NamedPlanner {
    inner: Box<dyn MorselPlanner>,
    name: Arc<str>,
}

impl MorselPlanner for NamedPlanner {
    fn plan(self: Box<Self>) -> DfResult<Option<MorselPlan>> {
        let name = self.name;
        let planned = self
            .inner
            .plan()
            .map_err(|error| unreadable(&name, error))?;
        let Some(mut plan) = planned else {
            return Ok(None);
        };
        let morsels = plan.take_morsels().into_iter().map(|inner| {
            let name = Arc::clone(&name);
            Box::new(NamedMorsel { inner, name }) as Box<dyn Morsel>
        });
        let planners = plan.take_ready_planners().into_iter().map(|inner| {
            let name = Arc::clone(&name);
            Box::new(NamedPlanner { inner, name }) as Box<dyn MorselPlanner>
        });
        let mut named = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            let name = Arc::clone(&name);
            named.set_pending_planner(async move {
                match pending.await {
                    Ok(inner) => {
                        Ok(Box::new(NamedPlanner { inner, name }) as Box<dyn MorselPlanner>)
                    }
                    Err(error) => Err(unreadable(&name, error).into()),
                }
            });
        }
        Ok(Some(named))
    }
}

#[derive(Debug)]
struct NamedMorsel {
    inner: Box<dyn Morsel>,
    name: Arc<str>,
}

impl Morsel for NamedMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, DfResult<RecordBatch>> {
        let name = self.name;
        let rows = self.inner.into_stream();
        rows.map(move |rows| rows.map_err(|error| unreadable(&name, error).into()))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::ScalarValue;
    use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
    use datafusion::datasource::source::DataSourceExec;
    use datafusion::execution::object_store::ObjectStoreUrl;
    use datafusion::physical_plan::{ExecutionPlan, displayable};
    use datafusion::prelude::SessionContext;
    use datafusion_proto::bytes::{
        physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
    };
    use weir_plan::WeirCodec;

    use super::*;

    #[test]
    fn scan_survives_the_journey_with_its_files_and_partition_values() {
        let schema = TableSchema::builder(Arc::new(Schema::new(vec![Field::new(
            "n",
            DataType::Int64,
            true,
        )])))
        .with_table_partition_cols(vec![Arc::new(Field::new("p", DataType::Utf8, true))])
        .build();
        let file = |path: &str, value: Option<&str>| {
            PartitionedFile::new(path, 10)
                .with_partition_values(vec![ScalarValue::Utf8(value.map(str::to_owned))])
        };
        let source = wrap(Arc::new(ParquetSource::new(schema)));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file(file("t/p=a/x.parquet", Some("a")))
            .with_file(file("t/p=__HIVE_DEFAULT_PARTITION__/y.parquet", None))
            .build();
        let plan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        let codec = WeirCodec::new(crate::node_codecs());
        let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(&plan), &codec).unwrap();
        let context = SessionContext::new().task_ctx();
        let back = physical_plan_from_bytes_with_extension_codec(&bytes, &context, &codec).unwrap();
        let shown = |plan: &dyn ExecutionPlan| displayable(plan).indent(true).to_string();
        assert_eq!(shown(back.as_ref()), shown(plan.as_ref()));
        assert_eq!(back.schema(), plan.schema());
        let values = |plan: &Arc<dyn ExecutionPlan>| -> Vec<Vec<ScalarValue>> {
            let exec = plan.downcast_ref::<DataSourceExec>().unwrap();
            let (config, _) = exec.downcast_to_file_source::<NamedSource>().map_or_else(
                || {
                    let (config, _) = exec.downcast_to_file_source::<ParquetSource>().unwrap();
                    (config, ())
                },
                |(config, _)| (config, ()),
            );
            let files = config.file_groups.iter().flat_map(|group| group.iter());
            files.map(|file| file.partition_values.clone()).collect()
        };
        assert_eq!(values(&back), values(&plan));
    }
}
