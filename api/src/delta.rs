//! Delta tables as objects: a version to read, and to hold later writes to.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use weir_connectors::delta::read_version;
use weir_plan::{Options, Result};

use crate::dataframe::DataFrame;
use crate::session::Session;

/// A Delta table at one version. Delta Lake's `DeltaTable`, as far as it is supported.
///
/// A job that computes a part of a table from the table itself and replaces it holds its write to the
/// version it read, so that a commit in between is not lost:
///
/// ```no_run
/// # use weir::prelude::*;
/// # async fn correct(session: &Session) -> weir::Result<()> {
/// use weir::delta::DeltaTable;
///
/// let silver = DeltaTable::for_path(session, "/lake/silver/orders").await?;
/// let day = silver.to_df()?.filter(col("day").eq(lit("2026-01-31")))?;
/// let corrected = day.with_column("amount", col("amount") * lit(2))?;
/// corrected
///     .write()
///     .format("delta")
///     .mode(SaveMode::Overwrite)
///     .option("replaceWhere", "day = '2026-01-31'")
///     .expected_version(silver.version())
///     .save("/lake/silver/orders")
///     .await
/// # }
/// ```
#[derive(Clone)]
pub struct DeltaTable {
    session: Session,
    location: String,
    version: u64,
    provider: Arc<dyn TableProvider>,
}

impl DeltaTable {
    /// The table at `location`, a path or the URL of a directory or of an object store, at its newest
    /// version.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Unsupported` for a scheme there is no store for; `Unavailable` when
    /// the store is out of reach.
    pub async fn for_path(session: &Session, location: &str) -> Result<Self> {
        let (version, provider) = read_version(location, &Options::new(), session.stores()).await?;
        Ok(Self {
            session: session.clone(),
            location: location.to_owned(),
            version,
            provider,
        })
    }

    /// The version, of which [`Self::to_df`] gives the rows, whatever is committed later.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The rows of [`Self::version`].
    ///
    /// # Errors
    /// `Internal`, when the engine refuses the table.
    pub fn to_df(&self) -> Result<DataFrame> {
        let provider = Arc::clone(&self.provider);
        let inner = self.session.datafusion().read_table(provider)?;
        Ok(DataFrame::from_datafusion(&self.session, inner))
    }
}

impl fmt::Debug for DeltaTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaTable")
            .field("location", &self.location)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
