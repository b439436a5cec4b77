//! Session settings: each declared once, with its type, default and meaning.
//!
//! Keys under `weir.` are Weir's and listed in [`SETTINGS`]; keys under `weir.storage.` are those of
//! object stores ([`STORAGE_PREFIX`]); keys under `datafusion.` go to DataFusion's own configuration.
//! Any other key, and any value that does not parse, is refused.

mod schema_registry;
mod specs;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::joins::{BUCKETS_MAX, BroadcastLimit, SkewJoin};
use crate::options::did_you_mean;
use crate::partitioning::SmallPartitions;

pub use schema_registry::{Credentials, SchemaRegistrySettings};
pub use specs::*;

use specs::{HADOOP_S3A, SECRETS};

/// What operators may reserve in a process of `bytes`. The rest is for what they use without reserving it (merging
/// spilled rows takes as much again, and the allocator some), and for readers, encoders and rows under way. Spark has `spark.memory.fraction`.
#[must_use]
pub fn operator_memory_bytes(bytes: u64) -> usize {
    usize::try_from(bytes / 3).unwrap_or(usize::MAX)
}

/// A session's settings: what was set, over the defaults.
#[derive(Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

/// Without the values of object stores' settings, and of secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .values
            .iter()
            .map(|(key, value)| (key, shown(key, value)));
        f.debug_map().entries(shown).finish()
    }
}

/// `value` of setting `key` as it may be shown: those of object stores and secrets are not.
#[must_use]
pub fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    let secret = SECRETS.iter().any(|secret| secret.key == key);
    match secret || key.starts_with(STORAGE_PREFIX) {
        true => "***",
        false => value,
    }
}

impl Settings {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown key (naming the nearest) or a value that does not parse.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if key.starts_with("datafusion.") || key.starts_with(STORAGE_PREFIX) {
            // DataFusion and the stores themselves check these when the session is built.
            self.values.insert(key.to_owned(), value.to_owned());
            return Ok(());
        }
        if let Some(key) = key.strip_prefix("spark.hadoop.fs.s3a.") {
            let own = HADOOP_S3A.iter().find(|(theirs, _)| *theirs == key);
            let own = own.map_or_else(
                || "settings of object stores begin with".to_owned(),
                |(_, own)| format!("use {STORAGE_PREFIX}{own}; such settings begin with"),
            );
            return Err(Error::invalid_argument(format!(
                "setting \"spark.hadoop.fs.s3a.{key}\" is Hadoop's, which is not here: {own} \
                 {STORAGE_PREFIX:?}"
            )));
        }
        if !SETTINGS.iter().any(|spec| spec.key == key) {
            return Err(Error::invalid_argument(format!(
                "unknown setting {key:?}{}",
                did_you_mean(key, SETTINGS.iter().map(|spec| spec.key))
            )));
        }
        let previous = self.values.insert(key.to_owned(), value.to_owned());
        if let Err(error) = self.check() {
            match previous {
                Some(previous) => self.values.insert(key.to_owned(), previous),
                None => self.values.remove(key),
            };
            return Err(error);
        }
        Ok(())
    }

    /// The value of a declared setting, its default where it was not set.
    #[must_use]
    pub fn get(&self, spec: SettingSpec) -> &str {
        self.values
            .get(spec.key)
            .map_or(spec.default, String::as_str)
    }

    /// Whether a declared setting was set.
    #[must_use]
    pub fn is_set(&self, spec: SettingSpec) -> bool {
        self.values.contains_key(spec.key)
    }

    /// What was set under `datafusion.`.
    pub fn datafusion(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .filter(|(key, _)| key.starts_with("datafusion."))
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What was set under [`STORAGE_PREFIX`], without it. Values may be secrets.
    pub fn storage(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(STORAGE_PREFIX)?, value.as_str())))
    }

    /// What was set under [`SCHEMA_REGISTRY_PREFIX`], keys whole. Values may be secrets.
    pub fn of_schema_registry(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.values.iter();
        all.filter(|(key, _)| key.starts_with(SCHEMA_REGISTRY_PREFIX))
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// [`SCHEMA_REGISTRY_URL`] and what goes with it; `None` without an address.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no address, duration or number, and for both a password and a token; no secret is repeated.
    pub fn schema_registry(&self) -> Result<Option<SchemaRegistrySettings>> {
        schema_registry::of(self)
    }

    /// [`SHUFFLE_PARTITIONS`], or `threads`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is not a positive integer.
    pub fn shuffle_partitions(&self, threads: usize) -> Result<usize> {
        let set = self.optional(SHUFFLE_PARTITIONS, |text| {
            positive(SHUFFLE_PARTITIONS, text)
        })?;
        Ok(set.unwrap_or(threads))
    }

    /// [`MEMORY_LIMIT`] in bytes, of a machine with `machine_bytes` of memory.
    ///
    /// # Errors
    /// `InvalidArgument` for what is neither a size nor a share.
    pub fn memory_limit_bytes(&self, machine_bytes: u64) -> Result<u64> {
        let text = self.get(MEMORY_LIMIT);
        if let Some(share) = text.strip_suffix('%') {
            return match share.trim().parse::<u64>() {
                Ok(share @ 1..=100) => Ok(machine_bytes / 100 * share),
                _ => Err(invalid(MEMORY_LIMIT, text, "a share from 1% to 100%")),
            };
        }
        match parse_bytes(text) {
            Some(bytes) if bytes > 0 => Ok(bytes),
            _ => Err(invalid(MEMORY_LIMIT, text, "a size like 512MB or 80%")),
        }
    }

    /// [`LOCAL_DIR`]; `None` for the system's temporary directory.
    #[must_use]
    pub fn local_dir(&self) -> Option<&str> {
        Some(self.get(LOCAL_DIR)).filter(|dir| !dir.is_empty())
    }

    /// [`MAX_RESULT_SIZE`] in bytes; `None` for no limit.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no size.
    pub fn max_result_bytes(&self) -> Result<Option<u64>> {
        let text = self.get(MAX_RESULT_SIZE);
        match parse_bytes(text) {
            Some(0) => Ok(None),
            Some(bytes) => Ok(Some(bytes)),
            None => Err(invalid(MAX_RESULT_SIZE, text, "a size like 512MB, or 0")),
        }
    }

    /// [`MAX_PARTITION_BYTES`].
    ///
    /// # Errors
    /// `InvalidArgument` for what is no size, or 0.
    pub fn max_partition_bytes(&self) -> Result<u64> {
        let text = self.get(MAX_PARTITION_BYTES);
        match parse_bytes(text) {
            Some(bytes) if bytes > 0 => Ok(bytes),
            _ => Err(invalid(MAX_PARTITION_BYTES, text, "a size like 16MB")),
        }
    }

    /// [`EXECUTOR_CORES`].
    ///
    /// # Errors
    /// `InvalidArgument` for what is not a positive integer.
    pub fn executor_cores(&self) -> Result<Option<usize>> {
        self.optional(EXECUTOR_CORES, |text| positive(EXECUTOR_CORES, text))
    }

    /// [`EXECUTOR_MEMORY`] in bytes.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no size, or 0.
    pub fn executor_memory_bytes(&self) -> Result<Option<u64>> {
        self.optional(EXECUTOR_MEMORY, |text| match parse_bytes(text) {
            Some(bytes) if bytes > 0 => Ok(bytes),
            _ => Err(invalid(EXECUTOR_MEMORY, text, "a size like 2GB")),
        })
    }

    /// [`EXECUTOR_INSTANCES`].
    ///
    /// # Errors
    /// `InvalidArgument` for what is not a positive integer.
    pub fn executor_instances(&self) -> Result<Option<usize>> {
        self.optional(EXECUTOR_INSTANCES, |text| {
            positive(EXECUTOR_INSTANCES, text)
        })
    }

    /// [`QUEUE_TIMEOUT`].
    ///
    /// # Errors
    /// `InvalidArgument` for what is no duration.
    pub fn queue_timeout(&self) -> Result<Duration> {
        parse_duration(QUEUE_TIMEOUT.key, self.get(QUEUE_TIMEOUT))
    }

    fn optional<T>(
        &self,
        spec: SettingSpec,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.get(spec) {
            "" => Ok(None),
            text => parse(text).map(Some),
        }
    }

    /// [`IO_COMPRESSION`], or `otherwise`.
    ///
    /// # Errors
    /// `InvalidArgument` for any other codec.
    pub fn io_compression(&self, otherwise: IoCompression) -> Result<IoCompression> {
        match self.get(IO_COMPRESSION) {
            "" => Ok(otherwise),
            "none" => Ok(IoCompression::None),
            "lz4" => Ok(IoCompression::Lz4),
            "zstd" => Ok(IoCompression::Zstd),
            text => Err(invalid(IO_COMPRESSION, text, "none, lz4 or zstd")),
        }
    }

    /// [`CHECKPOINT_DIR`], if there is one.
    #[must_use]
    pub fn checkpoint_dir(&self) -> Option<&str> {
        Some(self.get(CHECKPOINT_DIR)).filter(|place| !place.is_empty())
    }

    /// [`DURABLE_EXCHANGE_THRESHOLD`] in bytes; `None` for never.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no size.
    pub fn durable_exchange_threshold(&self) -> Result<Option<u64>> {
        self.bytes_or_never(DURABLE_EXCHANGE_THRESHOLD)
    }

    /// [`AUTO_BROADCAST_JOIN_THRESHOLD`] in bytes; `None` for never.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no size.
    pub fn auto_broadcast_join_threshold(&self) -> Result<Option<u64>> {
        self.bytes_or_never(AUTO_BROADCAST_JOIN_THRESHOLD)
    }

    /// [`BROADCAST_LIMIT`]; if it is not set, no less than [`AUTO_BROADCAST_JOIN_THRESHOLD`].
    ///
    /// # Errors
    /// `InvalidArgument` for what is no size, or 0.
    pub fn broadcast_limit(&self) -> Result<BroadcastLimit> {
        let text = self.get(BROADCAST_LIMIT);
        let bytes = match parse_bytes(text) {
            Some(bytes) if bytes > 0 => bytes,
            _ => return Err(invalid(BROADCAST_LIMIT, text, "a size like 256MB")),
        };
        // What is chosen for its size is not refused for it.
        let chosen = self.auto_broadcast_join_threshold()?.unwrap_or(0);
        Ok(match self.values.contains_key(BROADCAST_LIMIT.key) {
            true => BroadcastLimit { bytes },
            false => BroadcastLimit {
                bytes: bytes.max(chosen),
            },
        })
    }

    /// [`JOIN_REORDER`].
    ///
    /// # Errors
    /// `InvalidArgument` for what is neither `true` nor `false`.
    pub fn join_reorder(&self) -> Result<bool> {
        boolean(JOIN_REORDER, self.get(JOIN_REORDER))
    }

    /// [`SKEW_JOIN`], [`SKEW_JOIN_THRESHOLD`] and [`SKEW_JOIN_BUCKETS`]; `None` if skew is not looked for.
    ///
    /// # Errors
    /// `InvalidArgument` for what is neither `true` nor `false`, no size, or no number from 1 to 1024.
    pub fn skew_join(&self) -> Result<Option<SkewJoin>> {
        let text = self.get(SKEW_JOIN_THRESHOLD);
        let bytes_min = parse_bytes(text)
            .ok_or_else(|| invalid(SKEW_JOIN_THRESHOLD, text, "a size like 64MB"))?;
        let text = self.get(SKEW_JOIN_BUCKETS);
        let buckets = match text.parse() {
            Ok(buckets @ 1..=BUCKETS_MAX) => buckets,
            _ => return Err(invalid(SKEW_JOIN_BUCKETS, text, "a number from 1 to 1024")),
        };
        let is_enabled = boolean(SKEW_JOIN, self.get(SKEW_JOIN))?;
        Ok(is_enabled.then_some(SkewJoin { bytes_min, buckets }))
    }

    /// [`COALESCE_PARTITIONS`] and [`COALESCE_PARTITIONS_MIN`]; `None` if partitions stay as they are.
    ///
    /// # Errors
    /// `InvalidArgument` for what is neither `true` nor `false`, and for what is no size.
    pub fn small_partitions(&self) -> Result<Option<SmallPartitions>> {
        let text = self.get(COALESCE_PARTITIONS_MIN);
        let below_bytes = parse_bytes(text)
            .ok_or_else(|| invalid(COALESCE_PARTITIONS_MIN, text, "a size like 1MB"))?;
        let is_enabled = boolean(COALESCE_PARTITIONS, self.get(COALESCE_PARTITIONS))?;
        Ok(is_enabled.then_some(SmallPartitions { below_bytes }))
    }

    fn bytes_or_never(&self, spec: SettingSpec) -> Result<Option<u64>> {
        let text = self.get(spec);
        match (text.trim(), parse_bytes(text)) {
            ("-1", _) => Ok(None),
            (_, Some(bytes)) => Ok(Some(bytes)),
            (_, None) => Err(invalid(spec, text, "a size like 1GB, or -1")),
        }
    }

    /// [`MIN_BATCHES_TO_RETAIN`].
    ///
    /// # Errors
    /// `InvalidArgument` below 2: recovery reads the last two batches.
    pub fn min_batches_to_retain(&self) -> Result<u64> {
        let text = self.get(MIN_BATCHES_TO_RETAIN);
        match text.parse() {
            Ok(batches) if batches >= 2 => Ok(batches),
            _ => Err(invalid(
                MIN_BATCHES_TO_RETAIN,
                text,
                "an integer of at least 2",
            )),
        }
    }

    fn check(&self) -> Result<()> {
        self.shuffle_partitions(1)?;
        self.memory_limit_bytes(u64::MAX)?;
        self.max_result_bytes()?;
        self.min_batches_to_retain()?;
        self.max_partition_bytes()?;
        self.executor_cores()?;
        self.executor_memory_bytes()?;
        self.executor_instances()?;
        self.queue_timeout()?;
        self.io_compression(IoCompression::None)?;
        self.durable_exchange_threshold()?;
        self.auto_broadcast_join_threshold()?;
        self.broadcast_limit()?;
        self.join_reorder()?;
        self.skew_join()?;
        self.small_partitions()?;
        self.schema_registry()?;
        Ok(())
    }
}

fn boolean(spec: SettingSpec, text: &str) -> Result<bool> {
    text.parse()
        .map_err(|_| invalid(spec, text, "true or false"))
}

fn positive(spec: SettingSpec, text: &str) -> Result<usize> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(invalid(spec, text, "a positive integer")),
    }
}

fn invalid(spec: SettingSpec, value: &str, expected: &str) -> Error {
    Error::invalid_argument(format!(
        "setting {:?} is {value:?}; it takes {expected}",
        spec.key
    ))
}

/// Bytes of `512`, `512B`, `64KB`, `64MiB`, `2g`: units are powers of 1024, as in Spark.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// A duration of `30s`, `10m`, `1h 30m`, `500ms`.
///
/// # Errors
/// `InvalidArgument`, naming `place` and the value.
pub fn parse_duration(place: &str, text: &str) -> Result<Duration> {
    humantime::parse_duration(text.trim()).map_err(|_| {
        Error::invalid_argument(format!(
            "{place} is {text:?}; it takes a duration like 30s, 10m or 1h 30m"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_setting_is_refused_with_the_nearest_one() {
        let error = Settings::new()
            .set("weir.sql.shuffle.partition", "4")
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("did you mean \"weir.sql.shuffle.partitions\""),
            "{error}"
        );
    }

    #[test]
    fn values_of_object_stores_are_shown_nowhere() {
        let mut settings = Settings::new();
        let key = "weir.storage.aws_secret_access_key";
        settings.set(key, "hunter2").unwrap();
        settings.set("weir.memory.limit", "1GB").unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("1GB"), "{shown}");
        let stored: Vec<_> = settings.storage().collect();
        assert_eq!(stored, [("aws_secret_access_key", "hunter2")]);
    }

    #[test]
    fn secrets_of_the_schema_registry_are_shown_nowhere() {
        let mut settings = Settings::new();
        let url = "http://registry:8081";
        settings.set(SCHEMA_REGISTRY_URL.key, url).unwrap();
        settings
            .set(SCHEMA_REGISTRY_BASIC_AUTH.key, "ann:hunter2")
            .unwrap();
        let shown = format!("{settings:?} {:?}", settings.schema_registry().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains(url), "{shown}");
        for (key, value) in [
            (SCHEMA_REGISTRY_URL.key, "http://ann:hunter2@registry"),
            (SCHEMA_REGISTRY_URL.key, "hunter2"),
            (SCHEMA_REGISTRY_BEARER_TOKEN.key, "hunter2"),
        ] {
            let error = settings.set(key, value).unwrap_err().to_string();
            assert!(!error.contains("hunter2@"), "{error}");
            assert!(error.contains("weir.schema.registry."), "{error}");
        }
        settings.set(SCHEMA_REGISTRY_BASIC_AUTH.key, "").unwrap();
        let error = settings
            .set(SCHEMA_REGISTRY_BASIC_AUTH.key, "hunter2")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn hadoops_settings_are_refused_with_their_names_here() {
        let error = Settings::new()
            .set("spark.hadoop.fs.s3a.secret.key", "hunter2")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("weir.storage.aws_secret_access_key"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn bad_value_is_refused_and_the_old_one_stays() {
        let mut settings = Settings::new();
        settings.set("weir.memory.limit", "512MB").unwrap();
        assert!(settings.set("weir.memory.limit", "lots").is_err());
        assert_eq!(settings.memory_limit_bytes(0).unwrap(), 512 << 20);
    }

    #[test]
    fn memory_limit_takes_a_share_of_the_machine() {
        let mut settings = Settings::new();
        settings.set("weir.memory.limit", "50%").unwrap();
        assert_eq!(settings.memory_limit_bytes(1000).unwrap(), 500);
        assert!(settings.set("weir.memory.limit", "0%").is_err());
    }

    #[test]
    fn thresholds_take_a_size_or_never() {
        let mut settings = Settings::new();
        let key = AUTO_BROADCAST_JOIN_THRESHOLD.key;
        assert_eq!(
            settings.auto_broadcast_join_threshold().unwrap(),
            Some(10 << 20)
        );
        settings.set(key, "-1").unwrap();
        assert_eq!(settings.auto_broadcast_join_threshold().unwrap(), None);
        let error = settings.set(key, "-2").unwrap_err().to_string();
        assert!(error.contains(key) && error.contains("-2"), "{error}");
    }

    #[test]
    fn sizes_parse_with_and_without_units() {
        assert_eq!(parse_bytes("12"), Some(12));
        assert_eq!(parse_bytes("2 GiB"), Some(2 << 30));
        assert_eq!(parse_bytes("1x"), None);
        assert_eq!(parse_bytes("99999999999999t"), None);
    }
}
