//! Column functions and dataframe verbs give what Spark gives.
//!
//! Each case is a dataframe twice: as PySpark, which is also its name, and as Weir. What Spark said is
//! in `functions/golden/*.json`. With `WEIR_TEST_SPARK=1` Spark is asked again, and with
//! `WEIR_TEST_GOLDEN=write` the files are written.

mod aggregates;
mod coverage;
mod csv;
mod datetime;
mod golden;
mod json;
mod math;
mod text;
mod values;
mod verbs;
mod verbs_api;
mod verbs_coverage;
mod verbs_groups;
mod verbs_joins;
mod verbs_sets;
mod window;
