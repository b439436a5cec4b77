//! Which rows win: one per event_id, over the rows of this load and those of silver around it.
//!
//! Silver's rows of this load date take no part, so that a second run decides as the first one did. A
//! row that lost its place to this load stays out when its own load is run again: the winner it lost to
//! is in silver then, within the look-back. Unless that winner has lost its place since, to a load beyond
//! the look-back of the first: of one event_id sent again and again for longer than the look-back, two
//! rows may stay.

use std::collections::BTreeSet;

use weir::datafusion::arrow::array::Array;
use weir::datafusion::arrow::array::cast::AsArray;
use weir::datafusion::arrow::datatypes::{Date32Type, Int64Type};
use weir::datafusion::common::JoinType;
use weir::prelude::*;
use weir::{DataFrame, Error, Result};

use crate::dates::Day;

/// Of this load (and not of silver).
const NEW: &str = "__new";
/// Its place among the rows of one event_id; 1 wins.
const PLACE: &str = "__place";
/// Whether a row of this load wins its event_id.
const NEW_WINS: &str = "__new_wins";

/// What makes a row different from every other one.
pub(super) const KEY: [&str; 5] = ["event_id", "topic", "partition", "offset", "load_date"];

/// This load's rows, and those of silver that share an event_id with them, in their order.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    ranked: DataFrame,
}

/// How many rows won and lost, and which dates of silver that touches.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Rows of this load that another row came before.
    pub(super) lost: u64,
    /// Rows in silver that a row of this load comes before.
    pub(super) displaced: u64,
    /// The dates of the rows that come and go.
    pub(super) dates: Vec<Day>,
}

impl Settled {
    /// `new` rows against `prior` ones of silver (of other load dates), both with silver's columns.
    pub(super) fn new(new: DataFrame, prior: Option<DataFrame>) -> Result<Self> {
        let ours = new.clone().with_column(NEW, lit(true))?;
        let rows = match prior {
            None => ours,
            Some(prior) => {
                let ids = new.select([col("event_id")])?;
                let rivals = prior.join(ids, ["event_id"], JoinType::LeftSemi)?;
                let columns: Vec<String> = ours.columns();
                let rivals = rivals.with_column(NEW, lit(false))?;
                ours.union(rivals.select(columns.into_iter().map(col))?)?
            }
        };
        // The load date is last: it tells apart the records of a topic that was made anew.
        let order = ["topic", "partition", "offset", "load_date"].map(col);
        let places = Window::partition_by([col("event_id")]).order_by(order);
        let ranked = rows
            .with_column(PLACE, row_number().over(&places)?)?
            .with_column(NEW_WINS, first(col(NEW), false).over(&places)?)?;
        Ok(Self { ranked })
    }

    /// The rows of this load that go to silver.
    pub(super) fn winners(&self) -> Result<DataFrame> {
        self.ranked
            .clone()
            .filter(col(NEW).and(col(PLACE).eq(lit(1))))?
            .drop([NEW, PLACE, NEW_WINS])
    }

    /// The keys of the rows that silver loses.
    pub(super) fn displaced(&self) -> Result<DataFrame> {
        self.ranked
            .clone()
            .filter(displaced())?
            .select(KEY.map(col))
    }

    /// Counts, in one pass.
    pub(super) async fn tally(&self) -> Result<Tally> {
        let won = || col(NEW).and(col(PLACE).eq(lit(1)));
        let lost = col(NEW).and(col(PLACE).gt(lit(1)));
        let number = |condition| -> Result<_> {
            Ok(sum(when(condition, lit(1_i64)).otherwise(lit(0_i64))?))
        };
        let rows = self
            .ranked
            .clone()
            .group_by([col("event_date")])
            .agg([
                number(won())?.alias("won"),
                number(lost)?.alias("lost"),
                number(displaced())?.alias("displaced"),
            ])?
            .collect()
            .await?;
        let mut tally = Tally::default();
        let mut dates = BTreeSet::new();
        for batch in &rows {
            let days = batch.column(0).as_primitive_opt::<Date32Type>();
            let days = days.ok_or_else(|| Error::internal("event_date is no date"))?;
            let count = |column: usize, row: usize| -> Result<u64> {
                let column = batch.column(column).as_primitive_opt::<Int64Type>();
                let column = column.ok_or_else(|| Error::internal("a count is no bigint"))?;
                u64::try_from(column.value(row)).map_err(|_| Error::internal("a count is negative"))
            };
            for row in (0..batch.num_rows()).filter(|row| days.is_valid(*row)) {
                let (won, lost, displaced) = (count(1, row)?, count(2, row)?, count(3, row)?);
                tally.lost += lost;
                tally.displaced += displaced;
                if let Some(day) = Day::from_epoch(days.value(row))
                    && won + displaced > 0
                {
                    dates.insert(day);
                }
            }
        }
        tally.dates = dates.into_iter().collect();
        Ok(tally)
    }
}

/// A row of silver that comes after one of this load. Of two in silver that are further apart than the
/// look-back, neither goes for the other's sake.
fn displaced() -> weir::datafusion::logical_expr::Expr {
    not(col(NEW)).and(col(PLACE).gt(lit(1))).and(col(NEW_WINS))
}
