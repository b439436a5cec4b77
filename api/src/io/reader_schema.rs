//! Streams that are read with a subject's schema: which version that is, and what a newer one may change.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::logical_expr::LogicalPlan;
use tracing::{info, warn};
use weir_plan::dead_letters::LetterRule;
use weir_plan::functions::PinnedParameters;
use weir_plan::{Error, ErrorKind, RegisteredSchema, Result, SubjectVersion};
use weir_streaming::EvolvingRows;

use super::schema_change::breaks;
use crate::dataframe::DataFrame;
use crate::quality::{RulesOf, ruled};

/// Which version of a subject of the session's schema registry a stream's records are read with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderSchema {
    subject: String,
    version: Option<u32>,
    breaking: BreakingChange,
}

/// What becomes of a stream when the newest version of its subject does not go on from the one it was read with: it has no
/// field for a column, or one of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BreakingChange {
    /// The query ends, naming column, types and versions, before a batch is planned with it.
    #[default]
    Fail,
    /// The stream goes on with the version it had, and looks again later: a record that cannot be read with that is bad, for the rules to
    /// tell.
    Keep,
    /// A column that is gone is null from then on, as in Spark. Another type still ends the query.
    Null,
}

impl ReaderSchema {
    /// The newest version there is: of a drain (`Trigger::AvailableNow`, `Once`) when it starts, otherwise of each batch when it is planned.
    #[must_use]
    pub fn newest(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            version: None,
            breaking: BreakingChange::Fail,
        }
    }

    /// Version `version`, from 1, whatever comes after it.
    #[must_use]
    pub fn version(subject: impl Into<String>, version: u32) -> Self {
        Self {
            version: Some(version),
            ..Self::newest(subject)
        }
    }

    /// What is done about a version that does not go on from the last.
    #[must_use]
    pub fn on_breaking_change(mut self, breaking: BreakingChange) -> Self {
        self.breaking = breaking;
        self
    }
}

/// Makes rows of the stream's records and the reader's schema.
pub(crate) type MakeRows =
    Arc<dyn Fn(DataFrame, &RegisteredSchema) -> Result<DataFrame> + Send + Sync>;

/// The rows of a stream that is read with a [`ReaderSchema`].
pub(crate) struct SubjectRows {
    records: DataFrame,
    reader: ReaderSchema,
    make: MakeRows,
    rules: Option<RulesOf>,
    hidden: Vec<String>,
    /// Whether dead letters have a place.
    letters: bool,
    /// Of the last batch that was planned before the query started; without one, the newest then.
    start: SubjectVersion,
    /// The rows that were made last: plans of one version keep what they know of writers.
    made: Mutex<Option<(SubjectVersion, LogicalPlan)>>,
}

impl SubjectRows {
    /// Goes on from `last`, what the last batch was logged with, if anything; or asks the registry for the version that is read with now.
    ///
    /// # Errors
    /// `CorruptCheckpoint` for a version that was logged and cannot be understood; `InvalidArgument` for a session without a registry; `NotFound`, `Unavailable` and `PermissionDenied` as the registry says.
    pub(crate) async fn start(
        records: DataFrame,
        reader: ReaderSchema,
        make: MakeRows,
        last: Option<&PinnedParameters>,
    ) -> Result<Self> {
        let logged = match (reader.version, last) {
            (None, Some(last)) => logged(&reader, last)?,
            _ => None,
        };
        let start = match logged {
            Some(logged) => logged,
            None => ask(&records, &reader).await?,
        };
        Ok(Self {
            records,
            reader,
            make,
            rules: None,
            hidden: Vec::new(),
            letters: false,
            start,
            made: Mutex::default(),
        })
    }

    /// With `rules` that tell the rows apart.
    pub(crate) fn with_rules(
        mut self,
        rules: Option<RulesOf>,
        hidden: Vec<String>,
        letters: bool,
    ) -> Self {
        self.rules = rules;
        self.hidden = hidden;
        self.letters = letters;
        self
    }

    /// The plan of the version that the query starts with, and the rules in it.
    pub(crate) fn first_plan(&self) -> Result<(LogicalPlan, Option<Vec<LetterRule>>)> {
        self.made(&self.start)
    }

    fn rows(&self, version: &SubjectVersion) -> Result<DataFrame> {
        let rows = (self.make)(self.records.clone(), &version.schema);
        rows.map_err(|error| error.context(shown(version)))
    }

    fn made(&self, version: &SubjectVersion) -> Result<(LogicalPlan, Option<Vec<LetterRule>>)> {
        let rows = self.rows(version)?;
        ruled(&rows, self.rules.as_ref(), &self.hidden, self.letters)
    }

    /// What a batch with `parameters` is read with. A version that the program names counts, whatever was logged: of a batch that is not
    /// prepared, nothing is in the table yet.
    fn of(&self, parameters: &PinnedParameters) -> Result<SubjectVersion> {
        let logged = match self.reader.version {
            Some(_) => None,
            None => logged(&self.reader, parameters)?,
        };
        Ok(logged.unwrap_or_else(|| self.start.clone()))
    }

    /// The version to go on with.
    fn after(&self, last: SubjectVersion, next: SubjectVersion) -> Result<SubjectVersion> {
        if last == next {
            return Ok(next);
        }
        let before = match self.rows(&last) {
            Ok(rows) => rows,
            // Another program made them: its columns may be others.
            Err(error) => {
                info!(%error, "the last batch's rows cannot be made again to compare them");
                return Ok(next);
            }
        };
        let after = self.rows(&next)?;
        let broken = breaks(before.schema().as_arrow(), after.schema().as_arrow());
        let gone_only = broken.iter().all(|change| change.to.is_none());
        match (broken.first(), self.reader.breaking) {
            (None, _) => {
                info!(
                    "records are read with {}, before with {}",
                    shown(&next),
                    shown(&last)
                );
                Ok(next)
            }
            (Some(change), BreakingChange::Keep) => {
                warn!(
                    "records are still read with {}: in {} {change}",
                    shown(&last),
                    shown(&next)
                );
                Ok(last)
            }
            (Some(change), BreakingChange::Null) if gone_only => {
                warn!("in {} {change}: it is null from now on", shown(&next));
                Ok(next)
            }
            (Some(_), BreakingChange::Fail | BreakingChange::Null) => {
                let list: Vec<String> = broken.iter().map(ToString::to_string).collect();
                Err(Error::new(
                    ErrorKind::SchemaMismatch,
                    format!(
                        "{} does not go on from version {}: {}; keep reading with version {}, or register a version that has what was there",
                        shown(&next),
                        last.version,
                        list.join("; "),
                        last.version
                    ),
                ))
            }
        }
    }
}

#[async_trait]
impl EvolvingRows for SubjectRows {
    async fn next(&self, last: Option<&PinnedParameters>) -> Result<PinnedParameters> {
        let next = match self.reader.version {
            Some(_) => self.start.clone(),
            None => ask(&self.records, &self.reader).await?,
        };
        let last = match last {
            Some(last) => logged(&self.reader, last)?,
            None => None,
        };
        let next = match last {
            Some(last) => self.after(last, next)?,
            None => next,
        };
        let text = serde_json::to_string(&next).map_err(|error| {
            Error::internal("a version of a subject has no JSON").with_source(error)
        })?;
        Ok([(key(&self.reader), text)].into())
    }

    fn plan(&self, parameters: &PinnedParameters) -> Result<LogicalPlan> {
        let version = self.of(parameters)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, plan)) = made.as_ref()
            && *of == version
        {
            return Ok(plan.clone());
        }
        let (plan, _) = self.made(&version)?;
        *made = Some((version, plan.clone()));
        Ok(plan)
    }

    fn describe(&self, parameters: &PinnedParameters) -> String {
        match self.of(parameters) {
            Ok(version) => format!("rows read with {}", shown(&version)),
            Err(_) => format!("rows read with subject {:?}", self.reader.subject),
        }
    }
}

impl fmt::Debug for SubjectRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectRows")
            .field("reader", &self.reader)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// The parameter of a batch that holds its version.
fn key(reader: &ReaderSchema) -> String {
    format!("schemaRegistry.subject.{}", reader.subject)
}

/// What was logged of the reader's schema, if anything was.
fn logged(reader: &ReaderSchema, parameters: &PinnedParameters) -> Result<Option<SubjectVersion>> {
    let key = key(reader);
    let Some(text) = parameters.get(&key) else {
        return Ok(None);
    };
    serde_json::from_str(text).map(Some).map_err(|error| {
        let what = format!("the checkpoint's parameter {key:?} is no version of a subject");
        Error::new(ErrorKind::CorruptCheckpoint, what).with_source(error)
    })
}

async fn ask(records: &DataFrame, reader: &ReaderSchema) -> Result<SubjectVersion> {
    let session = records.session();
    let registry = session.schema_registry()?;
    match reader.version {
        Some(version) => registry.version(&reader.subject, version).await,
        None => registry.latest_version(&reader.subject).await,
    }
}

fn shown(version: &SubjectVersion) -> String {
    format!(
        "version {} of subject {:?} (schema id {})",
        version.version, version.subject, version.id
    )
}
