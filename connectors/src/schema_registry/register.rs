//! Schemas put into a registry: found there, or compared with what is there and registered.
//!
//! What it guarantees: nothing is registered that the subject's level, or a level that is asked for, does not allow, and a schema that the
//! subject has already is found and not registered again. Whoever calls it twice, or is tried again, has the same id.

use serde_json::json;
use weir_plan::functions::wire::Compatibility;
use weir_plan::{
    Error, ErrorKind, OptionSpec, Options, RegisteredSchema, Result, SchemaType, SubjectVersion,
};

use super::answer::{CompatibilityAnswer, ConfigAnswer, RegisterAnswer};
use super::client::{Inner, SchemaRegistryClient, not_understood};
use super::http::run;

/// What [`SchemaRegistryClient::register`] understands. The keys are those of Confluent's serializers and of its registry.
pub const REGISTER_OPTIONS: &[OptionSpec] = &[AUTO_REGISTER, USE_LATEST, NORMALIZE, LEVEL];

const AUTO_REGISTER: OptionSpec = OptionSpec {
    key: "auto.register.schemas",
    doc: "whether a schema that the subject does not have is registered, or an error; default true",
};

const USE_LATEST: OptionSpec = OptionSpec {
    key: "use.latest.version",
    doc: "whether the subject's newest version is taken instead, if it reads records of the schema that is given; default \
          false, and with auto.register.schemas=false only",
};

const NORMALIZE: OptionSpec = OptionSpec {
    key: "normalize.schemas",
    doc: "whether the registry is to take schemas for the same that differ in their spelling only; default false",
};

const LEVEL: OptionSpec = OptionSpec {
    key: "schema.compatibility.level",
    doc: "a level that is asked for besides the subject's own: NONE, BACKWARD, FORWARD, FULL, BACKWARD_TRANSITIVE, \
          FORWARD_TRANSITIVE, FULL_TRANSITIVE; default NONE",
};

/// How a schema is put into a registry.
#[derive(Debug, Clone, Copy)]
struct How {
    register: bool,
    latest: bool,
    normalize: bool,
    level: Compatibility,
}

impl How {
    fn of(options: &Options) -> Result<Self> {
        options.validate("register", REGISTER_OPTIONS, &[])?;
        let flag = |spec: OptionSpec| options.parse_bool(spec.key);
        let how = Self {
            register: flag(AUTO_REGISTER)?.unwrap_or(true),
            latest: flag(USE_LATEST)?.unwrap_or(false),
            normalize: flag(NORMALIZE)?.unwrap_or(false),
            level: match options.get(LEVEL.key) {
                None => Compatibility::None,
                Some(text) => Compatibility::parse(text)
                    .map_err(|error| error.context(format!("option {:?}", LEVEL.key)))?,
            },
        };
        if how.latest && how.register {
            return Err(Error::invalid_argument(format!(
                "option {:?} is for {}=false, as in Confluent's serializers",
                USE_LATEST.key, AUTO_REGISTER.key
            )));
        }
        Ok(how)
    }

    fn query(&self) -> Vec<(&'static str, &'static str)> {
        match self.normalize {
            true => vec![("normalize", "true")],
            false => Vec::new(),
        }
    }
}

impl SchemaRegistryClient {
    /// The version of `subject` (of a topic's values `TOPIC-value`, of its keys `TOPIC-key`) that `schema` is, registered if need be,
    /// with [`REGISTER_OPTIONS`]: to be called once, where a dataframe is made, for `to_avro_registry` and the others.
    ///
    /// A schema that the subject has is found, and nothing is compared. Before another one is registered, the registry compares it with the
    /// last version, or with all, as the subject's level (or the registry's own) says. `schema.compatibility.level` asks for more: it is
    /// decided here, by the rules by which Weir reads records, since a registry has one level for a subject, which is not changed. What is
    /// returned is the schema as the registry has it.
    ///
    /// # Errors
    /// `SchemaMismatch` for a schema that is not compatible, with the subject, the version it was compared with, and what the registry says:
    /// nothing is registered. `NotFound` with `auto.register.schemas=false` when the subject does not have it; `InvalidArgument` or
    /// `Unsupported` for what is no schema or has no table type, for one that refers to others, and for an option; then as [`Self::latest_version`].
    pub async fn register<K: Into<String>, V: Into<String>>(
        &self,
        subject: &str,
        schema: &RegisteredSchema,
        options: impl IntoIterator<Item = (K, V)>,
    ) -> Result<SubjectVersion> {
        let mut given = Options::new();
        for (key, value) in options {
            given.set(key, value.into());
        }
        let how = How::of(&given)?;
        let context = format!("schema for subject {subject:?}");
        schema.check().map_err(|error| error.context(&context))?;
        if !schema.references.is_empty() {
            return Err(Error::unsupported(format!(
                "{context}: it refers to {:?}; register it by the registry's own means, and take it by latest_version",
                schema.references[0].name
            )));
        }
        let registering = Registering {
            subject: subject.to_owned(),
            schema: schema.clone(),
            how,
        };
        if how.latest {
            let latest = self.latest_version(subject).await?;
            return registering.latest(latest);
        }
        let inner = std::sync::Arc::clone(&self.inner);
        let found = run(async move {
            match registering.lookup(&inner).await? {
                Some(found) => Ok(found),
                None if how.register => {
                    registering.compare(&inner).await?;
                    registering.put(&inner).await
                }
                None => Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "subject {:?} does not have the schema, and {} is false: register it, or set {} to true",
                        registering.subject, AUTO_REGISTER.key, USE_LATEST.key
                    ),
                )),
            }
        })
        .await?;
        self.version(subject, found).await
    }
}

struct Registering {
    subject: String,
    schema: RegisteredSchema,
    how: How,
}

impl Registering {
    fn body(&self) -> serde_json::Value {
        let text = &self.schema.text;
        match self.schema.schema_type {
            // Older registries know no other, and no name for it.
            SchemaType::Avro => json!({"schema": text}),
            other => json!({"schema": text, "schemaType": other.as_str()}),
        }
    }

    fn what(&self) -> String {
        format!("the schema for subject {:?}", self.subject)
    }

    fn incompatible(&self, level: &str, version: &str, why: &str) -> Error {
        Error::new(
            ErrorKind::SchemaMismatch,
            format!(
                "the schema is not compatible ({level}) with version {version} of subject {:?}, and was not registered: {why}",
                self.subject
            ),
        )
    }

    /// The newest version, if it reads what the schema writes.
    fn latest(self, latest: SubjectVersion) -> Result<SubjectVersion> {
        match self.schema.unreadable_as(&latest.schema)? {
            None => Ok(latest),
            Some(why) => Err(Error::new(
                ErrorKind::SchemaMismatch,
                format!(
                    "version {} of subject {:?}, the latest, does not read records of the schema: {why}; to write by that \
                     version whatever the schema, take it by latest_version",
                    latest.version, self.subject
                ),
            )),
        }
    }

    /// The version that the schema is already.
    async fn lookup(&self, inner: &Inner) -> Result<Option<u32>> {
        let path = ["subjects", &self.subject];
        let what = self.what();
        match inner
            .post::<RegisterAnswer>(&path, &self.how.query(), &self.body(), &what)
            .await
        {
            Ok(answer) => match answer.version {
                Some(version) => Ok(Some(version)),
                None => Err(not_understood(&what, "it has no version")),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// That the schema may be the next version.
    async fn compare(&self, inner: &Inner) -> Result<()> {
        let subject = self.subject.as_str();
        let what = format!("the versions of subject {subject:?}");
        let versions: Vec<u32> = match inner
            .get(&["subjects", subject, "versions"], &[], &what)
            .await
        {
            Ok(versions) => versions,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let of = |level: Compatibility| -> &[u32] {
            match level {
                Compatibility::None => &[],
                level if level.is_transitive() => &versions,
                _ => versions.last().map_or(&[], std::slice::from_ref),
            }
        };
        let theirs = self.level(inner).await?;
        for version in of(theirs) {
            let number = version.to_string();
            let path = ["compatibility", "subjects", subject, "versions", &number];
            let what = format!(
                "whether {} is compatible with version {version}",
                self.what()
            );
            let answer: CompatibilityAnswer = inner
                .post(&path, &[("verbose", "true")], &self.body(), &what)
                .await?;
            if !answer.is_compatible {
                return Err(self.incompatible(&theirs.to_string(), &number, &answer.said()));
            }
        }
        for version in of(self.how.level) {
            let old = inner.version(subject, &version.to_string()).await?;
            let asked = self.how.level;
            if let Some(why) = asked.broken_by(&self.schema, &old.schema)? {
                let level = format!("{}={asked}", LEVEL.key);
                return Err(self.incompatible(&level, &version.to_string(), &why));
            }
        }
        Ok(())
    }

    /// The subject's level, or that of the registry.
    async fn level(&self, inner: &Inner) -> Result<Compatibility> {
        let what = format!("the compatibility level of subject {:?}", self.subject);
        let query = [("defaultToGlobal", "true")];
        let answer: Result<ConfigAnswer> =
            inner.get(&["config", &self.subject], &query, &what).await;
        let answer = match answer {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                inner.get::<ConfigAnswer>(&["config"], &[], &what).await?
            }
            answer => answer?,
        };
        Compatibility::parse(&answer.level).map_err(|error| error.context(what))
    }

    async fn put(&self, inner: &Inner) -> Result<u32> {
        let path = ["subjects", self.subject.as_str(), "versions"];
        let answer: Result<RegisterAnswer> = inner
            .post(&path, &self.how.query(), &self.body(), &self.what())
            .await;
        match answer {
            Ok(RegisterAnswer {
                version: Some(version),
                ..
            }) => Ok(version),
            Ok(_) => match self.lookup(inner).await? {
                Some(version) => Ok(version),
                None => Err(not_understood(
                    &self.what(),
                    "it was registered, and is not found",
                )),
            },
            // Someone else registered another one meanwhile.
            Err(error) if error.kind() == ErrorKind::SchemaMismatch => {
                Err(self.incompatible("as the registry decides", "latest", &error.to_string()))
            }
            Err(error) => Err(error),
        }
    }
}
