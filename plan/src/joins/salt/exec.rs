//! The node that adds a salt to the rows of one side of a join.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::hash_utils::create_hashes;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
};
use futures::StreamExt as _;

use super::Salt;
use super::places::{OwnSalts, Places};
use crate::error::{Error, Result};
use crate::one_input::{one_input, properties_over};
use crate::placement::TaskSlot;

/// What the column of the salt is called, after all others.
pub(super) const SALT_COLUMN: &str = "__weir_salt";

/// What becomes of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Each hot row is given one of the buckets.
    Spread,
    /// Each hot row is given all that others of its key may have: as many copies.
    Replicate,
}

/// Adds the column `__weir_salt` (`UInt32`) to the rows of its input: 0 to a cold one.
#[derive(Debug, Clone)]
pub(super) struct SaltExec {
    pub(super) salt: Salt,
    pub(super) role: Role,
    /// Columns of the input.
    pub(super) keys: Vec<usize>,
    /// None until the exchange above is known.
    pub(super) places: Option<Places>,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SaltExec {
    /// # Errors
    /// `Internal` for keys that the input lacks.
    pub(super) fn try_new(
        salt: Salt,
        role: Role,
        keys: Vec<usize>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let schema = input.schema();
        if keys.is_empty() || keys.iter().any(|key| *key >= schema.fields().len()) {
            return Err(Error::internal(format!(
                "a salt for columns {keys:?} of {}",
                schema.fields().len()
            )));
        }
        let own = Arc::new(Field::new(SALT_COLUMN, DataType::UInt32, false));
        let fields: Vec<_> = schema.fields().iter().cloned().chain([own]).collect();
        let salted = Schema::new_with_metadata(fields, schema.metadata().clone());
        let partitions = input.output_partitioning().partition_count();
        let properties = properties_over(&input, Arc::new(salted), partitions);
        Ok(Self {
            salt,
            role,
            keys,
            places: None,
            input,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The node below an exchange of these partitions.
    pub(super) fn with_places(mut self, places: Option<Places>) -> Self {
        self.places = places;
        self
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        let exec = Self::try_new(self.salt.clone(), self.role, self.keys.clone(), input)?;
        Ok(exec.with_places(self.places))
    }
}

impl DisplayAs for SaltExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.input.schema();
        let keys = self
            .keys
            .iter()
            .map(|key| schema.field(*key).name().as_str());
        let role = match self.role {
            Role::Spread => "spread over",
            Role::Replicate => "replicated to",
        };
        write!(
            f,
            "SaltExec: {} of [{}] {role} {} buckets",
            self.salt.what(),
            keys.collect::<Vec<_>>().join(", "),
            self.salt.buckets
        )?;
        // Null rows, which have no copies, are spread over all.
        match self.places.filter(|_| self.salt.hot.is_any()) {
            Some(places) => write!(f, ", one at most for each of {} partitions", places.total),
            None => Ok(()),
        }
    }
}

// A join's filters on what it has seen do not pass: they go by the partition that a key's rows would be in without a salt.
impl ExecutionPlan for SaltExec {
    one_input!("SaltExec");

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let stays = self.salt.stays && self.role == Role::Spread;
        let task = context.session_config().get_extension::<TaskSlot>();
        let task = task.filter(|_| stays).map(|slot| slot.index);
        let mut salter = Salter {
            salt: self.salt.clone(),
            role: self.role,
            keys: self.keys.clone(),
            own: OwnSalts::new(self.places, task, self.salt.buckets),
            schema: self.schema(),
            next: u32::try_from(partition).unwrap_or_default(),
        };
        let measured = BaselineMetrics::new(&self.metrics, partition);
        let batch_size = context.session_config().batch_size();
        let input = self.input.execute(partition, context)?;
        let salted = input.flat_map(move |batch| {
            let timer = measured.elapsed_compute().clone();
            let rows = measured.output_rows().clone();
            let pieces = batch.and_then(|batch| {
                let _timer = timer.timer();
                salter.salted(batch, batch_size)
            });
            // Copies are made when they are asked for: they may be many.
            let pieces: Pieces = match pieces {
                Ok(pieces) => pieces,
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
            futures::stream::iter(pieces.inspect(move |piece| {
                rows.add(piece.as_ref().map_or(0, RecordBatch::num_rows));
            }))
        });
        let stream = RecordBatchStreamAdapter::new(self.schema(), salted);
        Ok(Box::pin(stream))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>, DataFusionError> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(input) = inputs.first() {
            // Few rows are hot.
            statistics.num_rows = input.num_rows.to_inexact();
            statistics.total_byte_size = input.total_byte_size.to_inexact();
        }
        Ok(Arc::new(statistics))
    }
}

/// The salts of one partition's rows.
struct Salter {
    salt: Salt,
    role: Role,
    keys: Vec<usize>,
    own: OwnSalts,
    schema: SchemaRef,
    /// The bucket of the next hot row: they take turns.
    next: u32,
}

impl Salter {
    /// `batch`, salted: in pieces of about `batch_size` rows if it has grown.
    fn salted(&mut self, batch: RecordBatch, batch_size: usize) -> Result<Pieces, DataFusionError> {
        let keys: Vec<&ArrayRef> = self.keys.iter().map(|key| batch.column(*key)).collect();
        let mut hashes = vec![0; batch.num_rows()];
        if !self.salt.hot.is_all() {
            let state = REPARTITION_RANDOM_STATE.random_state();
            create_hashes(keys.iter().copied(), state, &mut hashes)?;
        }
        let nulls: Vec<_> = keys.iter().filter_map(|key| key.logical_nulls()).collect();
        let is_null = |row: usize| nulls.iter().any(|nulls| nulls.is_null(row));
        let heat = |row: usize| match is_null(row) && !self.salt.nulls_match {
            true => Heat::Unmatched,
            false => match self.salt.hot.position(hashes[row]) {
                Some(key) => Heat::Hot(key),
                None => Heat::Cold,
            },
        };
        if self.role == Role::Spread {
            let mut salts = Vec::with_capacity(batch.num_rows());
            for row in 0..batch.num_rows() {
                let heat = heat(row);
                if !matches!(heat, Heat::Cold) {
                    self.next = self.next.wrapping_add(1);
                }
                salts.push(match heat {
                    Heat::Cold => 0,
                    Heat::Hot(key) => {
                        let salts = self.own.of(key, &keys, row)?;
                        salts[self.next as usize % salts.len()]
                    }
                    // What matches nothing may be anywhere.
                    Heat::Unmatched => self.next % self.salt.buckets,
                });
            }
            return one(with_salts(&self.schema, &batch, salts.into())?);
        }
        let (mut rows, mut salts) = (Vec::new(), Vec::<u32>::new());
        for row in 0..batch.num_rows() {
            let copies = match heat(row) {
                Heat::Hot(key) => self.own.of(key, &keys, row)?,
                Heat::Cold | Heat::Unmatched => &[0],
            };
            let row = u32::try_from(row)
                .map_err(|_| Error::internal("a batch of more than 2^32 rows"))?;
            rows.extend(std::iter::repeat_n(row, copies.len()));
            salts.extend(copies);
        }
        if rows.len() == batch.num_rows() {
            return one(with_salts(&self.schema, &batch, salts.into())?);
        }
        let (schema, size) = (Arc::clone(&self.schema), batch_size.max(1));
        let (rows, salts) = (UInt32Array::from(rows), UInt32Array::from(salts));
        let pieces = (0..rows.len()).step_by(size).map(move |at| {
            let length = size.min(rows.len() - at);
            let copied = take_record_batch(&batch, &rows.slice(at, length))?;
            with_salts(&schema, &copied, salts.slice(at, length))
        });
        Ok(Box::new(pieces))
    }
}

/// What one batch becomes.
type Pieces = Box<dyn Iterator<Item = Result<RecordBatch, DataFusionError>> + Send>;

fn one(batch: RecordBatch) -> Result<Pieces, DataFusionError> {
    Ok(Box::new(std::iter::once(Ok(batch))))
}

fn with_salts(
    schema: &SchemaRef,
    batch: &RecordBatch,
    salts: UInt32Array,
) -> Result<RecordBatch, DataFusionError> {
    let own: ArrayRef = Arc::new(salts);
    let columns = batch.columns().iter().cloned().chain([own]).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

enum Heat {
    Cold,
    /// Of this one of the hot keys.
    Hot(usize),
    /// A key is null, and null matches nothing.
    Unmatched,
}
