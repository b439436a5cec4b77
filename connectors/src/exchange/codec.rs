//! How the node of exchanges travels.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::protobuf;
use prost::Message;
use url::Url;
use weir_plan::{Error, NodeCodec, Result};
use weir_proto::nodes::ExchangeWriteNode;

use super::exec::ExchangeWriteExec;

/// Encodes and decodes [`ExchangeWriteExec`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ExchangeWriteCodec;

impl NodeCodec for ExchangeWriteCodec {
    fn name(&self) -> &'static str {
        "ExchangeWriteExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let Some(exec) = node.downcast_ref::<ExchangeWriteExec>() else {
            return Ok(None);
        };
        let stored = protobuf::Schema::try_from(exec.stored().as_ref()).map_err(|error| {
            Error::internal("the columns of an exchange cannot travel").with_source(error)
        })?;
        let message = ExchangeWriteNode {
            url: exec.url().to_string(),
            schema: stored.encode_to_vec(),
        };
        Ok(Some(message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = inputs else {
            return Err(Error::internal("an exchange takes one input"));
        };
        let damaged = || Error::internal("a node of an exchange is damaged");
        let node =
            ExchangeWriteNode::decode(payload).map_err(|error| damaged().with_source(error))?;
        let stored = protobuf::Schema::decode(node.schema.as_slice())
            .map_err(|error| damaged().with_source(error))?;
        let stored = Schema::try_from(&stored).map_err(|error| damaged().with_source(error))?;
        let url = Url::parse(&node.url).map_err(|error| damaged().with_source(error))?;
        let exec = ExchangeWriteExec::try_new(url, Arc::new(stored), Arc::clone(input))?;
        Ok(Arc::new(exec))
    }
}
