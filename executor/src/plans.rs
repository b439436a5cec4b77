//! How the plans of tasks are written for executors.
//!
//! The library asks its own codec first when it writes a plan, and that takes every function for one that
//! is known by its name: what a function holds would be lost, and a function of Weir's taken for
//! DataFusion's of the same name, which can give other rows. Plans are therefore written here, in the form
//! in which the library reads them: each extension with the number of the codec that is to read it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::{
    CoordinatorToWorkerMsg, DistributedCodec, ExecuteTaskRequest, GetWorkerInfoRequest,
    GetWorkerInfoResponse, MaybeEncoded, SetPlanRequest, WorkerChannel, WorkerToCoordinatorMsg,
};
use datafusion_proto::bytes::physical_plan_to_bytes_with_proto_converter;
use datafusion_proto::physical_plan::{
    DeduplicatingProtoConverter, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};
use futures::stream::BoxStream;
use http::HeaderMap;
use prost::Message;
use weir_connectors::node_codecs;
use weir_plan::{Error, WeirCodec};

/// The places of codecs in the order in which an executor has them.
const OF_THE_LIBRARY: u32 = 0;
const OF_WEIR: u32 = 1;

/// An extension as `ComposedPhysicalExtensionCodec` reads it.
#[derive(Clone, PartialEq, Message)]
struct Extension {
    #[prost(uint32, tag = "1")]
    codec: u32,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

/// Writes, and reads nothing.
#[derive(Debug)]
struct PlanWriter {
    weir: WeirCodec,
}

fn put(codec: u32, data: Vec<u8>, buf: &mut Vec<u8>) -> Result<()> {
    Extension { codec, data }.encode(buf).map_err(|error| {
        Error::internal("a part of a plan cannot be written")
            .with_source(error)
            .into()
    })
}

impl PhysicalExtensionCodec for PlanWriter {
    fn try_decode(
        &self,
        _buf: &[u8],
        _inputs: &[Arc<dyn ExecutionPlan>],
        _ctx: &TaskContext,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(Error::internal("plans are not read where they are written").into())
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let mut data = Vec::new();
        let boundary = DistributedCodec.try_encode(Arc::clone(&node), &mut data, converter);
        if boundary.is_ok() {
            return put(OF_THE_LIBRARY, data, buf);
        }
        data.clear();
        self.weir.try_encode(node, &mut data, converter)?;
        put(OF_WEIR, data, buf)
    }

    // One that is not Weir's keeps no bytes: executors find it by its name.
    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        let mut data = Vec::new();
        self.weir.try_encode_udf(node, &mut data)?;
        match data.is_empty() {
            true => Ok(()),
            false => put(OF_WEIR, data, buf),
        }
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        let mut data = Vec::new();
        self.weir.try_encode_udaf(node, &mut data)?;
        match data.is_empty() {
            true => Ok(()),
            false => put(OF_WEIR, data, buf),
        }
    }
}

fn written(plan: Arc<dyn ExecutionPlan>) -> Result<Vec<u8>> {
    let writer = PlanWriter {
        weir: WeirCodec::new(node_codecs()),
    };
    let converter = DeduplicatingProtoConverter::default();
    let bytes = physical_plan_to_bytes_with_proto_converter(plan, &writer, &converter)?;
    Ok(bytes.to_vec())
}

/// A channel to an executor that is sent plans as this module writes them.
pub(crate) struct PlanWritingChannel(pub(crate) Box<dyn WorkerChannel>);

#[async_trait]
impl WorkerChannel for PlanWritingChannel {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        mut request: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        if let MaybeEncoded::Decoded(plan) = &request.plan {
            request.plan = MaybeEncoded::Encoded(written(Arc::clone(plan))?);
        }
        let channel = &mut self.0;
        channel
            .coordinator_channel(headers, request, messages, metrics, context)
            .await
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch, DataFusionError>>>> {
        self.0
            .execute_task(headers, request, metrics, context)
            .await
    }

    async fn get_worker_info(
        &mut self,
        request: GetWorkerInfoRequest,
    ) -> Result<GetWorkerInfoResponse> {
        self.0.get_worker_info(request).await
    }
}
