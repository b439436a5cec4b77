//! The command line of `decode`.

use clap::{Parser, ValueEnum};

/// Decode records with Weir and with others, on one core, in turn; print a Markdown table.
#[derive(Debug, Parser)]
#[command(name = "decode")]
pub struct Arguments {
    /// Records of each size and format.
    #[arg(long, default_value_t = 200_000)]
    pub records: u64,

    /// Timed runs of each peer; the table holds the medians.
    #[arg(long, default_value_t = 5)]
    pub runs: usize,

    /// How large the records are.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Size::value_variants().to_vec())]
    pub sizes: Vec<Size>,

    /// What the records are.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Format::value_variants().to_vec())]
    pub formats: Vec<Format>,

    /// Beside Spark, too: it is fetched at its first use, about 0.5 GB.
    #[arg(long, conflicts_with = "alone")]
    pub spark: bool,

    /// Weir alone, for a profile.
    #[arg(long)]
    pub alone: bool,

    /// The memory of Spark's JVM.
    #[arg(long, default_value = "4g")]
    pub spark_memory: String,
}

/// How large a record is, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// 12 fields, about 1 KB.
    Large,
    /// Their first 8, about 200 B.
    Small,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `from_json`.
    Json,
    /// `from_json_registry`.
    JsonRegistry,
    /// `from_avro`.
    Avro,
    /// `from_avro_registry`.
    AvroRegistry,
    /// `from_protobuf`.
    Protobuf,
    /// `from_protobuf_registry`.
    ProtobufRegistry,
    /// `from_csv`.
    Csv,
}

impl Size {
    /// As files are named.
    pub fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Small => "small",
        }
    }

    /// How many fields its records have.
    pub fn fields(self) -> usize {
        match self {
            Self::Large => 12,
            Self::Small => 8,
        }
    }
}

impl Format {
    /// As files and commands name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonRegistry => "json-registry",
            Self::Avro => "avro",
            Self::AvroRegistry => "avro-registry",
            Self::Protobuf => "protobuf",
            Self::ProtobufRegistry => "protobuf-registry",
            Self::Csv => "csv",
        }
    }

    /// Weir's function.
    pub fn function(self) -> &'static str {
        match self {
            Self::Json => "from_json",
            Self::JsonRegistry => "from_json_registry",
            Self::Avro => "from_avro",
            Self::AvroRegistry => "from_avro_registry",
            Self::Protobuf => "from_protobuf",
            Self::ProtobufRegistry => "from_protobuf_registry",
            Self::Csv => "from_csv",
        }
    }

    /// What Python decodes it with; nothing of its own for records with a registry's header.
    pub fn of_python(self) -> Option<&'static str> {
        match self {
            Self::Json => Some("Python: orjson"),
            Self::Avro => Some("Python: fastavro"),
            Self::Protobuf => Some("Python: protobuf (upb), every field read"),
            Self::Csv => Some("Python: csv, all fields strings"),
            Self::JsonRegistry | Self::AvroRegistry | Self::ProtobufRegistry => None,
        }
    }

    /// What Spark decodes it with. It knows no registry, and its package for Protobuf is not fetched.
    pub fn of_spark(self) -> Option<&'static str> {
        match self {
            Self::Json => Some("Spark: from_json"),
            Self::Avro => Some("Spark: from_avro"),
            Self::Csv => Some("Spark: from_csv"),
            _ => None,
        }
    }
}
