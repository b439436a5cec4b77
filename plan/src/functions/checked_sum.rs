//! `sum` that ends the query where it does not fit its type, a `bigint` or a decimal, as in Spark's ANSI mode; the
//! engine's own would go on below 0. Of other types it is the engine's.

mod decimals;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, FieldRef, Int64Type,
};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature,
};

use self::decimals::{DecimalSum, DecimalSums};
use crate::functions::arguments::failed;

/// Another name than the engine's, by which an executor would find the engine's.
pub(super) const NAME: &str = "weir_sum";

static SUM: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::from(CheckedSum { inner: sum_udaf() })));

/// The sum of the values that are not null: see the module's documentation.
#[must_use]
pub fn sum(expr: Expr) -> Expr {
    SUM.call(vec![expr])
}

/// The function, for a registry.
pub(super) fn function() -> Arc<AggregateUDF> {
    Arc::clone(&SUM)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    inner: Arc<AggregateUDF>,
}

fn overflow() -> DataFusionError {
    failed("sum: the values' sum does not fit a bigint: cast them to decimal(38,0) first").into()
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema_name(
        &self,
        params: &datafusion::logical_expr::expr::AggregateFunctionParams,
    ) -> Result<String, DataFusionError> {
        self.inner.schema_name(params)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>, DataFusionError> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType, DataFusionError> {
        self.inner.return_type(types)
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>, DataFusionError> {
        self.inner.state_fields(arguments)
    }

    fn accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>, DataFusionError> {
        if let Some(checked) = checked(&arguments) {
            return Ok(checked);
        }
        self.inner.accumulator(arguments)
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>, DataFusionError> {
        if let Some(checked) = checked(&arguments) {
            return Ok(checked);
        }
        self.inner.create_sliding_accumulator(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>, DataFusionError> {
        let sum = arguments.return_field.data_type();
        match sum {
            DataType::Int64 => Ok(Box::new(CheckedGroups::default())),
            DataType::Decimal32(..) => Ok(Box::new(DecimalSums::<Decimal32Type>::new(sum))),
            DataType::Decimal64(..) => Ok(Box::new(DecimalSums::<Decimal64Type>::new(sum))),
            DataType::Decimal128(..) => Ok(Box::new(DecimalSums::<Decimal128Type>::new(sum))),
            DataType::Decimal256(..) => Ok(Box::new(DecimalSums::<Decimal256Type>::new(sum))),
            _ => self.inner.create_groups_accumulator(arguments),
        }
    }
}

/// The accumulator of the types that are checked here.
fn checked(arguments: &AccumulatorArgs) -> Option<Box<dyn Accumulator>> {
    if arguments.is_distinct {
        return None;
    }
    let sum = arguments.return_field.data_type();
    Some(match sum {
        DataType::Int64 => Box::new(CheckedAccumulator::default()),
        DataType::Decimal32(..) => Box::new(DecimalSum::<Decimal32Type>::new(sum)),
        DataType::Decimal64(..) => Box::new(DecimalSum::<Decimal64Type>::new(sum)),
        DataType::Decimal128(..) => Box::new(DecimalSum::<Decimal128Type>::new(sum)),
        DataType::Decimal256(..) => Box::new(DecimalSum::<Decimal256Type>::new(sum)),
        _ => return None,
    })
}

/// One sum, wide enough for any number of rows; whether it fits is asked when it is needed.
#[derive(Debug, Default)]
struct CheckedAccumulator {
    sum: i128,
    count: u64,
}

impl CheckedAccumulator {
    fn add(&mut self, values: &ArrayRef, sign: i128) {
        let values = values.as_primitive::<Int64Type>();
        self.sum += values.iter().flatten().map(i128::from).sum::<i128>() * sign;
        let count = (values.len() - values.null_count()) as u64;
        if sign > 0 {
            self.count += count;
        } else {
            self.count = self.count.saturating_sub(count);
        }
    }
}

impl Accumulator for CheckedAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<(), DataFusionError> {
        self.add(&values[0], 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<(), DataFusionError> {
        self.add(&values[0], -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<(), DataFusionError> {
        self.add(&states[0], 1);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue, DataFusionError> {
        if self.count == 0 {
            return Ok(ScalarValue::Int64(None));
        }
        let sum = i64::try_from(self.sum).map_err(|_| overflow())?;
        Ok(ScalarValue::Int64(Some(sum)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>, DataFusionError> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// A sum per group; null until it has a value.
#[derive(Debug, Default)]
struct CheckedGroups {
    sums: Vec<Option<i64>>,
}

impl GroupsAccumulator for CheckedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<(), DataFusionError> {
        self.sums.resize(total, None);
        let values = values[0].as_primitive::<Int64Type>();
        for (row, (value, group)) in values.iter().zip(groups).enumerate() {
            let wanted = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            let (Some(value), true) = (value, wanted) else {
                continue;
            };
            let sum = &mut self.sums[*group];
            match sum.unwrap_or(0).checked_add(value) {
                Some(more) => *sum = Some(more),
                None => return Err(overflow()),
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef, DataFusionError> {
        let sums = emit.take_needed(&mut self.sums);
        Ok(Arc::new(sums.into_iter().collect::<Int64Array>()))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>, DataFusionError> {
        Ok(vec![self.evaluate(emit)?])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        total: usize,
    ) -> Result<(), DataFusionError> {
        self.update_batch(states, groups, None, total)
    }

    /// A row's value is the sum of that row.
    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>, DataFusionError> {
        let Some(filter) = filter else {
            return Ok(vec![Arc::clone(&values[0])]);
        };
        let left_out = arrow::compute::not(&arrow::compute::prep_null_mask_filter(filter))?;
        Ok(vec![arrow::compute::nullif(&values[0], &left_out)?])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<i64>>()
    }
}
