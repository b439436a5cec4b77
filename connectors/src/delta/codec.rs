//! How a [`DeltaWriteExec`] travels.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use prost::Message;
use url::Url;
use weir_plan::write_node::only_input;
use weir_plan::{Error, NodeCodec, Result};
use weir_proto::nodes::{DeltaDiversion, DeltaRowCheck, DeltaWriteNode};

use super::exec::DeltaWriteExec;
use super::options::Codec;
use super::row_check::{RowCheck, Rule};
use super::spec::{Diverting, StatsColumns, WriteSpec};

/// Encodes and decodes [`DeltaWriteExec`].
#[derive(Debug, Clone, Copy, Default)]
pub struct DeltaWriteCodec;

impl NodeCodec for DeltaWriteCodec {
    fn name(&self) -> &'static str {
        "DeltaWriteExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let Some(exec) = node.downcast_ref::<DeltaWriteExec>() else {
            return Ok(None);
        };
        let message = node_of(exec.spec())?;
        Ok(Some(message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let node =
            DeltaWriteNode::decode(payload).map_err(|error| damaged("").with_source(error))?;
        let spec = spec_of(node)?;
        Ok(Arc::new(DeltaWriteExec::try_new(Arc::new(spec), input)?))
    }
}

fn node_of(spec: &WriteSpec) -> Result<DeltaWriteNode> {
    let schema = serde_json::to_string(&spec.schema).map_err(|error| {
        Error::internal("cannot encode the schema of a delta table").with_source(error)
    })?;
    Ok(DeltaWriteNode {
        table_url: spec.url.to_string(),
        schema_json: schema,
        partition_columns: spec.partition_by.clone(),
        target_file_size_bytes: spec.target_file_size_bytes,
        stats_columns: spec.stats.named.clone().unwrap_or_default(),
        stats_columns_named: spec.stats.named.is_some(),
        stats_indexed_columns: spec.stats.first,
        compression: spec.codec.as_str().to_owned(),
        hash_by_partition: spec.hash_by_partition,
        row_check: spec.row_check.as_ref().map(|check| DeltaRowCheck {
            predicate: check.predicate.clone(),
            columns: check.columns.clone(),
            not_matching: check.rule == Rule::NotMatching,
        }),
        diversion: diversion_of(spec)?.map(Box::new),
    })
}

fn diversion_of(spec: &WriteSpec) -> Result<Option<DeltaDiversion>> {
    let Some(diverting) = &spec.diversion else {
        return Ok(None);
    };
    let diversion = serde_json::to_string(&diverting.diversion).map_err(|error| {
        Error::internal("cannot encode the rules of a delta write").with_source(error)
    })?;
    let letters = diverting.letters.as_deref().map(node_of).transpose()?;
    Ok(Some(DeltaDiversion {
        diversion_json: diversion,
        letters: letters.map(Box::new),
    }))
}

fn spec_of(node: DeltaWriteNode) -> Result<WriteSpec> {
    Ok(WriteSpec {
        url: Url::parse(&node.table_url)
            .map_err(|error| damaged("table URL").with_source(error))?,
        schema: serde_json::from_str(&node.schema_json)
            .map_err(|error| damaged("schema").with_source(error))?,
        partition_by: node.partition_columns,
        target_file_size_bytes: node.target_file_size_bytes,
        stats: StatsColumns {
            first: node.stats_indexed_columns,
            named: node.stats_columns_named.then_some(node.stats_columns),
        },
        codec: Codec::parse(&node.compression).ok_or_else(|| damaged("compression"))?,
        hash_by_partition: node.hash_by_partition,
        row_check: node.row_check.map(|check| RowCheck {
            predicate: check.predicate,
            columns: check.columns,
            rule: if check.not_matching {
                Rule::NotMatching
            } else {
                Rule::AllMustMatch
            },
        }),
        diversion: match node.diversion {
            None => None,
            Some(sent) => Some(Diverting {
                diversion: serde_json::from_str(&sent.diversion_json)
                    .map_err(|error| damaged("rules").with_source(error))?,
                letters: match sent.letters {
                    None => None,
                    Some(letters) => Some(Box::new(spec_of(*letters)?)),
                },
            }),
        },
    })
}

fn damaged(part: &str) -> Error {
    Error::internal(format!(
        "a delta write sent to this process is damaged {part}"
    ))
}
