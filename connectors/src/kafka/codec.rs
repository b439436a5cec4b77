//! How a Kafka read travels to an executor.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use prost::Message;
use weir_plan::{Error, NodeCodec, Result};
use weir_proto::nodes::{KafkaRange, KafkaReadNode, KafkaTask};

use super::exec::{KafkaReadExec, ReadSettings};
use super::offsets::TopicPartition;
use super::properties::ClientProperties;
use super::ranges::OffsetRange;

/// The codec of [`KafkaReadExec`]. The client properties travel with the node, secrets included.
#[derive(Debug, Clone, Copy, Default)]
pub struct KafkaReadCodec;

impl NodeCodec for KafkaReadCodec {
    fn name(&self) -> &'static str {
        "KafkaReadExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let Some(node) = node.downcast_ref::<KafkaReadExec>() else {
            return Ok(None);
        };
        let settings = node.settings();
        let projection = node
            .projection()
            .iter()
            .map(|index| u32::try_from(*index))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                Error::internal("a kafka read has a column that cannot travel").with_source(error)
            })?;
        let message = KafkaReadNode {
            properties: settings.client.to_wire().collect(),
            include_headers: settings.include_headers,
            projection,
            tasks: node.tasks().iter().map(|task| task_out(task)).collect(),
            fail_on_data_loss: settings.fail_on_data_loss,
            poll_timeout_ms: u64::try_from(settings.poll_timeout.as_millis()).unwrap_or(u64::MAX),
        };
        Ok(Some(message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !inputs.is_empty() {
            return Err(Error::internal("a kafka read came with inputs"));
        }
        let message = KafkaReadNode::decode(payload)
            .map_err(|error| Error::internal("a kafka read is damaged").with_source(error))?;
        let settings = ReadSettings {
            client: ClientProperties::from_wire(message.properties.into_iter().collect()),
            include_headers: message.include_headers,
            fail_on_data_loss: message.fail_on_data_loss,
            poll_timeout: Duration::from_millis(message.poll_timeout_ms),
        };
        let projection = message
            .projection
            .into_iter()
            .map(|index| index as usize)
            .collect();
        let tasks = message.tasks.into_iter().map(task_in).collect();
        let node = KafkaReadExec::try_new(settings, Some(&projection), tasks)?;
        Ok(Arc::new(node))
    }
}

fn task_out(task: &[OffsetRange]) -> KafkaTask {
    let ranges = task
        .iter()
        .map(|range| KafkaRange {
            topic: range.at.topic.clone(),
            partition: range.at.partition,
            start: range.start,
            end: range.end,
        })
        .collect();
    KafkaTask { ranges }
}

fn task_in(task: KafkaTask) -> Vec<OffsetRange> {
    task.ranges
        .into_iter()
        .map(|range| OffsetRange {
            at: TopicPartition::new(range.topic, range.partition),
            start: range.start,
            end: range.end,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use weir_plan::Options;

    use super::*;

    fn node() -> KafkaReadExec {
        let options: Options = [
            ("kafka.bootstrap.servers", "broker:9092"),
            ("kafka.sasl.password", "hunter2"),
        ]
        .into_iter()
        .collect();
        let settings = ReadSettings {
            client: ClientProperties::from_options(&options).unwrap(),
            include_headers: true,
            fail_on_data_loss: true,
            poll_timeout: Duration::from_secs(7),
        };
        let range = |topic, partition, start, end| OffsetRange {
            at: TopicPartition::new(topic, partition),
            start,
            end,
        };
        let tasks = vec![
            vec![range("orders", 0, 5, 10), range("orders", 1, 0, i64::MAX)],
            vec![range("events", 7, 1, 2)],
        ];
        KafkaReadExec::try_new(settings, Some(&vec![7, 1, 4]), tasks).unwrap()
    }

    #[test]
    fn node_survives_the_journey_with_its_settings() {
        let node = node();
        let payload = KafkaReadCodec.encode(&node).unwrap().unwrap();
        let back = KafkaReadCodec.decode(&payload, &[]).unwrap();
        assert_eq!(back.schema(), node.schema());
        let shown = |plan: &dyn ExecutionPlan| displayable(plan).indent(true).to_string();
        assert_eq!(shown(back.as_ref()), shown(&node));
        let back = back.downcast_ref::<KafkaReadExec>().unwrap();
        assert_eq!(back.tasks(), node.tasks());
        assert_eq!(back.projection(), node.projection());
        assert_eq!(back.settings().client, node.settings().client);
        assert_eq!(back.settings().poll_timeout, node.settings().poll_timeout);
        assert_eq!(
            back.properties().output_partitioning().partition_count(),
            node.properties().output_partitioning().partition_count()
        );
    }

    #[test]
    fn plan_shows_ranges_and_servers_but_no_secret() {
        let node = node();
        let shown = displayable(&node).indent(true).to_string();
        assert_eq!(
            shown.trim(),
            "KafkaReadExec: servers=broker:9092, tasks=2, columns=[headers, value, offset], \
             ranges=[orders-0[5..10), orders-1[0..9223372036854775807), events-7[1..2)]"
        );
        let all = format!("{shown} {node:?} {}", displayable(&node).tree_render());
        assert!(!all.contains("hunter2"), "{all}");
    }

    #[test]
    fn damaged_payload_and_unexpected_inputs_are_errors() {
        assert!(KafkaReadCodec.decode(&[255, 1], &[]).is_err());
        let payload = KafkaReadCodec.encode(&node()).unwrap().unwrap();
        let input: Arc<dyn ExecutionPlan> = Arc::new(node());
        assert!(KafkaReadCodec.decode(&payload, &[input]).is_err());
    }
}
