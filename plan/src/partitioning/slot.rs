//! The node that gives rows the slots of their partitions.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::common::hash_utils::create_hashes;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
};
use futures::StreamExt as _;
use prost::Message;
use weir_proto::nodes::SlotNode;

use super::exchange::without_last;
use crate::codec::NodeCodec;
use crate::error::{Error, Result};
use crate::manifest::WritePlace;
use crate::one_input::{one_input, properties_over};
use crate::write_node::only_input;

/// What the column of the slots is called, after all others. Nobody looks it up by its name.
const SLOT_COLUMN: &str = "__weir_slot";

/// Numbers that are tried to find one for each partition: enough for [`super::PARTITIONS_MAX`] partitions in some thousand tasks.
const NUMBERS_MAX: u64 = 1 << 33;

/// Adds the column of the slots (`UInt64`) to the rows of its input, or puts it in the place of the last one, which holds the number of
/// a row's partition (`Int32`).
#[derive(Debug)]
pub(super) struct SlotExec {
    /// Those with rows in them.
    partitions: usize,
    /// Those of the exchange, in one task.
    each: usize,
    /// Those of the exchange, in all tasks.
    total: usize,
    numbered: bool,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SlotExec {
    pub(super) fn try_new(
        partitions: usize,
        each: usize,
        total: usize,
        numbered: bool,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        if partitions == 0 || each == 0 || total == 0 {
            return Err(Error::internal("slots of no partitions"));
        }
        let schema = match numbered {
            true => without_last(&input.schema())?,
            false => input.schema(),
        };
        let own = Arc::new(Field::new(SLOT_COLUMN, DataType::UInt64, false));
        let fields: Vec<_> = schema.fields().iter().cloned().chain([own]).collect();
        let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
        let properties = properties_over(
            &input,
            Arc::new(schema),
            input.output_partitioning().partition_count(),
        );
        Ok(Self {
            partitions,
            each,
            total,
            numbered,
            input,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The node for an exchange of `total` partitions in all tasks.
    pub(super) fn of_total(&self, total: usize) -> Result<Self> {
        let input = Arc::clone(&self.input);
        Self::try_new(self.partitions, self.each, total, self.numbered, input)
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Self::try_new(self.partitions, self.each, self.total, self.numbered, input)
    }
}

/// A slot for each of `partitions`, which are dealt to tasks of `each` partitions, `total` in all.
///
/// # Errors
/// `Internal` if there is none for some partition, which is not to be expected of a hash.
fn slots(partitions: usize, each: usize, total: usize) -> Result<Vec<u64>> {
    const AT_ONCE: u64 = 4096;
    let tasks = total.div_ceil(each);
    // The partitions of a task are next to each other.
    let place = |partition: usize| ((partition % tasks) * each + partition / tasks) % total;
    let mut numbers = vec![None; total];
    let mut wanted = vec![false; total];
    (0..partitions).for_each(|partition| wanted[place(partition)] = true);
    let mut missing = wanted.iter().filter(|wanted| **wanted).count();
    let mut from = 0;
    while missing > 0 {
        if from >= NUMBERS_MAX {
            return Err(Error::internal(format!(
                "no slot falls on some of {total} partitions"
            )));
        }
        let tried: ArrayRef = Arc::new(UInt64Array::from_iter_values(from..from + AT_ONCE));
        let mut hashes = vec![0; tried.len()];
        create_hashes(
            [&tried],
            REPARTITION_RANDOM_STATE.random_state(),
            &mut hashes,
        )?;
        for (number, hash) in (from..).zip(hashes) {
            let at = usize::try_from(hash % total as u64).unwrap_or_default();
            if wanted[at] && numbers[at].is_none() {
                numbers[at] = Some(number);
                missing -= 1;
            }
        }
        from += AT_ONCE;
    }
    Ok((0..partitions)
        .filter_map(|partition| numbers[place(partition)])
        .collect())
}

impl DisplayAs for SlotExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.numbered {
            "by number"
        } else {
            "in turns"
        };
        write!(f, "SlotExec: {} partitions {how}", self.partitions)
    }
}

impl ExecutionPlan for SlotExec {
    one_input!("SlotExec");

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let slots = slots(self.partitions, self.each, self.total)?;
        // Inputs of few rows do not all begin with the same partition.
        let has = self.input.output_partitioning().partition_count();
        let first = WritePlace::new(partition, has, &context)?.number();
        let mut next = usize::try_from(first).unwrap_or_default() % slots.len();
        let (numbered, schema) = (self.numbered, self.schema());
        let measured = BaselineMetrics::new(&self.metrics, partition);
        let rows = self.input.execute(partition, context)?;
        let stream_schema = Arc::clone(&schema);
        let rows = rows.map(move |batch| {
            let _timer = measured.elapsed_compute().timer();
            let slotted = with_slots(&batch?, &schema, &slots, numbered, &mut next)?;
            measured.record_output(slotted.num_rows());
            Ok(slotted)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(stream_schema, rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

fn with_slots(
    batch: &RecordBatch,
    schema: &SchemaRef,
    slots: &[u64],
    numbered: bool,
    next: &mut usize,
) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    let of_rows: UInt64Array = match numbered {
        false => {
            let rows = 0..batch.num_rows();
            let of_rows = rows.map(|row| slots[(*next + row) % slots.len()]);
            let of_rows = of_rows.collect();
            *next = (*next + batch.num_rows()) % slots.len();
            of_rows
        }
        true => {
            let numbers = columns.pop();
            let numbers = numbers
                .as_ref()
                .and_then(|numbers| numbers.as_primitive_opt::<Int32Type>());
            let numbers = numbers.ok_or_else(|| Error::internal("partitions without numbers"))?;
            let slot = |number: i32| {
                usize::try_from(number)
                    .ok()
                    .and_then(|at| slots.get(at).copied())
            };
            let of_rows = numbers.values().iter().map(|number| slot(*number));
            let of_rows: Option<Vec<u64>> = of_rows.collect();
            let of_rows = of_rows.filter(|_| numbers.logical_null_count() == 0);
            of_rows
                .ok_or_else(|| Error::internal("a row of a partition that is none"))?
                .into()
        }
    };
    columns.push(Arc::new(of_rows));
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::internal("slots do not fit their rows").with_source(error))
}

/// Encodes and decodes `SlotExec`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SlotCodec;

impl NodeCodec for SlotCodec {
    fn name(&self) -> &'static str {
        "SlotExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let exec = node.downcast_ref::<SlotExec>();
        let message = exec.map(|exec| SlotNode {
            partitions: exec.partitions as u64,
            each: exec.each as u64,
            total: exec.total as u64,
            numbered: exec.numbered,
        });
        Ok(message.map(|message| message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let damaged = || Error::internal("a node of slots is damaged");
        let node = SlotNode::decode(payload).map_err(|error| damaged().with_source(error))?;
        let number = |number: u64| usize::try_from(number).map_err(|_| damaged());
        let (partitions, each) = (number(node.partitions)?, number(node.each)?);
        let exec = SlotExec::try_new(partitions, each, number(node.total)?, node.numbered, input)?;
        Ok(Arc::new(exec))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::datatypes::UInt64Type;
    use datafusion::physical_expr::expressions::Column;
    use datafusion::physical_plan::metrics::Time;
    use datafusion::physical_plan::repartition::BatchPartitioner;

    use super::*;

    /// The partitions of an exchange of `total` that the slots fall on.
    fn places(partitions: usize, each: usize, total: usize) -> Vec<usize> {
        let slots = slots(partitions, each, total).unwrap();
        assert_eq!(slots.len(), partitions);
        let column: ArrayRef = Arc::new(UInt64Array::from(slots.clone()));
        let batch = RecordBatch::try_from_iter([("slot", column)]).unwrap();
        let by = vec![Arc::new(Column::new("slot", 0)) as _];
        let mut places = HashMap::new();
        let mut exchange = BatchPartitioner::new_hash_partitioner(by, total, Time::new()).unwrap();
        exchange
            .partition(batch, |place, batch| {
                let slots = batch.column(0).as_primitive::<UInt64Type>().values();
                places.extend(slots.iter().map(|slot| (*slot, place)));
                Ok(())
            })
            .unwrap();
        slots.iter().map(|slot| places[slot]).collect()
    }

    #[test]
    fn slots_fall_on_a_partition_each_and_are_dealt_to_tasks() {
        assert_eq!(places(1, 1, 1), [0]);
        assert_eq!(places(4, 4, 4), [0, 1, 2, 3]);
        // Two tasks of two.
        assert_eq!(places(4, 2, 4), [0, 2, 1, 3]);
        // Three of five partitions of one task more than asked for.
        assert_eq!(places(5, 2, 6), [0, 2, 4, 1, 3]);
        let mut many = places(1000, 334, 1002);
        many.sort_unstable();
        many.dedup();
        assert_eq!(many.len(), 1000);
    }

    #[test]
    fn more_partitions_than_the_exchange_has_share_its_partitions() {
        let mut places = places(6, 3, 3);
        places.sort_unstable();
        assert_eq!(places, [0, 0, 1, 1, 2, 2]);
    }
}
