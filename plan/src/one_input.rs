//! What every plan node with one input repeats.

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

pub(crate) use one_input;
