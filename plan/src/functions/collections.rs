//! Functions of arrays and maps that the engine has otherwise than Spark.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, UInt32Array, new_empty_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;

use crate::functions::arguments::{Evaluated, failed};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &SIZE,
    &ARRAY_CONTAINS,
    &ELEMENT_AT,
    &FLATTEN,
    &EMPTY_IF_NULL,
];

/// `size(array or map)`.
pub static SIZE: Kernel = Kernel {
    name: "size",
    coerce: |types| match types {
        [DataType::List(_) | DataType::Map(..)] => Some(types.to_vec()),
        [DataType::LargeList(item) | DataType::FixedSizeList(item, _)] => {
            Some(vec![DataType::List(Arc::clone(item))])
        }
        _ => None,
    },
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let offsets = match args[0].data_type() {
            DataType::Map(..) => args[0].as_map().value_offsets(),
            _ => args[0].as_list::<i32>().value_offsets(),
        };
        let sizes = offsets
            .windows(2)
            .enumerate()
            .map(|(row, ends)| args[0].is_valid(row).then(|| ends[1] - ends[0]));
        Ok(Arc::new(sizes.collect::<Int32Array>()))
    },
};

/// `array_contains(array, value)`; null where it is not found among nulls.
pub static ARRAY_CONTAINS: Kernel = Kernel {
    name: "array_contains",
    coerce: |types| {
        let [DataType::List(item), value] = types else {
            return None;
        };
        let common = match value {
            DataType::Null => return None,
            value if value == item.data_type() => value.clone(),
            value => comparison_coercion(item.data_type(), value)?,
        };
        let item = item.as_ref().clone().with_data_type(common.clone());
        Some(vec![DataType::List(Arc::new(item)), common])
    },
    returns: |_, _| DataType::Boolean,
    eval: |args| {
        let (lists, wanted) = (args[0].as_list::<i32>(), &args[1]);
        let offsets = lists.value_offsets();
        let mut rows = Vec::with_capacity(lists.values().len());
        for (row, ends) in (0_u32..).zip(offsets.windows(2)) {
            rows.extend(std::iter::repeat_n(row, length(ends)));
        }
        let (first, all) = (at(offsets[0]), rows.len());
        let values = lists.values().slice(first, all);
        let beside = take(wanted, &UInt32Array::from(rows), None)?;
        let equal = not_distinct(&values, &beside)?;
        let found = offsets.windows(2).enumerate().map(|(row, ends)| {
            if lists.is_null(row) || wanted.is_null(row) {
                return None;
            }
            let mut places = at(ends[0]) - first..at(ends[1]) - first;
            if places.clone().any(|place| equal.value(place)) {
                return Some(true);
            }
            (!places.any(|place| values.is_null(place))).then_some(false)
        });
        Ok(Arc::new(found.collect::<BooleanArray>()))
    },
};

/// `element_at(array, index)`, from 1 or from the end, and `element_at(map, key)`.
pub static ELEMENT_AT: Kernel = Kernel {
    name: "element_at",
    coerce: |types| match types {
        [DataType::List(_), index] if index.is_integer() => {
            Some(vec![types[0].clone(), DataType::Int32])
        }
        [DataType::Map(entries, _), _] => match entries.data_type() {
            DataType::Struct(pair) => {
                Some(vec![types[0].clone(), pair.first()?.data_type().clone()])
            }
            _ => None,
        },
        _ => None,
    },
    returns: |types, _| match &types[0] {
        DataType::List(item) => item.data_type().clone(),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => pair[1].data_type().clone(),
            _ => DataType::Null,
        },
        _ => DataType::Null,
    },
    eval: |args| match args[0].data_type() {
        DataType::Map(..) => of_key(args),
        _ => of_index(args),
    },
};

/// `flatten(array of arrays)`; null where one of the arrays is null.
pub static FLATTEN: Kernel = Kernel {
    name: "flatten",
    coerce: |types| match types {
        [DataType::List(item)] if matches!(item.data_type(), DataType::List(_)) => {
            Some(types.to_vec())
        }
        _ => None,
    },
    returns: |types, _| match &types[0] {
        DataType::List(item) => item.data_type().clone(),
        other => other.clone(),
    },
    eval: |args| {
        let outer = args[0].as_list::<i32>();
        let inner = outer.values().as_list::<i32>();
        let DataType::List(item) = inner.data_type() else {
            return Err(failed("flatten takes an array of arrays").into());
        };
        // The arrays of a row lie one behind the other, and so do their elements.
        let ends = outer.value_offsets().iter();
        let offsets: Vec<i32> = ends.map(|end| inner.value_offsets()[at(*end)]).collect();
        let valid = outer
            .value_offsets()
            .windows(2)
            .enumerate()
            .map(|(row, ends)| {
                outer.is_valid(row) && (at(ends[0])..at(ends[1])).all(|place| inner.is_valid(place))
            });
        let nulls = NullBuffer::from(valid.collect::<Vec<bool>>());
        let flat = ListArray::try_new(
            Arc::clone(item),
            OffsetBuffer::new(offsets.into()),
            Arc::clone(inner.values()),
            Some(nulls),
        )?;
        Ok(Arc::new(flat))
    },
};

/// `weir_empty_if_null(array)`: what `collect_list` gives where there was nothing to collect.
pub static EMPTY_IF_NULL: Kernel = Kernel {
    name: "weir_empty_if_null",
    coerce: |types| match types {
        [DataType::List(_)] => Some(types.to_vec()),
        _ => None,
    },
    returns: |types, _| types[0].clone(),
    eval: |args| {
        let lists = args[0].as_list::<i32>();
        if lists.null_count() == 0 {
            return Ok(Arc::clone(&args[0]));
        }
        let DataType::List(item) = lists.data_type() else {
            return Ok(Arc::clone(&args[0]));
        };
        let kept: Vec<ArrayRef> = lists.iter().flatten().collect();
        let kept: Vec<&dyn Array> = kept.iter().map(AsRef::as_ref).collect();
        let values = match kept.as_slice() {
            [] => new_empty_array(item.data_type()),
            kept => arrow::compute::concat(kept)?,
        };
        let lengths = lists.iter().map(|list| list.map_or(0, |list| list.len()));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let filled = ListArray::try_new(Arc::clone(item), offsets, values, None::<NullBuffer>)?;
        Ok(Arc::new(filled))
    },
};

fn at(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

fn length(ends: &[i32]) -> usize {
    at(ends[1] - ends[0])
}

fn of_index(args: &[ArrayRef]) -> Evaluated {
    let (lists, indices) = (
        args[0].as_list::<i32>(),
        args[1].as_primitive::<Int32Type>(),
    );
    let offsets = lists.value_offsets();
    let places = indices.iter().enumerate().map(|(row, index)| {
        let Some(index) = index.filter(|_| lists.is_valid(row)) else {
            return Ok(None);
        };
        let (start, end) = (offsets[row], offsets[row + 1]);
        let size = end - start;
        if index == 0 || index.unsigned_abs() > size.unsigned_abs() {
            return Err(failed(format!(
                "element_at: an array of {size} has no element {index}: they count from 1, or -1 from the end"
            ))
            .into());
        }
        let place = if index > 0 { start + index - 1 } else { end + index };
        Ok(u32::try_from(place).ok())
    });
    let places = places.collect::<Result<UInt32Array, DataFusionError>>()?;
    Ok(take(lists.values(), &places, None)?)
}

fn of_key(args: &[ArrayRef]) -> Evaluated {
    let (maps, wanted) = (args[0].as_map(), &args[1]);
    let offsets = maps.value_offsets();
    let first = at(offsets[0]);
    let mut rows = Vec::with_capacity(maps.keys().len());
    for (row, ends) in (0_u32..).zip(offsets.windows(2)) {
        rows.extend(std::iter::repeat_n(row, length(ends)));
    }
    let keys = maps.keys().slice(first, rows.len());
    let beside = take(wanted, &UInt32Array::from(rows), None)?;
    let equal = not_distinct(&keys, &beside)?;
    let places = offsets.windows(2).enumerate().map(|(row, ends)| {
        if maps.is_null(row) || wanted.is_null(row) {
            return None;
        }
        let mut places = at(ends[0])..at(ends[1]);
        let found = places.find(|place| equal.value(place - first));
        found.and_then(|place| u32::try_from(place).ok())
    });
    Ok(take(maps.values(), &places.collect::<UInt32Array>(), None)?)
}
