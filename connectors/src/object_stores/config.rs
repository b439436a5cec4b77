//! Settings of object stores: whose they are, and the store they make.
//!
//! Keys are `object_store`'s (`aws_endpoint_url`, `google_service_account`, `azure_storage_account_key`),
//! which are also those of delta-rs' `storage_options`, in any case. `bucket.NAME.KEY` is for one bucket
//! or container and goes before `KEY`; either goes before the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use url::Url;
use weir_plan::options::did_you_mean;
use weir_plan::settings::{STORAGE_PREFIX, parse_duration};
use weir_plan::{Error, Result};

const MAX_RETRIES: &str = "max_retries";
const RETRY_TIMEOUT: &str = "retry_timeout";
const OF_A_BUCKET: &str = "bucket.";

/// Tries of a request after its first, and how long they may take together. A store that is away for
/// longer fails the query with `Unavailable`.
const MAX_RETRIES_DEFAULT: usize = 10;
const RETRY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
const BACKOFF: BackoffConfig = BackoffConfig {
    init_backoff: Duration::from_millis(100),
    max_backoff: Duration::from_secs(5),
    base: 2.0,
};

/// Keys that Weir decides: the URL names the bucket, and commits need conditional puts.
const DECIDED: &[&str] = &[
    "bucket",
    "bucket_name",
    "container_name",
    "conditional_put",
    "copy_if_not_exists",
];

/// The keys most used, for "did you mean".
const USUAL: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_endpoint_url",
    "aws_region",
    "aws_virtual_hosted_style_request",
    "allow_http",
    "timeout",
    "connect_timeout",
    MAX_RETRIES,
    RETRY_TIMEOUT,
    "google_service_account",
    "google_service_account_key",
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_sas_key",
];

/// The settings of object stores, without their prefix; values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct StoreSettings {
    /// By bucket, where it is for one, and lowercase key.
    values: BTreeMap<(Option<String>, String), String>,
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl StoreSettings {
    /// # Errors
    /// `InvalidArgument` for a key no store has, and for values of Weir's own keys.
    pub(super) fn try_new<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        for (given, value) in settings {
            let (bucket, key) = match given.strip_prefix(OF_A_BUCKET) {
                None => (None, given),
                // A bucket's name may have dots in it, a key has none.
                Some(rest) => match rest.rsplit_once('.') {
                    Some((bucket, key)) => (Some(bucket.to_owned()), key),
                    None => return Err(unknown(given, given)),
                },
            };
            let key = key.to_lowercase();
            check_key(given, &key)?;
            values.insert((bucket, key), value.to_owned());
        }
        let settings = Self { values };
        for bucket in settings.values.keys().map(|(bucket, _)| bucket.as_deref()) {
            settings.retry(bucket.unwrap_or_default())?;
        }
        Ok(settings)
    }

    /// The settings for `bucket`.
    fn of<'a>(&'a self, bucket: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = |key: &str| (Some(bucket.to_owned()), key.to_owned());
        self.values.iter().filter_map(move |((of, key), value)| {
            let applies = match of {
                Some(of) => of == bucket,
                None => !self.values.contains_key(&own(key)),
            };
            applies.then_some((key.as_str(), value.as_str()))
        })
    }

    fn retry(&self, bucket: &str) -> Result<RetryConfig> {
        let mut retry = RetryConfig {
            backoff: BACKOFF,
            max_retries: MAX_RETRIES_DEFAULT,
            retry_timeout: RETRY_TIMEOUT_DEFAULT,
        };
        for (key, value) in self.of(bucket) {
            match key {
                MAX_RETRIES => {
                    retry.max_retries = value.trim().parse().map_err(|_| {
                        Error::invalid_argument(format!(
                            "setting \"{STORAGE_PREFIX}{key}\" is {value:?}; it takes a number from 0"
                        ))
                    })?;
                }
                RETRY_TIMEOUT => {
                    let place = format!("setting \"{STORAGE_PREFIX}{key}\"");
                    retry.retry_timeout = parse_duration(&place, value)?;
                }
                _ => {}
            }
        }
        Ok(retry)
    }

    /// The store of `url`. No I/O.
    ///
    /// # Errors
    /// `InvalidArgument` for settings that make no store; `Unsupported` for another scheme.
    pub(super) fn store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        // Of abfss, the container stands before the account's host.
        let bucket = match url.username() {
            "" => url.host_str().unwrap_or_default(),
            container => container,
        };
        let retry = self.retry(bucket)?;
        let made: object_store::Result<Arc<dyn ObjectStore>> = match url.scheme() {
            "s3" => {
                let builder = AmazonS3Builder::from_env()
                    .with_url(url.as_str())
                    .with_retry(retry);
                let builder =
                    self.of(bucket)
                        .fold(builder, |builder, (key, value)| {
                            match key.parse::<AmazonS3ConfigKey>() {
                                Ok(key) => builder.with_config(key, value),
                                Err(_) => builder,
                            }
                        });
                builder.build().map(|store| Arc::new(store) as _)
            }
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env()
                    .with_url(url.as_str())
                    .with_retry(retry);
                let builder = self.of(bucket).fold(builder, |builder, (key, value)| {
                    match key.parse::<GoogleConfigKey>() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    }
                });
                builder.build().map(|store| Arc::new(store) as _)
            }
            "az" | "abfs" | "abfss" => {
                let builder = MicrosoftAzureBuilder::from_env()
                    .with_url(url.as_str())
                    .with_retry(retry);
                let builder = self.of(bucket).fold(builder, |builder, (key, value)| {
                    match key.parse::<AzureConfigKey>() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    }
                });
                builder.build().map(|store| Arc::new(store) as _)
            }
            scheme => {
                return Err(Error::unsupported(format!(
                    "there is no store for {scheme}://"
                )));
            }
        };
        made.map_err(|error| {
            Error::invalid_argument(format!(
                "the settings of the store of {}://{bucket} make none; look at those that begin with \
                 {STORAGE_PREFIX:?} and the environment's",
                url.scheme()
            ))
            .with_source(error)
        })
    }
}

fn check_key(given: &str, key: &str) -> Result<()> {
    let bare = key.split_once('_').map_or(key, |(store, rest)| {
        match ["aws", "google", "azure"].contains(&store) {
            true => rest,
            false => key,
        }
    });
    if DECIDED.contains(&bare) || DECIDED.contains(&bare.trim_start_matches("storage_")) {
        return Err(Error::invalid_argument(format!(
            "setting \"{STORAGE_PREFIX}{given}\" is not for users: the URL names the bucket, and commits \
             need conditional puts; remove it"
        )));
    }
    let known = [MAX_RETRIES, RETRY_TIMEOUT].contains(&key)
        || key.parse::<AmazonS3ConfigKey>().is_ok()
        || key.parse::<GoogleConfigKey>().is_ok()
        || key.parse::<AzureConfigKey>().is_ok();
    match known {
        true => Ok(()),
        false => Err(unknown(given, key)),
    }
}

fn unknown(given: &str, key: &str) -> Error {
    Error::invalid_argument(format!(
        "unknown setting \"{STORAGE_PREFIX}{given}\"{}",
        did_you_mean(key, USUAL.iter().copied())
    ))
}
