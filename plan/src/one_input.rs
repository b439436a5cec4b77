//! What every plan node with one input repeats.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Statistics;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, PlanProperties};

/// Of a node that gives rows of `schema` in `partitions`, of which nothing else is known, as they come from `input`.
pub(crate) fn properties_over(
    input: &Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    partitions: usize,
) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(partitions),
        input.pipeline_behavior(),
        input.boundedness(),
    ))
}

/// The statistics of a node that gives the rows of its input: the input's.
pub(crate) fn statistics_of_input(inputs: &[Arc<Statistics>], schema: &Schema) -> Arc<Statistics> {
    let input = inputs.first().map(Arc::clone);
    input.unwrap_or_else(|| Arc::new(Statistics::new_unknown(schema)))
}

/// As [`statistics_of_input`], of a node with other partitions: of one of them nothing is known.
pub(crate) fn statistics_of_whole_input(
    inputs: &[Arc<Statistics>],
    args: &StatisticsArgs,
    schema: &Schema,
) -> Arc<Statistics> {
    let known = if args.partition().is_none() {
        inputs
    } else {
        &[]
    };
    statistics_of_input(known, schema)
}

/// The methods of `ExecutionPlan` that are the same for all nodes called `$name` with a field `input`, no expressions to rewrite, and a
/// method `with_input`, which makes the node again over another input. Rows stay where they are: more partitions do not help.
macro_rules! one_input {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn benefits_from_input_partitioning(&self) -> Vec<bool> {
            vec![false]
        }

        fn children(
            &self,
        ) -> Vec<&::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>> {
            vec![&self.input]
        }

        fn apply_expressions(
            &self,
            _f: &mut dyn FnMut(
                &::std::sync::Arc<dyn ::datafusion::physical_expr::PhysicalExpr>,
            ) -> Result<
                ::datafusion::common::tree_node::TreeNodeRecursion,
                ::datafusion::common::DataFusionError,
            >,
        ) -> Result<
            ::datafusion::common::tree_node::TreeNodeRecursion,
            ::datafusion::common::DataFusionError,
        > {
            Ok(::datafusion::common::tree_node::TreeNodeRecursion::Continue)
        }

        fn replace_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>>,
            _options: ::datafusion::physical_plan::ReplaceChildrenOptions,
        ) -> Result<
            ::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>,
            ::datafusion::common::DataFusionError,
        > {
            let input = $crate::write_node::only_input(self.name(), &children)?;
            Ok(::std::sync::Arc::new(self.with_input(input)?))
        }

        fn with_new_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>>,
        ) -> Result<
            ::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>,
            ::datafusion::common::DataFusionError,
        > {
            use ::datafusion::physical_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            self.replace_children(children, options)
        }
    };
}

/// As [`one_input`], of nodes that give the rows of their input as they come: in its partitions, its order, and its numbers.
macro_rules! same_rows {
    () => {
        fn properties(&self) -> &::std::sync::Arc<::datafusion::physical_plan::PlanProperties> {
            self.input.properties()
        }

        fn maintains_input_order(&self) -> Vec<bool> {
            vec![true]
        }

        fn cardinality_effect(
            &self,
        ) -> ::datafusion::physical_plan::execution_plan::CardinalityEffect {
            ::datafusion::physical_plan::execution_plan::CardinalityEffect::Equal
        }

        fn child_stats_requests(
            &self,
            partition: Option<usize>,
        ) -> Vec<::datafusion::physical_plan::statistics::ChildStats> {
            vec![::datafusion::physical_plan::statistics::ChildStats::At(
                partition,
            )]
        }

        fn statistics_from_inputs(
            &self,
            inputs: &[::std::sync::Arc<::datafusion::common::Statistics>],
            _args: &::datafusion::physical_plan::statistics::StatisticsArgs,
        ) -> Result<
            ::std::sync::Arc<::datafusion::common::Statistics>,
            ::datafusion::common::DataFusionError,
        > {
            let schema = self.schema();
            Ok($crate::one_input::statistics_of_input(inputs, &schema))
        }
    };
}

pub(crate) use one_input;
pub(crate) use same_rows;
