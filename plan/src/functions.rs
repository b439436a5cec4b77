//! Functions Weir adds to DataFusion's, by name, and Spark's types.
//!
//! [`registry`] is the list of them, by which they travel to executors.

mod arguments;
pub mod avro;
mod broken_rules;
mod checked_sum;
pub mod collections;
mod column;
pub mod csv;
pub mod datetime;
pub mod ddl;
mod decode;
mod encode;
#[cfg(test)]
mod encode_tests;
mod examples;
pub mod hash;
pub mod json;
mod json_schema;
pub mod kernel;
pub mod math;
mod pinned;
pub mod protobuf;
mod record_text;
pub mod registry;
#[cfg(test)]
mod row_rule_tests;
mod row_text;
mod strings;
pub mod text;
pub mod time;
pub mod wire;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub use avro::{from_avro, to_avro};
pub use broken_rules::{RowRule, broken_rules};
pub use checked_sum::sum;
pub use csv::from_csv;
pub use examples::examples;
pub use json::from_json;
pub use pinned::{PinnedParameters, bind_pinned, pinned, pinned_parameters};
pub use protobuf::{from_protobuf, to_protobuf};
pub use wire::{
    from_avro_registry, from_json_registry, from_protobuf_registry, to_avro_registry,
    to_json_registry, to_protobuf_registry,
};

/// Weir's scalar function `name`, for a plan that arrives.
pub(crate) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    (name == broken_rules::NAME).then(broken_rules::function)
}

/// Weir's aggregate function `name`, for a plan that arrives.
pub(crate) fn aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    match name {
        examples::NAME => Some(examples::function()),
        checked_sum::NAME => Some(checked_sum::function()),
        _ => None,
    }
}
