//! What a query returned, and whether it is what another returned.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tpchgen::q_and_a::answers_sf1::answer;

use super::queries::Query;

/// How far two floating-point numbers may lie apart, of the greater.
const FLOAT_TOLERANCE: f64 = 1e-9;

/// Published answers have two digits after the point.
const PUBLISHED_TOLERANCE: f64 = 0.005_001;

/// The rows of one query, as text.
#[derive(Debug, Clone)]
pub struct Answer {
    types: Vec<DataType>,
    rows: Vec<Vec<String>>,
}

impl Answer {
    /// Of the batches of a result.
    ///
    /// # Panics
    /// For a type without a form as text; there is none in TPC-H.
    #[must_use]
    pub fn new(query: &Query, schema: &Schema, batches: &[RecordBatch]) -> Self {
        let options = FormatOptions::new().with_null("null");
        let mut rows = Vec::new();
        for batch in batches {
            let columns: Vec<ArrayFormatter<'_>> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options).expect("a form as text"))
                .collect();
            rows.extend((0..batch.num_rows()).map(|row| -> Vec<String> {
                columns
                    .iter()
                    .map(|column| column.value(row).to_string())
                    .collect()
            }));
        }
        Self {
            types: types(schema),
            rows: in_order(query, rows),
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves it in `directory`, a line per row, with the text of its query beside it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, query: &Query, directory: &Path) {
        let rows: Vec<String> = self.rows.iter().map(|row| row.join("\t")).collect();
        let write = |suffix: &str, text: &str| {
            let file = directory.join(format!("{}.{suffix}", query.number));
            std::fs::write(file, text).expect("an answer can be written");
        };
        std::fs::create_dir_all(directory).expect("a directory for answers");
        write("sql", &query.sql);
        write("tsv", &rows.join("\n"));
    }

    /// The first difference to `other`: types and rows have to be the same, in the same order where the query has one, floating-point
    /// numbers up to the order in which they were added.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.types != other.types {
            return Some(format!("types {:?}, not {:?}", self.types, other.types));
        }
        let same = |column: usize, ours: &str, theirs: &str| {
            ours == theirs
                || self.types.get(column).is_some_and(DataType::is_floating)
                    && near(ours, theirs, 0.0)
        };
        first_difference(&self.rows, &other.rows, same)
    }

    /// The first difference to what is published with TPC-H for scale factor 1.
    #[must_use]
    pub fn difference_to_published(&self, query: &Query) -> Option<String> {
        let published = i32::try_from(query.number).ok().and_then(answer)?;
        let rows = published
            .lines()
            .filter(|line| !line.trim().is_empty())
            .skip(1)
            .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
            .collect();
        let same = |_, ours: &str, theirs: &str| {
            ours.trim() == theirs || near(ours, theirs, PUBLISHED_TOLERANCE)
        };
        first_difference(&self.rows, &in_order(query, rows), same)
    }
}

fn types(schema: &Schema) -> Vec<DataType> {
    let fields = schema.fields().iter();
    fields.map(|field| field.data_type().clone()).collect()
}

/// Rows that a query may return in any order, in that of their key.
fn in_order(query: &Query, mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    if let Some(key) = query.key {
        rows.sort_by(|a, b| a.get(key).cmp(&b.get(key)));
    }
    rows
}

fn near(ours: &str, theirs: &str, tolerance: f64) -> bool {
    match (ours.trim().parse::<f64>(), theirs.trim().parse::<f64>()) {
        (Ok(ours), Ok(theirs)) => {
            (ours - theirs).abs() <= tolerance + FLOAT_TOLERANCE * ours.abs().max(theirs.abs())
        }
        _ => false,
    }
}

fn first_difference(
    ours: &[Vec<String>],
    theirs: &[Vec<String>],
    same: impl Fn(usize, &str, &str) -> bool,
) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} rows, not {}", ours.len(), theirs.len()));
    }
    let different = |(ours, theirs): &(&Vec<String>, &Vec<String>)| {
        let mut cells = ours.iter().zip(theirs.iter()).enumerate();
        ours.len() != theirs.len()
            || cells.any(|(column, (ours, theirs))| !same(column, ours, theirs))
    };
    let (ours, theirs) = ours.iter().zip(theirs).find(different)?;
    Some(format!("{}, not {}", ours.join("|"), theirs.join("|")))
}
