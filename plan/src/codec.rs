//! How Weir's nodes travel to an executor: each node owns its codec, a registry composes them.
//!
//! A node's bytes are an `ExtensionNode` envelope behind a magic tag, so that another codec's bytes
//! are never taken for Weir's.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use prost::Message;
use weir_proto::nodes::ExtensionNode;

use crate::compact::CompactCodec;
use crate::error::{Error, Result};
use crate::functions::registry;
use crate::joins::{BroadcastLimitCodec, SaltCodec};
use crate::partitioning::{CoalesceCodec, PartitionsCodec, SlotCodec, SmallPartitionsCodec};

const MAGIC: &[u8; 5] = b"WEIR1";

/// Encodes and decodes one kind of node.
pub trait NodeCodec: Debug + Send + Sync {
    /// The node's registered name, usually its `ExecutionPlan::name`.
    fn name(&self) -> &'static str;

    /// The node's payload; `None` when `node` is of another kind.
    ///
    /// # Errors
    /// `Internal` when the node holds what cannot travel.
    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>>;

    /// The node again.
    ///
    /// # Errors
    /// `Internal` when the payload or the number of inputs is not this node's.
    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>>;
}

/// Weir's `PhysicalExtensionCodec`: the registry of [`NodeCodec`]s.
#[derive(Debug, Clone, Default)]
pub struct WeirCodec {
    nodes: Vec<Arc<dyn NodeCodec>>,
}

impl WeirCodec {
    /// A registry of `nodes`, and of this crate's own.
    #[must_use]
    pub fn new(mut nodes: Vec<Arc<dyn NodeCodec>>) -> Self {
        nodes.push(Arc::new(SaltCodec));
        nodes.push(Arc::new(BroadcastLimitCodec));
        nodes.push(Arc::new(SlotCodec));
        nodes.push(Arc::new(PartitionsCodec));
        nodes.push(Arc::new(CoalesceCodec));
        nodes.push(Arc::new(SmallPartitionsCodec));
        nodes.push(Arc::new(CompactCodec));
        Self { nodes }
    }
}

impl PhysicalExtensionCodec for WeirCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _ctx: &TaskContext,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let Some(envelope) = buf.strip_prefix(MAGIC) else {
            return Err(Error::internal("a plan node's bytes are not Weir's").into());
        };
        let envelope = ExtensionNode::decode(envelope)
            .map_err(|error| Error::internal("a Weir plan node is damaged").with_source(error))?;
        let codec = self
            .nodes
            .iter()
            .find(|codec| codec.name() == envelope.node)
            .ok_or_else(|| {
                Error::internal(format!(
                    "plan node {:?} is unknown here: the sender runs another version of Weir",
                    envelope.node
                ))
            })?;
        Ok(codec.decode(&envelope.payload, inputs)?)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<(), DataFusionError> {
        for codec in &self.nodes {
            if let Some(payload) = codec.encode(node.as_ref())? {
                buf.extend_from_slice(MAGIC);
                let envelope = ExtensionNode {
                    node: codec.name().to_owned(),
                    payload,
                };
                envelope.encode(buf).map_err(|error| {
                    Error::internal("cannot encode a plan node").with_source(error)
                })?;
                return Ok(());
            }
        }
        Err(Error::unsupported(format!(
            "plan node {} cannot be sent to an executor",
            node.name()
        ))
        .into())
    }

    // A function that is not Weir's keeps no bytes: the executor finds it by its name.
    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<(), DataFusionError> {
        if let Some(payload) = registry::encode(node)? {
            buf.extend_from_slice(MAGIC);
            buf.extend_from_slice(&payload);
        } else if crate::functions::scalar(node.name()).is_some_and(|own| *own == *node) {
            // It holds nothing but what is in its arguments.
            buf.extend_from_slice(MAGIC);
        }
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>, DataFusionError> {
        match buf.strip_prefix(MAGIC) {
            Some(payload) if !payload.is_empty() => Ok(registry::decode(name, payload)?),
            _ => crate::functions::scalar(name).ok_or_else(|| unknown_function(name).into()),
        }
    }

    // An aggregate of Weir's may have the name of one of DataFusion's: bytes say that it is Weir's.
    fn try_encode_udaf(
        &self,
        node: &AggregateUDF,
        buf: &mut Vec<u8>,
    ) -> Result<(), DataFusionError> {
        let own = crate::functions::aggregate(node.name());
        if own.is_some_and(|own| *own == *node) {
            buf.extend_from_slice(MAGIC);
        }
        Ok(())
    }

    fn try_decode_udaf(
        &self,
        name: &str,
        _buf: &[u8],
    ) -> Result<Arc<AggregateUDF>, DataFusionError> {
        crate::functions::aggregate(name).ok_or_else(|| unknown_function(name).into())
    }
}

fn unknown_function(name: &str) -> Error {
    Error::internal(format!(
        "function {name:?} is unknown here: the sender runs another version of Weir"
    ))
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{Expr, col};

    use super::*;
    use crate::functions::kernel::Function;
    use crate::functions::registry::GET_JSON_OBJECT;

    #[test]
    fn weir_functions_come_back_with_their_parameters() {
        let options = [("mode", "FAILFAST"), ("dateFormat", "dd/MM/yyyy")];
        let from_json = crate::functions::from_json(col("t"), "a INT, d DATE", options).unwrap();
        let path = datafusion::logical_expr::lit("$.a");
        for expr in [
            from_json,
            Function::call(&GET_JSON_OBJECT, vec![col("t"), path]),
        ] {
            let Expr::ScalarFunction(call) = &expr else {
                panic!("{expr}")
            };
            let codec = WeirCodec::default();
            let mut bytes = Vec::new();
            codec.try_encode_udf(&call.func, &mut bytes).unwrap();
            let back = codec.try_decode_udf(call.func.name(), &bytes).unwrap();
            assert_eq!(back, call.func);
            assert!(codec.try_decode_udf("from_json", b"other").is_err());
        }
    }

    #[test]
    fn every_function_comes_back_by_a_name_of_its_own() {
        let codec = WeirCodec::default();
        let mut names = std::collections::HashSet::new();
        for function in registry::functions() {
            assert!(
                names.insert(function.name().to_owned()),
                "{}",
                function.name()
            );
            let mut bytes = Vec::new();
            codec.try_encode_udf(&function, &mut bytes).unwrap();
            let back = codec.try_decode_udf(function.name(), &bytes).unwrap();
            assert_eq!(back, function);
        }
        let Expr::AggregateFunction(sum) = crate::functions::sum(col("n")) else {
            panic!("sum is no aggregate")
        };
        let back = codec.try_decode_udaf(sum.func.name(), &[]).unwrap();
        assert_eq!(back, sum.func);
    }
}
