//! The settings of a schema registry, together.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::specs::{
    SCHEMA_REGISTRY_BASIC_AUTH, SCHEMA_REGISTRY_BEARER_TOKEN, SCHEMA_REGISTRY_CA,
    SCHEMA_REGISTRY_RETRIES, SCHEMA_REGISTRY_TIMEOUT, SCHEMA_REGISTRY_URL,
};
use super::{Settings, invalid, parse_duration};
use crate::error::{Error, Result};

/// A schema registry as the settings name it.
#[derive(Debug, Clone)]
pub struct SchemaRegistrySettings {
    /// Its addresses, at least one.
    pub urls: Vec<Url>,
    /// Who asks.
    pub credentials: Credentials,
    /// A PEM file of authorities besides the system's.
    pub ca_location: Option<String>,
    /// Of one request.
    pub timeout: Duration,
    /// How often a request is sent again.
    pub retries: u32,
}

/// Who asks. Its text has no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Anybody.
    None,
    /// A user.
    Basic {
        /// Its name.
        user: String,
        /// A secret.
        password: String,
    },
    /// Whoever has this token, a secret.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(***)",
            Self::Bearer(_) => "Bearer(***)",
        })
    }
}

pub(super) fn of(settings: &Settings) -> Result<Option<SchemaRegistrySettings>> {
    let credentials = credentials(settings)?;
    let text = settings.get(SCHEMA_REGISTRY_RETRIES);
    let retries = text
        .parse()
        .ok()
        .filter(|retries| *retries <= 100)
        .ok_or_else(|| invalid(SCHEMA_REGISTRY_RETRIES, text, "a number from 0 to 100"))?;
    let timeout = settings.get(SCHEMA_REGISTRY_TIMEOUT);
    let timeout = parse_duration(SCHEMA_REGISTRY_TIMEOUT.key, timeout)?;
    let ca_location = Some(settings.get(SCHEMA_REGISTRY_CA)).filter(|path| !path.is_empty());
    let text = settings.get(SCHEMA_REGISTRY_URL);
    if text.is_empty() {
        return Ok(None);
    }
    let urls = text.split(',').map(|text| address(text.trim()));
    Ok(Some(SchemaRegistrySettings {
        urls: urls.collect::<Result<_>>()?,
        credentials,
        ca_location: ca_location.map(str::to_owned),
        timeout,
        retries,
    }))
}

fn address(text: &str) -> Result<Url> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        // What stands before an @ may be a password.
        let shown = if text.contains('@') { "***" } else { text };
        return Err(invalid(
            SCHEMA_REGISTRY_URL,
            shown,
            "addresses like https://registry:8081, separated by commas",
        ));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid_argument(format!(
            "setting {:?} holds a user or a password; they belong into {:?}",
            SCHEMA_REGISTRY_URL.key, SCHEMA_REGISTRY_BASIC_AUTH.key
        )));
    }
    Ok(url)
}

fn credentials(settings: &Settings) -> Result<Credentials> {
    let basic = settings.get(SCHEMA_REGISTRY_BASIC_AUTH);
    let token = settings.get(SCHEMA_REGISTRY_BEARER_TOKEN);
    match (basic, token) {
        ("", "") => Ok(Credentials::None),
        ("", token) => match token.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            true => Ok(Credentials::Bearer(token.to_owned())),
            false => Err(Error::invalid_argument(format!(
                "setting {:?} is no token: it takes visible ASCII characters without spaces",
                SCHEMA_REGISTRY_BEARER_TOKEN.key
            ))),
        },
        (basic, "") => match basic.split_once(':') {
            Some((user, password)) => Ok(Credentials::Basic {
                user: user.to_owned(),
                password: password.to_owned(),
            }),
            None => Err(Error::invalid_argument(format!(
                "setting {:?} takes USER:PASSWORD, and has no colon",
                SCHEMA_REGISTRY_BASIC_AUTH.key
            ))),
        },
        _ => Err(Error::invalid_argument(format!(
            "settings {:?} and {:?} contradict each other: set one",
            SCHEMA_REGISTRY_BASIC_AUTH.key, SCHEMA_REGISTRY_BEARER_TOKEN.key
        ))),
    }
}
