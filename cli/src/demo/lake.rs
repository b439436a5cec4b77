//! Where the demo's tables are, and the dimension it brings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir::datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use weir::prelude::*;
use weir::{DataFrame, Error, ErrorKind, Result};

use super::records::PRODUCTS_SOLD;

/// Products of the dimension: the last few that are sold are missing.
const PRODUCTS_KNOWN: u32 = PRODUCTS_SOLD - 5;
const CATEGORIES: [&str; 5] = ["books", "garden", "kitchen", "music", "toys"];

/// The demo's directory.
#[derive(Debug)]
pub(super) struct Lake {
    dir: PathBuf,
}

impl Lake {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The location of table `name`.
    pub(super) fn table(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// Table `name` as it is now.
    pub(super) async fn read(&self, session: &Session, name: &str) -> Result<DataFrame> {
        session.read().delta(&self.table(name)).await
    }

    /// Writes the products: `product_id`, `name`, `category`.
    pub(super) async fn write_products(&self) -> Result<u64> {
        let column = |text: fn(u32) -> String| -> ArrayRef {
            Arc::new(
                (0..PRODUCTS_KNOWN)
                    .map(text)
                    .map(Some)
                    .collect::<StringArray>(),
            )
        };
        let rows = RecordBatch::try_from_iter([
            ("product_id", column(|n| format!("p{n}"))),
            ("name", column(|n| format!("product {n}"))),
            (
                "category",
                column(|n| CATEGORIES[n as usize % CATEGORIES.len()].to_owned()),
            ),
        ])
        .map_err(|error| Error::internal("the products are no rows").with_source(error))?;
        let session = Session::builder().app_name("demo").create().await?;
        let rows = session.datafusion().read_batch(rows)?;
        DataFrame::from_datafusion(&session, rows)
            .write()
            .format("delta")
            .mode(SaveMode::ErrorIfExists)
            .save(&self.table("products"))
            .await?;
        Ok(u64::from(PRODUCTS_KNOWN))
    }

    /// Writes the suite of checks and returns its path.
    pub(super) fn write_suite(&self) -> Result<String> {
        let path = self.dir.join("orders.yaml");
        let suite = include_str!("orders.yaml").replace("{products}", &self.table("products"));
        std::fs::write(&path, suite).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("writing {}", path.display())).with_source(error)
        })?;
        Ok(path.display().to_string())
    }
}
