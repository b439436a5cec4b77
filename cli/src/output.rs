//! How commands show what they have found out.

use clap::ValueEnum;
use weir::Result;
use weir::program::print_line;

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns, for people.
    Table,
    /// One JSON object per line.
    Json,
}

/// Prints aligned columns.
pub(crate) fn table<const N: usize>(
    heading: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<()> {
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(rows);
    let widths: Vec<usize> = (0..N)
        .map(|column| lines.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    for row in lines {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        print_line(line.join("  ").trim_end())?;
    }
    Ok(())
}
