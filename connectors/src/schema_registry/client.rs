//! Schemas by id and by subject, with what they refer to.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use weir_plan::schema_registry::{SchemaReference, SchemaRegistry};
use weir_plan::settings::SchemaRegistrySettings;
use weir_plan::{Error, ErrorKind, RegisteredSchema, Result, SchemaType, SubjectVersion};

use super::answer::{ReferenceAnswer, SchemaAnswer};
use super::http::{Http, blocking, run};

/// Schemas kept at most. A topic has few; the ids of garbage are not kept.
const KEPT_MAX: usize = 10_000;

/// What one schema may refer to, directly or not.
const REFERENCES_MAX: usize = 1000;

/// A schema registry. Clones of an `Arc` of it share what they were told.
#[derive(Debug)]
pub struct SchemaRegistryClient {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    http: Http,
    /// An id stands for one schema for ever.
    by_id: Mutex<HashMap<u32, Arc<RegisteredSchema>>>,
}

impl SchemaRegistryClient {
    /// A client that has asked nothing yet.
    ///
    /// # Errors
    /// `InvalidArgument` for a file of authorities that cannot be read.
    pub fn new(settings: &SchemaRegistrySettings) -> Result<Self> {
        let inner = Inner {
            http: Http::new(settings)?,
            by_id: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The newest version of `subject`, as it is now.
    ///
    /// # Errors
    /// `NotFound` for a subject that the registry does not know, `Unavailable` when it does not answer, `PermissionDenied` when it
    /// refuses who asks.
    pub async fn latest_version(&self, subject: &str) -> Result<SubjectVersion> {
        self.by_subject(subject, "latest".to_owned()).await
    }

    /// Version `version` of `subject`.
    ///
    /// # Errors
    /// As [`Self::latest_version`].
    pub async fn version(&self, subject: &str, version: u32) -> Result<SubjectVersion> {
        self.by_subject(subject, version.to_string()).await
    }

    async fn by_subject(&self, subject: &str, version: String) -> Result<SubjectVersion> {
        let (inner, subject) = (Arc::clone(&self.inner), subject.to_owned());
        run(async move { inner.version(&subject, &version).await }).await
    }
}

impl SchemaRegistry for SchemaRegistryClient {
    fn schema(&self, id: u32) -> Result<Arc<RegisteredSchema>> {
        if let Some(schema) = self.inner.kept().get(&id) {
            return Ok(Arc::clone(schema));
        }
        let inner = Arc::clone(&self.inner);
        blocking(async move {
            let what = format!("schema id {id}");
            let answer = inner
                .ask(&["schemas", "ids", &id.to_string()], &what)
                .await?;
            let schema = Arc::new(inner.whole(answer, &what).await?);
            let mut kept = inner.kept();
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(id, Arc::clone(&schema));
            Ok(schema)
        })
    }
}

impl Inner {
    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<RegisteredSchema>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, path: &[&str], what: &str) -> Result<SchemaAnswer> {
        self.get(path, &[], what).await
    }

    /// The answer to `GET path`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        what: &str,
    ) -> Result<T> {
        understood(&self.http.send(path, query, None, what).await?, what)
    }

    /// The answer to `POST path`, which changes nothing more when it is sent again.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &serde_json::Value,
        what: &str,
    ) -> Result<T> {
        let answer = self.http.send(path, query, Some(body), what).await?;
        understood(&answer, what)
    }

    /// A version of `subject`, or `latest`.
    pub(super) async fn version(&self, subject: &str, version: &str) -> Result<SubjectVersion> {
        let what = format!("version {version} of subject {subject:?}");
        let path = ["subjects", subject, "versions", version];
        let answer = self.ask(&path, &what).await?;
        let (Some(id), Some(version)) = (answer.id, answer.version) else {
            return Err(not_understood(&what, "it has no id and version"));
        };
        let schema = self.whole(answer, &what).await?;
        Ok(SubjectVersion {
            subject: subject.to_owned(),
            version,
            id,
            schema,
        })
    }

    /// The schema of an answer, with all that it refers to.
    async fn whole(&self, answer: SchemaAnswer, what: &str) -> Result<RegisteredSchema> {
        let schema_type = SchemaType::parse(answer.schema_type.as_deref())
            .map_err(|error| error.context(what))?;
        // Each is asked for when it is met first, and put down behind those that it refers to.
        enum Step {
            Ask(ReferenceAnswer),
            Put(SchemaReference),
        }
        let mut references = Vec::new();
        let mut met = HashSet::new();
        let mut steps: Vec<Step> = answer.references.into_iter().rev().map(Step::Ask).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Put(reference) => references.push(reference),
                Step::Ask(reference) => {
                    if !met.insert(reference.name.clone()) {
                        continue;
                    }
                    if met.len() > REFERENCES_MAX {
                        return Err(Error::unsupported(format!(
                            "{what} refers to more than {REFERENCES_MAX} schemas"
                        )));
                    }
                    let ReferenceAnswer {
                        name,
                        subject,
                        version,
                    } = reference;
                    let version = version.to_string();
                    let path = ["subjects", subject.as_str(), "versions", &version];
                    let what = format!(
                        "version {version} of subject {subject:?}, which {what} refers to as {name:?}"
                    );
                    // A schema that others need and that is not there is no fault of a record.
                    let found =
                        self.ask(&path, &what)
                            .await
                            .map_err(|error| match error.kind() {
                                ErrorKind::NotFound => {
                                    Error::new(ErrorKind::Unavailable, error.to_string())
                                }
                                _ => error,
                            })?;
                    let text = found.schema;
                    steps.push(Step::Put(SchemaReference { name, text }));
                    steps.extend(found.references.into_iter().rev().map(Step::Ask));
                }
            }
        }
        Ok(RegisteredSchema {
            schema_type,
            text: answer.schema,
            references,
        })
    }
}

fn understood<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| not_understood(what, &error.to_string()))
}

pub(super) fn not_understood(what: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the schema registry's answer for {what} is not understood: {why}; is weir.schema.registry.url the address \
             of its API?"
        ),
    )
}
