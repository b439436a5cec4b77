//! TPC-H's tables as Parquet files: written once, read by every master.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatchReader;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};
use weir::Session;
use weir::datafusion::parquet::arrow::ArrowWriter;
use weir::datafusion::parquet::basic::Compression;
use weir::datafusion::parquet::file::properties::WriterProperties;

/// Files of a table that grows with the scale factor.
const FILES: i32 = 4;

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 500_000;

/// Each table, and the number of its files.
const TABLES: [(&str, i32); 8] = [
    ("lineitem", FILES),
    ("orders", FILES),
    ("partsupp", FILES),
    ("part", FILES),
    ("customer", FILES),
    ("supplier", 1),
    ("nation", 1),
    ("region", 1),
];

type Rows = Box<dyn RecordBatchReader>;

/// The rows of file `part` of `files` of a table.
fn rows(table: &str, scale: f64, part: i32, files: i32) -> Rows {
    match table {
        "lineitem" => Box::new(LineItemArrow::new(LineItemGenerator::new(
            scale, part, files,
        ))),
        "orders" => Box::new(OrderArrow::new(OrderGenerator::new(scale, part, files))),
        "partsupp" => Box::new(PartSuppArrow::new(PartSuppGenerator::new(
            scale, part, files,
        ))),
        "part" => Box::new(PartArrow::new(PartGenerator::new(scale, part, files))),
        "customer" => Box::new(CustomerArrow::new(CustomerGenerator::new(
            scale, part, files,
        ))),
        "supplier" => Box::new(SupplierArrow::new(SupplierGenerator::new(
            scale, part, files,
        ))),
        "nation" => Box::new(NationArrow::new(NationGenerator::new(scale, part, files))),
        _ => Box::new(RegionArrow::new(RegionGenerator::new(scale, part, files))),
    }
}

/// The tables of one scale factor.
#[derive(Debug)]
pub struct Tables {
    directory: PathBuf,
}

impl Tables {
    /// The tables below `directory`, written first where they are not there.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn open(directory: &Path, scale: f64) -> Self {
        let tables = Self {
            directory: directory.join(format!("sf{scale}")),
        };
        for (table, files) in TABLES {
            tables.write(table, scale, files);
        }
        tables
    }

    fn write(&self, table: &str, scale: f64, files: i32) {
        let place = self.directory.join(table);
        if place.exists() {
            return;
        }
        // A table is there when it is complete.
        let partial = self.directory.join(format!("{table}.partial"));
        fs::create_dir_all(&partial).expect("a directory for a table");
        std::thread::scope(|scope| {
            for part in 1..=files {
                let file = partial.join(format!("part-{part}.parquet"));
                scope.spawn(move || write_file(rows(table, scale, part, files), &file));
            }
        });
        fs::rename(&partial, &place).expect("a table in its place");
    }

    /// Makes a view of each table.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn register(&self, session: &Session) -> weir::Result<()> {
        for (table, _) in TABLES {
            let place = self.directory.join(table).display().to_string();
            let rows = session.read().parquet(&place).await?;
            rows.create_or_replace_temp_view(table)?;
        }
        Ok(())
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let directories = TABLES.map(|(table, _)| self.directory.join(table));
        let files = directories
            .iter()
            .filter_map(|place| fs::read_dir(place).ok());
        files
            .flatten()
            .flatten()
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .sum()
    }
}

fn write_file(rows: Rows, file: &Path) {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let file = File::create(file).expect("a file of a table");
    let mut writer =
        ArrowWriter::try_new(file, rows.schema(), Some(properties)).expect("a Parquet writer");
    for batch in rows {
        writer
            .write(&batch.expect("generated rows"))
            .expect("written rows");
    }
    writer.close().expect("a complete file");
}
