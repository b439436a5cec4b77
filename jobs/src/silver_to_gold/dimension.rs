//! The product dimension: one row per product, or refused.

use weir::datafusion::arrow::util::display::array_value_to_string;
use weir::prelude::*;
use weir::{DataFrame, Error, ErrorKind, Result};

use crate::inputs::{ColumnKind, Input};
use crate::totals::Totals;

/// The columns the dimension must have. Others are ignored.
pub(super) const COLUMNS: [(&str, ColumnKind); 2] = [
    ("product_id", ColumnKind::Key),
    ("category", ColumnKind::Text),
];

/// The product's id as text; what silver's orders are joined on.
pub(super) const KEY: &str = "__product_id";
/// True in every row of the dimension, so null in a row that found none.
pub(super) const FOUND: &str = "__found";

/// How many of the keys that occur twice an error names.
const KEYS_NAMED: usize = 5;

/// The dimension's [`KEY`], category and [`FOUND`].
pub(super) fn rows(products: &Input) -> Result<DataFrame> {
    products.rows.clone().select([
        col("product_id").cast("string")?.alias(KEY),
        col("category"),
        lit(true).alias(FOUND),
    ])
}

/// Refuses a dimension that has a product twice, which would double its orders, or one without an id.
///
/// # Errors
/// `Compute`, naming the argument, the version, the products and how many rows each has.
pub(super) async fn check(products: &Input, location: &str) -> Result<()> {
    let place = format!(
        "--products: table {location} at version {}",
        products.version
    );
    let rows = rows(products)?;
    let nameless = rows.clone().filter(col(KEY).is_null())?.count().await?;
    if nameless > 0 {
        return Err(Error::new(
            ErrorKind::Compute,
            format!(
                "{place} has {nameless} rows whose product_id is null; remove them or give them an id, \
                 then run the job again"
            ),
        ));
    }
    let twice = rows
        .group_by([col(KEY)])
        .count()?
        .filter(col("count").gt(lit(1_i64)))?;
    let totals = twice.clone().agg([count(lit(1_i64)).alias("keys")])?;
    let keys = Totals::of(&totals).await?.count("keys")?;
    if keys == 0 {
        return Ok(());
    }
    let mut named = Vec::new();
    let worst = twice.sort([col("count").desc(), col(KEY).asc()])?;
    for batch in worst.take(KEYS_NAMED).await? {
        for row in 0..batch.num_rows() {
            let text = |column: usize| {
                array_value_to_string(batch.column(column), row)
                    .map_err(|error| Error::internal("a key is no text").with_source(error))
            };
            named.push(format!("{:?} in {} rows", text(0)?, text(1)?));
        }
    }
    let more = match usize::try_from(keys).unwrap_or(usize::MAX) - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Error::new(
        ErrorKind::Compute,
        format!(
            "{place} has {keys} product_id more than once: {}{more}; an order of such a product would \
             count more than once, so leave one row of each, then run the job again",
            named.join(", ")
        ),
    ))
}
