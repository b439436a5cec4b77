//! CSV in columns: [`from_csv`], as Spark has it.

mod fields;
mod from_csv;
mod options;
mod values;

pub(super) use from_csv::FromCsv;
pub use from_csv::from_csv;
pub use options::CSV_OPTIONS;
