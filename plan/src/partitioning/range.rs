//! `repartition_by_range`: partitions of about as many rows, each with the rows between two bounds, which a sample gives.
//!
//! The sample is of all rows, and taken before the query runs, as in Spark, which computes them twice, too: [`RangeNode`] stands for the
//! exchange until then. Keys are compared in the form of Arrow's rows, as they are sorted: nulls have a place in the order.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, DataFusionError};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Extension, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, SortExpr, UserDefinedLogicalNodeCore, Volatility,
};
use serde::{Deserialize, Serialize};

use super::node::{RepartitionNode, check};
use crate::error::{Error, Result};
use crate::logical::{only_plan, own_node};

/// Keys that are sampled for each partition.
const SAMPLED_PER_PARTITION: usize = 100;

/// Of few partitions, too.
const SAMPLED_MIN: usize = 4096;

/// How one key is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Order {
    descending: bool,
    nulls_first: bool,
}

/// A converter of keys of `types` to rows that compare as they are sorted by `orders`.
fn converter(orders: &[Order], types: &[DataType]) -> Result<RowConverter, DataFusionError> {
    let fields = orders.iter().zip(types).map(|(order, data_type)| {
        let options = arrow::compute::SortOptions {
            descending: order.descending,
            nulls_first: order.nulls_first,
        };
        SortField::new_with_options(data_type.clone(), options)
    });
    Ok(RowConverter::new(fields.collect())?)
}

/// The bounds of ranges: the last of each but the last one, as rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RangeBounds(Vec<Vec<u8>>);

/// A sample of keys.
#[derive(Debug)]
pub struct RangeSample {
    orders: Vec<Order>,
    partitions: usize,
    kept: Vec<Vec<u8>>,
    seen: u64,
    random: u64,
}

impl RangeSample {
    /// Adds rows of keys, in the order of [`RangeNode::keys`].
    ///
    /// # Errors
    /// DataFusion's, for keys that have no order.
    pub fn add(&mut self, keys: &[ArrayRef]) -> Result<(), DataFusionError> {
        let types: Vec<DataType> = keys.iter().map(|key| key.data_type().clone()).collect();
        let rows = converter(&self.orders, &types)?.convert_columns(keys)?;
        let most = SAMPLED_MIN.max(self.partitions.saturating_mul(SAMPLED_PER_PARTITION));
        // Vitter's algorithm R: each row is kept as likely as any other.
        for row in &rows {
            self.seen += 1;
            if self.kept.len() < most {
                self.kept.push(row.as_ref().to_vec());
                continue;
            }
            let at = usize::try_from(self.next_random() % self.seen).unwrap_or(usize::MAX);
            if let Some(place) = self.kept.get_mut(at) {
                *place = row.as_ref().to_vec();
            }
        }
        Ok(())
    }

    // Xorshift: the same keys in the same order give the same ranges.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// The bounds of ranges of about as many of these keys. Of keys that are mostly the same, there are fewer.
    #[must_use]
    pub fn into_bounds(mut self) -> RangeBounds {
        self.kept.sort_unstable();
        let (keys, partitions) = (self.kept.len(), self.partitions);
        let last = (1..partitions).filter_map(|number| (keys * number / partitions).checked_sub(1));
        let mut bounds: Vec<Vec<u8>> = last.filter_map(|at| self.kept.get(at).cloned()).collect();
        bounds.dedup();
        // What is greater than all keys bounds nothing.
        bounds.pop_if(|bound| Some(&*bound) == self.kept.last());
        RangeBounds(bounds)
    }
}

/// Gives the rows of its input in ranges of keys; without bounds yet.
#[derive(Debug, Clone)]
pub struct RangeNode {
    /// Which `repartition_by_range` it is of: the plans of two tables may be equal.
    id: Arc<()>,
    partitions: usize,
    keys: Vec<SortExpr>,
    input: LogicalPlan,
}

impl RangeNode {
    /// `input` in `partitions` ranges of `keys`. Spark's `repartitionByRange(n, columns)`.
    ///
    /// # Errors
    /// `InvalidArgument` without keys, for no partitions, and for more than [`PARTITIONS_MAX`](super::PARTITIONS_MAX).
    pub fn plan(keys: Vec<SortExpr>, partitions: usize, input: LogicalPlan) -> Result<LogicalPlan> {
        check("repartition_by_range", partitions)?;
        if keys.is_empty() {
            return Err(Error::invalid_argument(
                "repartition_by_range by no columns: name at least one",
            ));
        }
        let node = Self {
            id: Arc::new(()),
            partitions,
            keys,
            input,
        };
        Ok(LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        }))
    }

    fn of(plan: &LogicalPlan) -> Option<&Self> {
        own_node(plan)
    }

    /// A node of `plan` that is above no other.
    ///
    /// # Errors
    /// DataFusion's, never for a plan that was made.
    pub fn lowest_in(plan: &LogicalPlan) -> Result<Option<Self>> {
        let mut found = None;
        plan.apply_with_subqueries(|node| {
            if let Some(node) = Self::of(node) {
                found = Some(node.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    }

    /// The plan of the keys of all rows.
    ///
    /// # Errors
    /// DataFusion's, for keys that its input does not have.
    pub fn keys(&self) -> Result<LogicalPlan> {
        let keys = self.keys.iter().zip(0..);
        let keys = keys.map(|(key, number)| key.expr.clone().alias(format!("key{number}")));
        let plan =
            LogicalPlanBuilder::from(self.input.clone()).project(keys.collect::<Vec<_>>())?;
        Ok(plan.build()?)
    }

    /// A sample of them, empty.
    #[must_use]
    pub fn sample(&self) -> RangeSample {
        RangeSample {
            orders: self.orders(),
            partitions: self.partitions,
            kept: Vec::new(),
            seen: 0,
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    fn orders(&self) -> Vec<Order> {
        let orders = self.keys.iter().map(|key| Order {
            descending: !key.asc,
            nulls_first: key.nulls_first,
        });
        orders.collect()
    }

    /// `plan` with the exchange between `bounds` in place of this node.
    ///
    /// # Errors
    /// DataFusion's, for keys that cannot be compared.
    pub fn replaced_in(&self, plan: LogicalPlan, bounds: &RangeBounds) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|plan| {
            let Some(node) = Self::of(&plan).filter(|node| Arc::ptr_eq(&node.id, &self.id)) else {
                return Ok(Transformed::no(plan));
            };
            let number = RangeNumber::new(node.orders(), bounds.clone());
            let keys = node.keys.iter().map(|key| key.expr.clone()).collect();
            let number = ScalarUDF::from(number).call(keys);
            let input = node.input.clone();
            let exchange = RepartitionNode::by_number(number, node.partitions, input)?;
            Ok(Transformed::yes(exchange))
        })?;
        Ok(plan.data)
    }
}

impl PartialEq for RangeNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.id, &other.id) && self.keys == other.keys && self.input == other.input
    }
}

impl Eq for RangeNode {}

impl Hash for RangeNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.partitions, &self.keys).hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for RangeNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for RangeNode {
    fn name(&self) -> &'static str {
        "RepartitionByRange"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.keys.iter().map(|key| key.expr.clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        let (partitions, keys) = (self.partitions, keys.join(", "));
        write!(f, "RepartitionByRange: {partitions} partitions by {keys}")
    }

    fn with_exprs_and_inputs(
        &self,
        exprs: Vec<Expr>,
        inputs: Vec<LogicalPlan>,
    ) -> Result<Self, DataFusionError> {
        let input = only_plan(UserDefinedLogicalNodeCore::name(self), inputs)?;
        let keys = self.keys.iter().zip(exprs);
        let keys = keys.map(|(key, expr)| SortExpr {
            expr,
            ..key.clone()
        });
        Ok(Self {
            id: Arc::clone(&self.id),
            partitions: self.partitions,
            keys: keys.collect(),
            input,
        })
    }
}

/// The function that numbers the range of its arguments, from 0.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RangeNumber {
    orders: Vec<Order>,
    bounds: RangeBounds,
    signature: Signature,
}

/// What travels of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct RangeNumberPayload {
    orders: Vec<Order>,
    bounds: RangeBounds,
}

impl RangeNumber {
    fn new(orders: Vec<Order>, bounds: RangeBounds) -> Self {
        Self {
            signature: Signature::any(orders.len(), Volatility::Immutable),
            orders,
            bounds,
        }
    }

    pub(crate) fn payload(&self) -> RangeNumberPayload {
        RangeNumberPayload {
            orders: self.orders.clone(),
            bounds: self.bounds.clone(),
        }
    }

    pub(crate) fn from_payload(payload: RangeNumberPayload) -> Self {
        Self::new(payload.orders, payload.bounds)
    }
}

impl ScalarUDFImpl for RangeNumber {
    fn name(&self) -> &'static str {
        "range_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let keys = arguments.args.iter().map(|key| key.to_array(rows));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_, _>>()?;
        let types: Vec<DataType> = keys.iter().map(|key| key.data_type().clone()).collect();
        let rows = converter(&self.orders, &types)?.convert_columns(&keys)?;
        let bounds = &self.bounds.0;
        let numbers = rows.iter().map(|row| {
            let row = row.as_ref();
            let number = bounds.partition_point(|bound| bound.as_slice() < row);
            i32::try_from(number).unwrap_or(i32::MAX)
        });
        let numbers = Int32Array::from_iter_values(numbers);
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }
}
