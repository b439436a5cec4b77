//! Reader and writer options of Delta tables, under Spark's keys.

use ::parquet::basic::{Compression, ZstdLevel};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use weir_plan::settings::parse_bytes;
use weir_plan::{Error, OptionSpec, Options, Result};

/// Bytes at which a data file is closed and the next one begun, unless the table or the user says
/// otherwise.
pub(super) const DEFAULT_TARGET_FILE_SIZE_BYTES: u64 = 128 << 20;

const MERGE_SCHEMA: &str = "mergeSchema";
const TARGET_FILE_SIZE: &str = "targetFileSize";
const COMPRESSION: &str = "compression";
const DISTRIBUTION_MODE: &str = "distributionMode";
const REPLACE_WHERE: &str = "replaceWhere";
const OVERWRITE_SCHEMA: &str = "overwriteSchema";
const PARTITION_OVERWRITE_MODE: &str = "partitionOverwriteMode";
const ISOLATION_LEVEL: &str = "isolationLevel";
const TXN_APP_ID: &str = "txnAppId";
const TXN_VERSION: &str = "txnVersion";
const VERSION_AS_OF: &str = "versionAsOf";
const TIMESTAMP_AS_OF: &str = "timestampAsOf";

/// Options of a write to a Delta table.
pub const WRITE_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        key: MERGE_SCHEMA,
        doc: "add the data's new columns to the table; types never change (default false)",
    },
    OptionSpec {
        key: TARGET_FILE_SIZE,
        doc: "size at which a data file is closed and the next begun: bytes with a unit (default \
              the table's delta.targetFileSize, or 128MB)",
    },
    OptionSpec {
        key: COMPRESSION,
        doc: "codec of the Parquet files: snappy, zstd, lz4 or none (default snappy)",
    },
    OptionSpec {
        key: DISTRIBUTION_MODE,
        doc: "whether rows are brought together by partition value before the write, for fewer and \
              larger files: none or hash (default none)",
    },
    OptionSpec {
        key: REPLACE_WHERE,
        doc: "mode overwrite replaces the rows this predicate (SQL, over the table's columns) is true \
              of, and no others; every written row must satisfy it (default all rows)",
    },
    OptionSpec {
        key: OVERWRITE_SCHEMA,
        doc: "mode overwrite gives the table the columns and partitioning of this write (default \
              false)",
    },
    OptionSpec {
        key: PARTITION_OVERWRITE_MODE,
        doc: "what mode overwrite replaces: static, all rows; dynamic, those of the partitions that \
              are written to (default static)",
    },
    OptionSpec {
        key: ISOLATION_LEVEL,
        doc: "which commits since the version it was computed from stop a write in mode overwrite: \
              WriteSerializable, those that touch what it replaces; Serializable, all that add or \
              remove rows (default WriteSerializable)",
    },
    OptionSpec {
        key: TXN_APP_ID,
        doc: "application id of an idempotent batch write, with txnVersion",
    },
    OptionSpec {
        key: TXN_VERSION,
        doc: "version of an idempotent batch write: nothing is written if the table has this or a \
              later one of txnAppId",
    },
];

/// Options of a read of a Delta table.
pub const READ_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        key: VERSION_AS_OF,
        doc: "version to read (default the newest)",
    },
    OptionSpec {
        key: TIMESTAMP_AS_OF,
        doc: "read the newest version committed at or before this time: 2026-01-31, \
              2026-01-31 08:00:00 (UTC) or 2026-01-31T08:00:00+01:00",
    },
];

/// Delta Lake's options of reads of changes, which are refused by name.
const CHANGE_FEED_OPTIONS: &[&str] = &[
    "readChangeFeed",
    "readChangeData",
    "startingVersion",
    "startingTimestamp",
    "endingVersion",
    "endingTimestamp",
];

/// The codec of data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Snappy,
    Zstd,
    Lz4,
    None,
}

impl Codec {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_lowercase().as_str() {
            "snappy" => Self::Snappy,
            "zstd" => Self::Zstd,
            "lz4" | "lz4_raw" | "lz4raw" => Self::Lz4,
            "none" | "uncompressed" => Self::None,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::None => "none",
        }
    }

    pub(super) fn compression(self) -> Compression {
        match self {
            Self::Snappy => Compression::SNAPPY,
            Self::Zstd => Compression::ZSTD(ZstdLevel::default()),
            // LZ4 proper is Hadoop's framing, which readers disagree on.
            Self::Lz4 => Compression::LZ4_RAW,
            Self::None => Compression::UNCOMPRESSED,
        }
    }
}

/// The writer options of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WriteOptions {
    pub(super) merge_schema: bool,
    /// `None`: the table's, or the default.
    pub(super) target_file_size_bytes: Option<u64>,
    pub(super) codec: Codec,
    pub(super) hash_by_partition: bool,
    pub(super) replace_where: Option<String>,
    pub(super) overwrite_schema: bool,
    pub(super) dynamic_partitions: bool,
    /// Every commit of rows since the version a replacement was computed from is a conflict.
    pub(super) serializable: bool,
    pub(super) transaction: Option<Transaction>,
    /// Options given that only mode overwrite has.
    overwrite_only: Vec<&'static str>,
}

/// The identity of an idempotent write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) app_id: String,
    pub(super) version: i64,
}

impl WriteOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        options.validate("the delta writer", WRITE_OPTIONS, &[])?;
        let target_file_size_bytes = match options.get(TARGET_FILE_SIZE) {
            None => None,
            Some(text) => match parse_bytes(text) {
                Some(bytes) if bytes > 0 => Some(bytes),
                _ => return Err(invalid(TARGET_FILE_SIZE, text, "a size like 64MB")),
            },
        };
        let codec = match options.get(COMPRESSION) {
            None => Codec::Snappy,
            Some(text) => Codec::parse(text)
                .ok_or_else(|| invalid(COMPRESSION, text, "snappy, zstd, lz4 or none"))?,
        };
        let hash_by_partition = match options.get(DISTRIBUTION_MODE) {
            None => false,
            Some(text) => match text.trim().to_lowercase().as_str() {
                "none" => false,
                "hash" => true,
                _ => return Err(invalid(DISTRIBUTION_MODE, text, "none or hash")),
            },
        };
        Self {
            merge_schema: options.parse_bool(MERGE_SCHEMA)?.unwrap_or(false),
            target_file_size_bytes,
            codec,
            hash_by_partition,
            replace_where: options.get(REPLACE_WHERE).map(str::to_owned),
            overwrite_schema: options.parse_bool(OVERWRITE_SCHEMA)?.unwrap_or(false),
            dynamic_partitions: match options.get(PARTITION_OVERWRITE_MODE) {
                None => false,
                Some(text) => match text.trim().to_lowercase().as_str() {
                    "static" => false,
                    "dynamic" => true,
                    _ => {
                        return Err(invalid(PARTITION_OVERWRITE_MODE, text, "static or dynamic"));
                    }
                },
            },
            serializable: match options.get(ISOLATION_LEVEL) {
                None => false,
                Some(text) => match text.trim().to_lowercase().as_str() {
                    "writeserializable" => false,
                    "serializable" => true,
                    _ => {
                        let known = "Serializable or WriteSerializable";
                        return Err(invalid(ISOLATION_LEVEL, text, known));
                    }
                },
            },
            transaction: transaction(options)?,
            overwrite_only: [
                REPLACE_WHERE,
                OVERWRITE_SCHEMA,
                PARTITION_OVERWRITE_MODE,
                ISOLATION_LEVEL,
            ]
            .into_iter()
            .filter(|key| options.get(key).is_some())
            .collect(),
        }
        .consistent()
    }

    /// Refuses options that contradict each other.
    fn consistent(self) -> Result<Self> {
        let contradiction = if self.replace_where.is_some() && self.overwrite_schema {
            Some((REPLACE_WHERE, OVERWRITE_SCHEMA))
        } else if self.replace_where.is_some() && self.dynamic_partitions {
            Some((REPLACE_WHERE, PARTITION_OVERWRITE_MODE))
        } else if self.overwrite_schema && self.dynamic_partitions {
            Some((OVERWRITE_SCHEMA, PARTITION_OVERWRITE_MODE))
        } else {
            None
        };
        match contradiction {
            None => Ok(self),
            Some((one, other)) => Err(Error::invalid_argument(format!(
                "options {one:?} and {other:?} are both set; each says by itself what is replaced: \
                 remove one"
            ))),
        }
    }

    /// Refuses the options of mode overwrite for another `kind` of write.
    pub(super) fn check_no_overwrite(&self, kind: &str) -> Result<()> {
        match self.overwrite_only.first() {
            None => Ok(()),
            Some(key) => Err(Error::invalid_argument(format!(
                "option {key:?} belongs to mode \"overwrite\" of batch writes, and this is {kind}; \
                 remove it or overwrite"
            ))),
        }
    }

    /// Refuses the options of batch writes for a streaming one.
    pub(super) fn check_streaming(&self) -> Result<()> {
        self.check_no_overwrite("a stream")?;
        match &self.transaction {
            None => Ok(()),
            Some(_) => Err(Error::invalid_argument(format!(
                "options {TXN_APP_ID:?} and {TXN_VERSION:?} are for batch writes; remove them: \
                 streaming writes are exactly once without them"
            ))),
        }
    }
}

fn transaction(options: &Options) -> Result<Option<Transaction>> {
    let version = match options.get(TXN_VERSION) {
        None => None,
        Some(text) => match text.trim().parse::<i64>() {
            Ok(version) if version >= 0 => Some(version),
            _ => return Err(invalid(TXN_VERSION, text, "a number from 0")),
        },
    };
    match (options.get(TXN_APP_ID), version) {
        (None, None) => Ok(None),
        (Some(""), Some(_)) => Err(invalid(TXN_APP_ID, "", "a name that only this job uses")),
        (Some(app_id), Some(version)) => Ok(Some(Transaction {
            app_id: app_id.to_owned(),
            version,
        })),
        (given, _) => {
            let (given, missing) = match given {
                Some(_) => (TXN_APP_ID, TXN_VERSION),
                None => (TXN_VERSION, TXN_APP_ID),
            };
            Err(Error::invalid_argument(format!(
                "option {given:?} is set without {missing:?}; an idempotent write needs both"
            )))
        }
    }
}

/// Which version of a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadVersion {
    Newest,
    Version(u64),
    Timestamp(DateTime<Utc>),
}

impl ReadVersion {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        if let Some(key) = CHANGE_FEED_OPTIONS
            .iter()
            .find(|key| options.get(key).is_some())
        {
            return Err(Error::unsupported(format!(
                "option {key:?} of the delta reader is for change data feeds, which are not read; remove \
                 it, or read one version by {VERSION_AS_OF:?}"
            )));
        }
        options.validate("the delta reader", READ_OPTIONS, &[])?;
        let version = options.parse(VERSION_AS_OF, "a version number from 0")?;
        match (version, options.get(TIMESTAMP_AS_OF)) {
            (Some(_), Some(_)) => Err(Error::invalid_argument(format!(
                "options {VERSION_AS_OF:?} and {TIMESTAMP_AS_OF:?} are both set; give one of them"
            ))),
            (Some(version), None) => Ok(Self::Version(version)),
            (None, Some(text)) => parse_timestamp(text)
                .map(Self::Timestamp)
                .ok_or_else(|| invalid(TIMESTAMP_AS_OF, text, "a time like 2026-01-31 08:00:00")),
            (None, None) => Ok(Self::Newest),
        }
    }
}

/// Times without a zone are UTC: a session has no other.
fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc())
}

fn invalid(key: &str, value: &str, expected: &str) -> Error {
    Error::invalid_argument(format!("option {key:?} is {value:?}; it takes {expected}"))
}
