//! Sums of decimals that end the query where the sum has more digits than its type.
//!
//! The type is Spark's, `decimal(min(38, p + 10), s)`, so only columns of 29 digits or more can overflow in practice.
//! Whether a sum fits is asked when it is handed on: values that cancel each other out later are no overflow.

use std::fmt::{Debug, Formatter, Result as FmtResult};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray,
};
use arrow::datatypes::{DataType, DecimalType};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use crate::functions::arguments::failed;

type Native<T> = <T as ArrowPrimitiveType>::Native;

/// The type of a sum.
#[derive(Clone)]
struct SumType(DataType);

impl SumType {
    fn overflow(&self) -> DataFusionError {
        let advice = "cast them to double, or to a decimal with fewer digits after the point first";
        let named = match &self.0 {
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
            other => other.to_string(),
        };
        failed(format!(
            "sum: the values' sum does not fit a {named}: {advice}"
        ))
        .into()
    }

    fn add<T: DecimalType>(
        &self,
        sum: Native<T>,
        value: Native<T>,
    ) -> Result<Native<T>, DataFusionError> {
        sum.add_checked(value).map_err(|_| self.overflow())
    }

    /// `sums` as an array of this type.
    fn array<T: DecimalType>(
        &self,
        sums: impl IntoIterator<Item = Option<Native<T>>>,
    ) -> Result<ArrayRef, DataFusionError> {
        let sums: PrimitiveArray<T> = sums.into_iter().collect();
        let sums = sums.with_data_type(self.0.clone());
        let precision = sums.precision();
        let fits = |sum| T::is_valid_decimal_precision(sum, precision);
        if sums.iter().flatten().all(fits) {
            Ok(Arc::new(sums))
        } else {
            Err(self.overflow())
        }
    }
}

/// One sum.
pub(super) struct DecimalSum<T: DecimalType> {
    data_type: SumType,
    sum: Native<T>,
    count: u64,
}

impl<T: DecimalType> DecimalSum<T> {
    pub(super) fn new(data_type: &DataType) -> Self {
        Self {
            data_type: SumType(data_type.clone()),
            sum: Native::<T>::default(),
            count: 0,
        }
    }
}

impl<T: DecimalType> Debug for DecimalSum<T> {
    fn fmt(&self, f: &mut Formatter) -> FmtResult {
        write!(f, "DecimalSum({})", self.data_type.0)
    }
}

impl<T: DecimalType> Accumulator for DecimalSum<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<(), DataFusionError> {
        let values = values[0].as_primitive::<T>();
        for value in values.iter().flatten() {
            self.sum = self.data_type.add::<T>(self.sum, value)?;
        }
        self.count += (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<(), DataFusionError> {
        let values = values[0].as_primitive::<T>();
        for value in values.iter().flatten() {
            let less = self.sum.sub_checked(value);
            self.sum = less.map_err(|_| self.data_type.overflow())?;
        }
        let count = (values.len() - values.null_count()) as u64;
        self.count = self.count.saturating_sub(count);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<(), DataFusionError> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue, DataFusionError> {
        let sum = (self.count > 0).then_some(self.sum);
        ScalarValue::try_from_array(&self.data_type.array::<T>([sum])?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>, DataFusionError> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// A sum per group; null until it has a value.
pub(super) struct DecimalSums<T: DecimalType> {
    data_type: SumType,
    sums: Vec<Option<Native<T>>>,
}

impl<T: DecimalType> DecimalSums<T> {
    pub(super) fn new(data_type: &DataType) -> Self {
        Self {
            data_type: SumType(data_type.clone()),
            sums: Vec::new(),
        }
    }
}

impl<T: DecimalType> GroupsAccumulator for DecimalSums<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<(), DataFusionError> {
        self.sums.resize(total, None);
        let values = values[0].as_primitive::<T>();
        for (row, (value, group)) in values.iter().zip(groups).enumerate() {
            let wanted = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            let (Some(value), true) = (value, wanted) else {
                continue;
            };
            let sum = &mut self.sums[*group];
            *sum = Some(self.data_type.add::<T>(sum.unwrap_or_default(), value)?);
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef, DataFusionError> {
        self.data_type.array::<T>(emit.take_needed(&mut self.sums))
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

    /// A row's value is the sum of that row, in the sum's wider type.
    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>, DataFusionError> {
        let values = values[0].as_primitive::<T>();
        let rows = values.iter().enumerate().map(|(row, value)| {
            value.filter(|_| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)))
        });
        Ok(vec![self.data_type.array::<T>(rows)?])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<Native<T>>>()
    }
}
