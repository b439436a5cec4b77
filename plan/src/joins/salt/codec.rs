//! How the node of salts travels.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use prost::Message;
use weir_proto::nodes::{SaltNode, SaltPlaces};

use super::exec::{Role, SaltExec};
use super::places::Places;
use super::{Hot, Salt};
use crate::codec::NodeCodec;
use crate::error::{Error, Result};
use crate::write_node::only_input;

/// Encodes and decodes `SaltExec`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SaltCodec;

impl NodeCodec for SaltCodec {
    fn name(&self) -> &'static str {
        "SaltExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let Some(exec) = node.downcast_ref::<SaltExec>() else {
            return Ok(None);
        };
        let message = SaltNode {
            replicate: exec.role == Role::Replicate,
            keys: exec.keys.iter().map(|key| *key as u64).collect(),
            buckets: exec.salt.buckets,
            nulls_match: exec.salt.nulls_match,
            all_hot: exec.salt.hot.is_all(),
            hot: match &exec.salt.hot {
                Hot::All => Vec::new(),
                Hot::Hashes(hashes) => hashes.to_vec(),
            },
            stays: exec.salt.stays,
            places: exec.places.map(|places| SaltPlaces {
                total: places.total as u64,
                each: places.each as u64,
                executors: places.executors as u64,
            }),
        };
        Ok(Some(message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let damaged = || Error::internal("a node of salts is damaged");
        let node = SaltNode::decode(payload).map_err(|error| damaged().with_source(error))?;
        if node.buckets == 0 {
            return Err(damaged());
        }
        let keys = node.keys.iter().map(|key| usize::try_from(*key).ok());
        let salt = Salt {
            hot: match node.all_hot {
                true => Hot::All,
                false => Hot::Hashes(node.hot.into()),
            },
            buckets: node.buckets,
            nulls_match: node.nulls_match,
            stays: node.stays,
        };
        let places = node.places.map(|places| {
            let count = |count| usize::try_from(count).ok().filter(|count| *count > 0);
            Some(Places {
                total: count(places.total)?,
                each: count(places.each)?,
                executors: count(places.executors)?,
            })
        });
        let places = places.map(|places| places.ok_or_else(damaged));
        let places = places.transpose()?;
        let role = match node.replicate {
            true => Role::Replicate,
            false => Role::Spread,
        };
        let keys = keys.collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        let exec = SaltExec::try_new(salt, role, keys, input)?;
        Ok(Arc::new(exec.with_places(places)))
    }
}
