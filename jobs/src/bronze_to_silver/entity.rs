//! What the records hold: their JSON's schema, their rules, and the silver columns made of them.

use clap::ValueEnum;
use weir::datafusion::functions::core::expr_fn::get_field;
use weir::datafusion::functions::datetime::expr_fn::date_part;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir::quality::{Action, Expectation, Expectations};
use weir::{DataFrame, Result};

use crate::dates::Day;

/// The raw text of a record that is no JSON of the schema; Spark's name for it.
const CORRUPT: &str = "_corrupt_record";
/// The parsed record, before its fields are columns.
const PARSED: &str = "__parsed";

/// The defaults of `from_json`: what cannot be read is null, and the record is in [`CORRUPT`].
const NO_OPTIONS: [(&str, &str); 0] = [];

/// Where a row comes from; (topic, partition, offset) is its key. Kept in silver and in quarantine.
pub(super) const ORIGIN: [&str; 4] = ["topic", "partition", "offset", "kafka_timestamp"];
/// What the record said, kept in quarantine.
pub(super) const RAW: [&str; 3] = ["message_key", "message_value", "message_value_raw"];

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Entity {
    /// Orders: what was bought, by whom, for how much.
    Orders,
    /// Clicks: which page was seen, by whom.
    Clicks,
}

impl Entity {
    /// Its name, as in the quarantine table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Clicks => "clicks",
        }
    }

    /// The topic that holds it, unless the command line names others.
    #[must_use]
    pub fn topic(self) -> &'static str {
        match self {
            Self::Orders => "raw.orders",
            Self::Clicks => "raw.clicks",
        }
    }

    /// The JSON's fields: name and Spark type. Others are ignored.
    pub(super) fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Orders => &[
                ("event_id", "STRING"),
                ("order_id", "STRING"),
                ("user_id", "STRING"),
                ("product_id", "STRING"),
                ("quantity", "INT"),
                ("amount", "DECIMAL(18,2)"),
                ("event_time", "TIMESTAMP"),
            ],
            Self::Clicks => &[
                ("event_id", "STRING"),
                ("user_id", "STRING"),
                ("page", "STRING"),
                ("product_id", "STRING"),
                ("event_time", "TIMESTAMP"),
            ],
        }
    }

    /// What a row must be to become silver. The order is the one in which a broken rule is reported.
    fn rules(self, load_date: Day) -> Result<Expectations> {
        let quarantine = |name: &str, condition: Expr, reason: &str| {
            Expectation::new(name, condition)
                .reason(reason)
                .action(Action::Quarantine)
        };
        let given = |field: &str| col(field).is_not_null().and(col(field).not_eq(lit("")));
        let mut rules = vec![
            quarantine(
                "parsable",
                col("message_value")
                    .is_not_null()
                    .and(col(CORRUPT).is_null()),
                "the value is no JSON object with fields of these types",
            ),
            quarantine("event_id_given", given("event_id"), "event_id is missing"),
            quarantine("user_id_given", given("user_id"), "user_id is missing"),
            quarantine(
                "event_time_given",
                col("event_time").is_not_null(),
                "event_time is missing",
            ),
            quarantine(
                "event_time_in_calendar",
                col("event_time").gt_eq(lit("0001-01-01").cast("timestamp")?),
                "event_time is before the year 1",
            ),
            // By the load date and not by the clock: the same load gives the same rows on any day.
            quarantine(
                "event_time_not_in_future",
                col("event_time").lt(lit(load_date.plus(1).to_string()).cast("timestamp")?),
                "event_time is after the load date",
            ),
        ];
        if self == Self::Orders {
            rules.push(quarantine(
                "order_id_given",
                given("order_id"),
                "order_id is missing",
            ));
            rules.push(quarantine(
                "amount_not_negative",
                col("amount").gt_eq(lit(0)),
                "amount is missing or negative",
            ));
        }
        Ok(Expectations::new(rules))
    }

    /// Bronze rows with their fields as columns, told apart by the rules.
    ///
    /// # Errors
    /// `InvalidPlan` when a column of bronze is missing.
    pub(super) fn check(self, bronze: DataFrame, load_date: Day) -> Result<weir::quality::Checked> {
        let fields = self.fields();
        let mut ddl: Vec<String> = fields
            .iter()
            .map(|(name, kind)| format!("{name} {kind}"))
            .collect();
        ddl.push(format!("{CORRUPT} STRING"));
        let record = from_json(col("message_value"), &ddl.join(", "), NO_OPTIONS)?;
        let kept = || ORIGIN.iter().chain(&RAW).copied();
        let parsed = bronze.select(kept().map(col).chain([record.alias(PARSED)]))?;
        let names = fields.iter().map(|(name, _)| *name).chain([CORRUPT]);
        let unfolded = names.map(|name| get_field(col(PARSED), name).alias(name));
        let rows = parsed.select(kept().map(col).chain(unfolded))?;
        self.rules(load_date)?.apply(rows)
    }

    /// Silver's rows over valid ones.
    ///
    /// | column | type | |
    /// |---|---|---|
    /// | the fields | | |
    /// | event_date | date | the day of event_time in UTC; the table's partitions |
    /// | event_hour | int | its hour |
    /// | is_weekend | boolean | Saturday or Sunday |
    /// | topic, partition, offset, kafka_timestamp | | the record's place in Kafka |
    /// | load_date | string | the day it was loaded |
    pub(super) fn silver(self, valid: DataFrame, load_date: Day) -> Result<DataFrame> {
        let part = |name: &str| date_part(lit(name), col("event_time"));
        let mut columns: Vec<Expr> = self.fields().iter().map(|(name, _)| col(*name)).collect();
        columns.extend([
            col("event_time").cast("date")?.alias("event_date"),
            part("hour").cast("int")?.alias("event_hour"),
            // Sunday is 0.
            part("dow")
                .in_list(vec![lit(0), lit(6)], false)
                .alias("is_weekend"),
        ]);
        columns.extend(ORIGIN.map(col));
        columns.push(lit(load_date.to_string()).alias("load_date"));
        valid.select(columns)
    }

    /// The quarantine table's rows over quarantined ones.
    pub(super) fn quarantine(self, rows: DataFrame, load_date: Day) -> Result<DataFrame> {
        let mut columns = vec![
            lit(self.name()).alias("entity"),
            col("rule"),
            col("rules"),
            col("reason"),
        ];
        columns.extend(ORIGIN.iter().chain(&RAW).map(|name| col(*name)));
        columns.push(lit(load_date.to_string()).alias("load_date"));
        rows.select(columns)
    }
}
