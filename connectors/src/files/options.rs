//! Reader and writer options of files, under Spark's keys.

use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use weir_plan::settings::parse_bytes;
use weir_plan::{Error, OptionSpec, Options, Result};

use super::glob;
use super::listing::Lookup;
use super::location::local_path;
use super::parquet::properties::ROW_GROUP_BYTES;

const MERGE_SCHEMA: &str = "mergeSchema";
const RECURSIVE: &str = "recursiveFileLookup";
const GLOB_FILTER: &str = "pathGlobFilter";
const BASE_PATH: &str = "basePath";
const MODE: &str = "mode";
const CORRUPT_RECORD: &str = "columnNameOfCorruptRecord";
const MULTI_LINE: &str = "multiLine";
const PRIMITIVES_AS_STRING: &str = "primitivesAsString";
const SAMPLING_RATIO: &str = "samplingRatio";
const COMPRESSION: &str = "compression";
const MAX_RECORDS: &str = "maxRecordsPerFile";
const BLOCK_SIZE: &str = "parquet.block.size";
const TARGET_FILE_SIZE: &str = "targetFileSize";
const IGNORE_NULLS: &str = "ignoreNullFields";
const OVERWRITE_MODE: &str = "partitionOverwriteMode";

/// The formats of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Parquet.
    Parquet,
    /// One JSON object per line.
    Json,
}

impl FileFormat {
    /// Its name, as in `format("parquet")`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "parquet" => Some(Self::Parquet),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What a write does about files that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSaveMode {
    /// Adds files.
    Append,
    /// Replaces everything in the directory.
    Overwrite,
    /// Fails.
    ErrorIfExists,
    /// Leaves them as they are.
    Ignore,
}

macro_rules! specs {
    ($($key:expr => $doc:expr),* $(,)?) => {
        &[$(OptionSpec { key: $key, doc: $doc }),*]
    };
}

/// Options of a read of Parquet files.
pub const PARQUET_READ_OPTIONS: &[OptionSpec] = specs! {
    MERGE_SCHEMA => "take the columns of all files instead of the first one's (default false)",
    RECURSIVE => "read files in all directories below, and find no partitions (default false)",
    GLOB_FILTER => "read only files whose name matches this pattern",
    BASE_PATH => "the directory below which partition directories begin (default the path read)",
};

/// Options of a read of JSON files.
pub const JSON_READ_OPTIONS: &[OptionSpec] = specs! {
    RECURSIVE => "read files in all directories below, and find no partitions (default false)",
    GLOB_FILTER => "read only files whose name matches this pattern",
    BASE_PATH => "the directory below which partition directories begin (default the path read)",
    MODE => "what to do about a line that is no record of the schema: PERMISSIVE, nulls where it \
             does not fit; DROPMALFORMED, leave it out; FAILFAST, fail (default PERMISSIVE)",
    CORRUPT_RECORD => "the string column that holds a line that does not fit (default \
                       _corrupt_record; only if the schema has it)",
    PRIMITIVES_AS_STRING => "infer string for numbers and booleans (default false)",
    MULTI_LINE => "records that span lines: only false is supported",
    SAMPLING_RATIO => "share of the lines to infer a schema from: only 1.0 is supported",
};

/// Options of a write of Parquet files.
pub const PARQUET_WRITE_OPTIONS: &[OptionSpec] = specs! {
    COMPRESSION => "snappy, zstd, gzip, lz4, lz4_raw, none or uncompressed (default snappy)",
    MAX_RECORDS => "rows after which a file is closed and the next begun; 0: no limit (default 0)",
    TARGET_FILE_SIZE => "size at which a file is closed and the next begun: bytes with a unit \
                         (default no limit)",
    BLOCK_SIZE => "encoded bytes of a row group (default 64MB)",
    OVERWRITE_MODE => "what mode overwrite replaces: only static, everything, is supported",
};

/// Options of a write of JSON files.
pub const JSON_WRITE_OPTIONS: &[OptionSpec] = specs! {
    COMPRESSION => "none, uncompressed, gzip, bzip2, xz or zstd (default none)",
    MAX_RECORDS => "rows after which a file is closed and the next begun; 0: no limit (default 0)",
    TARGET_FILE_SIZE => "bytes, before compression, at which a file is closed and the next begun \
                         (default no limit)",
    IGNORE_NULLS => "leave out fields that are null (default true)",
    OVERWRITE_MODE => "what mode overwrite replaces: only static, everything, is supported",
};

/// Options that Spark has and Weir has not.
const UNSUPPORTED: &[&str] = &[
    "allowBackslashEscapingAnyCharacter",
    "allowComments",
    "allowNonNumericNumbers",
    "allowNumericLeadingZeros",
    "allowSingleQuotes",
    "allowUnquotedControlChars",
    "allowUnquotedFieldNames",
    "dateFormat",
    "datetimeRebaseMode",
    "dropFieldIfAllNull",
    "enableDateTimeParsingFallback",
    "encoding",
    "charset",
    "ignoreCorruptFiles",
    "ignoreMissingFiles",
    "int96RebaseMode",
    "lineSep",
    "locale",
    "modifiedAfter",
    "modifiedBefore",
    "prefersDecimal",
    "timeZone",
    "timestampFormat",
    "timestampNTZFormat",
    "parquet.bloom.filter.enabled",
    "parquet.enable.dictionary",
    "parquet.page.size",
];

fn validate(options: &Options, place: &str, known: &[OptionSpec]) -> Result<()> {
    for (key, _) in options.iter() {
        let same = |name: &&&str| name.eq_ignore_ascii_case(key);
        if let Some(name) = UNSUPPORTED.iter().find(same) {
            let known: Vec<&str> = known.iter().map(|spec| spec.key).collect();
            return Err(Error::unsupported(format!(
                "option {name:?} of {place} is not supported yet; it takes {}",
                known.join(", ")
            )));
        }
    }
    options.validate(place, known, &[])
}

fn lookup(options: &Options) -> Result<Lookup> {
    Ok(Lookup {
        recursive: options.parse_bool(RECURSIVE)?.unwrap_or(false),
        filter: options.get(GLOB_FILTER).map(glob::pattern).transpose()?,
        base: options.get(BASE_PATH).map(local_path).transpose()?,
    })
}

/// The options of a read of Parquet files.
#[derive(Debug, Clone)]
pub(super) struct ParquetReadOptions {
    pub(super) lookup: Lookup,
    pub(super) merge_schema: bool,
}

impl ParquetReadOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        validate(options, "the parquet reader", PARQUET_READ_OPTIONS)?;
        Ok(Self {
            lookup: lookup(options)?,
            merge_schema: options.parse_bool(MERGE_SCHEMA)?.unwrap_or(false),
        })
    }
}

/// What to do about a line that is no record of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParseMode {
    Permissive,
    DropMalformed,
    FailFast,
}

impl ParseMode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Permissive => "PERMISSIVE",
            Self::DropMalformed => "DROPMALFORMED",
            Self::FailFast => "FAILFAST",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Permissive, Self::DropMalformed, Self::FailFast]
            .into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// The options of a read of JSON files.
#[derive(Debug, Clone)]
pub(super) struct JsonReadOptions {
    pub(super) lookup: Lookup,
    pub(super) mode: ParseMode,
    pub(super) corrupt_record: String,
    pub(super) primitives_as_string: bool,
}

impl JsonReadOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        const PLACE: &str = "the json reader";
        validate(options, PLACE, JSON_READ_OPTIONS)?;
        if options.parse_bool(MULTI_LINE)?.unwrap_or(false) {
            return Err(Error::unsupported(format!(
                "option {MULTI_LINE:?} of {PLACE} is not supported yet: write one record per line"
            )));
        }
        let ratio: Option<f64> = options.parse(SAMPLING_RATIO, "a number from 0 to 1")?;
        if ratio.is_some_and(|ratio| ratio != 1.0) {
            return Err(Error::unsupported(format!(
                "option {SAMPLING_RATIO:?} of {PLACE} is not supported yet: every line is looked at; \
                 give a schema to look at none"
            )));
        }
        let mode = match options.get(MODE) {
            None => ParseMode::Permissive,
            Some(text) => ParseMode::parse(text)
                .ok_or_else(|| invalid(MODE, text, "PERMISSIVE, DROPMALFORMED or FAILFAST"))?,
        };
        let corrupt_record = options.get(CORRUPT_RECORD).unwrap_or("_corrupt_record");
        Ok(Self {
            lookup: lookup(options)?,
            mode,
            corrupt_record: corrupt_record.to_owned(),
            primitives_as_string: options.parse_bool(PRIMITIVES_AS_STRING)?.unwrap_or(false),
        })
    }
}

/// How the files of a write are compressed. A codec has one name in every format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Snappy,
    Zstd,
    Gzip,
    Lz4,
    Bzip2,
    Xz,
}

impl Codec {
    const PARQUET: &[Self] = &[Self::Snappy, Self::Zstd, Self::Gzip, Self::Lz4, Self::None];
    const JSON: &[Self] = &[Self::None, Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    pub(super) fn parse(format: FileFormat, text: &str) -> Result<Self> {
        let known = match format {
            FileFormat::Parquet => Self::PARQUET,
            FileFormat::Json => Self::JSON,
        };
        let lower = text.trim().to_lowercase();
        let name = match lower.as_str() {
            "uncompressed" => "none",
            "lz4_raw" | "lz4raw" => "lz4",
            other => other,
        };
        known
            .iter()
            .copied()
            .find(|codec| codec.as_str() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|codec| codec.as_str()).collect();
                let place = format.as_str();
                invalid(
                    COMPRESSION,
                    text,
                    &format!("for {place}: {}", names.join(", ")),
                )
            })
    }

    /// What stands before `.parquet`, or after `.json`, in a file's name, as in Spark.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Snappy => ".snappy",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::Lz4 => ".lz4raw",
            Self::Bzip2 => ".bz2",
            Self::Xz => ".xz",
        }
    }

    pub(super) fn parquet(self) -> Compression {
        match self {
            Self::Snappy => Compression::SNAPPY,
            Self::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Self::Gzip => Compression::GZIP(GzipLevel::default()),
            // LZ4 proper is Hadoop's framing, which readers disagree on.
            Self::Lz4 => Compression::LZ4_RAW,
            Self::None | Self::Bzip2 | Self::Xz => Compression::UNCOMPRESSED,
        }
    }

    pub(super) fn stream(self) -> FileCompressionType {
        match self {
            Self::Gzip => FileCompressionType::GZIP,
            Self::Bzip2 => FileCompressionType::BZIP2,
            Self::Xz => FileCompressionType::XZ,
            Self::Zstd => FileCompressionType::ZSTD,
            Self::None | Self::Snappy | Self::Lz4 => FileCompressionType::UNCOMPRESSED,
        }
    }
}

/// The writer options of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriteOptions {
    pub(super) codec: Codec,
    /// 0: no limit.
    pub(super) max_records_per_file: u64,
    /// 0: no limit.
    pub(super) target_file_size_bytes: u64,
    pub(super) row_group_bytes: u64,
    pub(super) ignore_null_fields: bool,
}

impl WriteOptions {
    pub(super) fn parse(format: FileFormat, options: &Options) -> Result<Self> {
        let (place, known, default) = match format {
            FileFormat::Parquet => ("the parquet writer", PARQUET_WRITE_OPTIONS, Codec::Snappy),
            FileFormat::Json => ("the json writer", JSON_WRITE_OPTIONS, Codec::None),
        };
        validate(options, place, known)?;
        if let Some(text) = options.get(OVERWRITE_MODE)
            && !text.trim().eq_ignore_ascii_case("static")
        {
            return Err(Error::unsupported(format!(
                "option {OVERWRITE_MODE:?} of {place} is {text:?}; only \"static\" is supported: \
                 overwrite the directory of one partition, or use a delta table"
            )));
        }
        let codec = options
            .get(COMPRESSION)
            .map(|text| Codec::parse(format, text));
        let max_records = options.parse(MAX_RECORDS, "a number of rows; 0: no limit")?;
        Ok(Self {
            codec: codec.transpose()?.unwrap_or(default),
            max_records_per_file: max_records.unwrap_or(0),
            target_file_size_bytes: size(options, TARGET_FILE_SIZE)?.unwrap_or(0),
            row_group_bytes: size(options, BLOCK_SIZE)?.unwrap_or(ROW_GROUP_BYTES as u64),
            ignore_null_fields: options.parse_bool(IGNORE_NULLS)?.unwrap_or(true),
        })
    }
}

fn size(options: &Options, key: &str) -> Result<Option<u64>> {
    let parsed = |text: &str| match parse_bytes(text) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(invalid(key, text, "a size like 64MB")),
    };
    options.get(key).map(parsed).transpose()
}

fn invalid(key: &str, value: &str, expected: &str) -> Error {
    Error::invalid_argument(format!("option {key:?} is {value:?}; it takes {expected}"))
}
