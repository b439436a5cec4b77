//! Column functions, as `pyspark.sql.functions` names them.

mod aggregates;
mod collections;
mod column;
mod conditional;
mod datetime;
mod hash;
mod json;
mod math;
mod text;
mod window;

use datafusion::common::Column;
use datafusion::logical_expr::{Cast, Expr};
pub use datafusion::logical_expr::{lit, not, when};
use weir_plan::Result;
use weir_plan::functions::ddl::timestamp_type;
pub use weir_plan::functions::ddl::type_name;
pub use weir_plan::functions::protobuf::ProtobufDescriptors;
pub use weir_plan::functions::{
    from_avro, from_avro_registry, from_csv, from_json, from_json_registry, from_protobuf,
    from_protobuf_registry, pinned, to_avro, to_avro_registry, to_json_registry, to_protobuf,
    to_protobuf_registry,
};

use crate::dataframe::DataFrame;

pub use aggregates::*;
pub use collections::*;
pub use column::{ColumnExt, IntoSort};
pub use conditional::*;
pub use datetime::*;
pub use hash::*;
pub use json::{get_json_object, to_json};
pub use math::*;
pub use text::*;
pub use window::{
    Window, WindowExt, WindowSpec, cume_dist, dense_rank, first, lag, last, lead, nth_value, ntile,
    percent_rank, rank, row_number,
};

/// The column `name`, exactly as spelt: dots and capitals are part of it.
#[must_use]
pub fn col(name: impl Into<String>) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// `frame`, to be sent whole to every task of what it is joined with, up to `weir.sql.broadcastLimit`: the hint
/// `broadcast` ([`DataFrame::hint`]).
///
/// # Errors
/// None for a valid dataframe.
pub fn broadcast(frame: DataFrame) -> Result<DataFrame> {
    frame.hint("broadcast")
}

/// The time a query began; in a stream, the time its batch was planned, also when it runs again.
#[must_use]
pub fn current_timestamp() -> Expr {
    let now = datafusion::functions::expr_fn::now();
    Expr::Cast(Cast::new(Box::new(now), timestamp_type()))
}
