//! How the node of exchanges travels.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use prost::Message;
use url::Url;
use weir_plan::write_node::only_input;
use weir_plan::{Error, NodeCodec, Result};
use weir_proto::nodes::ExchangeWriteNode;

use super::exec::ExchangeWriteExec;
use crate::schema_codec::{decode_schema, encode_schema};

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
        let message = ExchangeWriteNode {
            url: exec.url().to_string(),
            schema: encode_schema(exec.stored())?,
        };
        Ok(Some(message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let damaged = || Error::internal("a node of an exchange is damaged");
        let node =
            ExchangeWriteNode::decode(payload).map_err(|error| damaged().with_source(error))?;
        let stored = decode_schema(&node.schema)?;
        let url = Url::parse(&node.url).map_err(|error| damaged().with_source(error))?;
        let exec = ExchangeWriteExec::try_new(url, stored, input)?;
        Ok(Arc::new(exec))
    }
}
