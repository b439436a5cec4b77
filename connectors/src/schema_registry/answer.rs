//! What a registry answers, and what its errors mean.

use serde::Deserialize;
use weir_plan::{Error, ErrorKind};

/// A schema by its id, or by subject and version.
#[derive(Debug, Deserialize)]
pub(super) struct SchemaAnswer {
    pub(super) schema: String,
    #[serde(rename = "schemaType")]
    pub(super) schema_type: Option<String>,
    #[serde(default)]
    pub(super) references: Vec<ReferenceAnswer>,
    /// By subject only.
    pub(super) id: Option<u32>,
    /// By subject only.
    pub(super) version: Option<u32>,
}

/// Where a schema is that another one refers to.
#[derive(Debug, Deserialize)]
pub(super) struct ReferenceAnswer {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) version: u32,
}

/// A schema of a subject, found or registered.
#[derive(Debug, Deserialize)]
pub(super) struct RegisterAnswer {
    /// Not every registry says it of what it registered.
    pub(super) version: Option<u32>,
}

/// The level of a subject.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigAnswer {
    #[serde(rename = "compatibilityLevel")]
    pub(super) level: String,
}

/// Whether a schema may follow a version.
#[derive(Debug, Deserialize)]
pub(super) struct CompatibilityAnswer {
    pub(super) is_compatible: bool,
    /// Confluent's registry.
    #[serde(default)]
    messages: Vec<String>,
    /// Apicurio's.
    reason: Option<String>,
}

impl CompatibilityAnswer {
    /// Why not.
    pub(super) fn said(&self) -> String {
        let all: Vec<&str> = self
            .messages
            .iter()
            .chain(&self.reason)
            .map(String::as_str)
            .collect();
        match all.is_empty() {
            true => "the registry does not say why".to_owned(),
            false => all.join("; "),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Failure {
    error_code: u32,
    #[serde(default)]
    message: String,
}

/// What to do about an answer that is no success.
pub(super) enum Refusal {
    /// Ask again.
    Retry(String),
    /// It will not be another one.
    Final(Error),
}

/// How much of an answer that is not understood is shown.
const SHOWN_CHARS: usize = 200;

/// What an answer with `status`, no success, means for `what` was asked for.
pub(super) fn refusal(status: u16, body: &[u8], what: &str, url: &str) -> Refusal {
    let failure: Option<Failure> = serde_json::from_slice(body).ok();
    let said = match &failure {
        Some(failure) => format!("error {}: {}", failure.error_code, failure.message),
        None => {
            let text = String::from_utf8_lossy(body);
            text.chars().take(SHOWN_CHARS).collect()
        }
    };
    let error = |kind, message: String| Refusal::Final(Error::new(kind, message));
    match (status, failure.map(|failure| failure.error_code)) {
        // Codes of Confluent's API: subject, version, schema, level of a subject.
        (404, Some(40401..=40403 | 40408)) => error(
            ErrorKind::NotFound,
            format!("the schema registry at {url} does not know {what} ({said})"),
        ),
        (401 | 403, _) => error(
            ErrorKind::PermissionDenied,
            format!(
                "the schema registry at {url} refuses who asks for {what} (status {status}); set \
                 weir.schema.registry.basic.auth.user.info or weir.schema.registry.bearer.auth.token"
            ),
        ),
        // Incompatible; no schema, or no version.
        (409, _) => error(
            ErrorKind::SchemaMismatch,
            format!("the schema registry at {url} refuses {what} ({said})"),
        ),
        (422, _) => error(
            ErrorKind::InvalidArgument,
            format!("the schema registry at {url} does not understand {what} ({said})"),
        ),
        (408 | 429 | 500.., _) => Refusal::Retry(format!("it answers {status} ({said})")),
        _ => error(
            ErrorKind::InvalidArgument,
            format!(
                "the schema registry at {url} answers {status} when asked for {what} ({said}); is \
                 weir.schema.registry.url the address of its API?"
            ),
        ),
    }
}
