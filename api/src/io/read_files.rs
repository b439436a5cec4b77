//! Bounded reads of files.

use datafusion::arrow::datatypes::SchemaRef;
use weir_connectors::files::{FileFormat, read_files};
use weir_plan::{Error, Result};

use super::read::DataFrameReader;
use crate::dataframe::DataFrame;

impl DataFrameReader {
    /// The columns of the files, instead of those they are found to have. A column that a file lacks
    /// is null, a column that is not in `schema` is not read; those of partition directories have the
    /// types given here. Of `parquet` and `json`.
    #[must_use]
    pub fn schema(mut self, schema: SchemaRef) -> Self {
        self.schema = Some(schema);
        self
    }

    /// The rows of the Parquet files at `location`: a file, a directory, or a pattern (`/lake/2026-*`).
    ///
    /// # Errors
    /// As [`Self::load_paths`].
    pub async fn parquet(self, location: &str) -> Result<DataFrame> {
        self.format("parquet").load_path(location).await
    }

    /// The rows of the files of JSON lines at `location`: a file, a directory, or a pattern.
    ///
    /// # Errors
    /// As [`Self::load_paths`].
    pub async fn json(self, location: &str) -> Result<DataFrame> {
        self.format("json").load_path(location).await
    }

    /// The rows of the files (`parquet`, `json`) at all of `locations`.
    ///
    /// # Errors
    /// `NotFound` for a location without files; `InvalidArgument` for options and layouts;
    /// `SchemaMismatch` for files whose columns do not fit; `Storage` for one that cannot be read.
    pub async fn load_paths<S: Into<String>>(
        self,
        locations: impl IntoIterator<Item = S>,
    ) -> Result<DataFrame> {
        let format = self.known_format()?;
        let Some(format) = FileFormat::parse(&format) else {
            return Err(Error::unsupported(format!(
                "format {format:?} is read from one place: use load_path(location) or load()"
            )));
        };
        let locations: Vec<String> = locations.into_iter().map(Into::into).collect();
        let session = self.session.datafusion().state();
        let table = read_files(
            &session,
            format,
            &locations,
            &self.options,
            self.schema.clone(),
        );
        let table = table.await?;
        self.frame(table)
    }
}
