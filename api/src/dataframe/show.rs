//! `show`: rows as a table of text, in Spark's form.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use weir_plan::{Error, Result};

use super::DataFrame;
use crate::program::print_line;

const ROWS: usize = 20;
const WIDTH: usize = 20;

impl DataFrame {
    /// Prints the first 20 rows, values cut to 20 characters.
    ///
    /// # Errors
    /// What the query reports.
    pub async fn show(&self) -> Result<()> {
        self.show_rows(ROWS, Some(WIDTH)).await
    }

    /// Prints the first `rows` rows, values cut to `width` characters.
    ///
    /// # Errors
    /// What the query reports.
    pub async fn show_rows(&self, rows: usize, width: Option<usize>) -> Result<()> {
        print_line(self.show_string(rows, width).await?)
    }

    /// What [`Self::show_rows`] prints.
    ///
    /// # Errors
    /// What the query reports.
    pub async fn show_string(&self, rows: usize, width: Option<usize>) -> Result<String> {
        // One row more tells whether there are more.
        let batches = self.take(rows.saturating_add(1)).await?;
        let mut cells = text_cells(&batches, width)?;
        let more = cells.len() > rows;
        cells.truncate(rows);
        let mut table = draw(&self.columns(), &cells);
        if more {
            table.push_str(&format!("\nonly showing top {rows} rows"));
        }
        Ok(table)
    }
}

fn text_cells(batches: &[RecordBatch], width: Option<usize>) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| Error::internal("cannot show a column").with_source(error))?;
        for row in 0..batch.num_rows() {
            rows.push(
                columns
                    .iter()
                    .map(|column| cut(column.value(row).to_string(), width))
                    .collect(),
            );
        }
    }
    Ok(rows)
}

fn cut(text: String, width: Option<usize>) -> String {
    match width {
        Some(width) if text.chars().count() > width => {
            let kept = width.saturating_sub(3);
            let dots = &"..."[..width.min(3)];
            text.chars().take(kept).chain(dots.chars()).collect()
        }
        _ => text,
    }
}

pub(crate) fn draw(names: &[String], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = names.iter().map(|name| name.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let rule: String = widths
        .iter()
        .map(|width| format!("+{}", "-".repeat(width + 2)))
        .chain(["+".to_owned()])
        .collect();
    let line = |cells: &[String]| -> String {
        widths
            .iter()
            .zip(cells)
            .map(|(width, cell)| format!("| {cell:<width$} "))
            .chain(["|".to_owned()])
            .collect()
    };
    let mut lines = vec![rule.clone(), line(names), rule.clone()];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.push(rule);
    lines.join("\n")
}
