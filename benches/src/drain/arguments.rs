//! The command line of `drain`, and of the processes that it starts.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Drain Kafka with Weir and with others, in turn; print a Markdown table.
#[derive(Debug, Parser)]
#[command(name = "drain")]
pub struct Arguments {
    /// One peer's work, in a process of its own.
    #[command(subcommand)]
    pub part: Option<Part>,

    /// Records per topic.
    #[arg(long, value_delimiter = ',', default_value = "1000000,5000000")]
    pub records: Vec<u64>,

    /// Partitions per topic.
    #[arg(long, value_delimiter = ',', default_value = "1,12")]
    pub partitions: Vec<i32>,

    /// Runs of each peer; the table holds the medians.
    #[arg(long, default_value_t = 3)]
    pub runs: usize,

    /// Who drains, in this order within each round.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Peer::value_variants().to_vec())]
    pub peers: Vec<Peer>,

    /// Keep the broker's topics in this directory, and use those that an earlier run left there.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,

    /// The memory of Spark's JVM.
    #[arg(long, default_value = "8g")]
    pub spark_memory: String,
}

/// Who drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// librdkafka alone: counts bytes.
    Limit,
    /// Weir's Kafka source: batches are dropped.
    Decode,
    /// Weir's Kafka source, one partition in two ranges by `maxRecordsPerPartition`.
    DecodeSplit,
    /// Weir's Delta sink over rows in memory.
    Parquet,
    /// `kafka_to_bronze`.
    Weir,
    /// `kafka_to_bronze --min-partitions 2`, of one partition.
    WeirSplit,
    /// `kafka_to_bronze` with rules that every record keeps, and a table of dead letters.
    WeirRules,
    /// Weir, with the JSON of the values parsed into columns.
    WeirJson,
    /// Spark, from the start of its process.
    SparkCold,
    /// Spark, its second drain in one session.
    SparkWarm,
    /// A Python loop: confluent-kafka, pyarrow, deltalake.
    Python,
}

impl Peer {
    /// The row's name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Limit => "librdkafka alone",
            Self::Decode => "Weir: Kafka to Arrow, dropped",
            Self::DecodeSplit => "Weir: Kafka to Arrow, dropped, split",
            Self::Parquet => "Weir: Arrow in memory to Delta",
            Self::Weir => "Weir: kafka_to_bronze",
            Self::WeirSplit => "Weir: kafka_to_bronze, split",
            Self::WeirRules => "Weir: kafka_to_bronze, rules",
            Self::WeirJson => "Weir: Kafka to Delta, JSON parsed",
            Self::SparkCold => "Spark, cold",
            Self::SparkWarm => "Spark, warm",
            Self::Python => "Python loop",
        }
    }

    /// Whether it is run on topics of so many partitions: splitting is for one.
    pub fn applies_to(self, partitions: i32) -> bool {
        partitions == 1 || !matches!(self, Self::WeirSplit | Self::DecodeSplit)
    }
}

/// One peer's work, in a process of its own.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// Consume with librdkafka alone.
    #[command(hide = true)]
    Limit(Source),
    /// Read with Weir's Kafka source.
    #[command(hide = true)]
    Decode {
        /// What is read.
        #[command(flatten)]
        source: Source,
        /// The source's `maxRecordsPerPartition`.
        #[arg(long)]
        max_records: Option<u64>,
    },
    /// Parse the values and write them with Weir.
    #[command(hide = true)]
    Json {
        /// What is read.
        #[command(flatten)]
        source: Source,
        /// The table.
        #[arg(long)]
        out: String,
    },
    /// Write rows in memory with Weir's Delta sink.
    #[command(hide = true)]
    Encode {
        /// How many rows.
        #[arg(long)]
        records: u64,
        /// Of how many partitions.
        #[arg(long)]
        partitions: i32,
        /// The table.
        #[arg(long)]
        out: String,
    },
}

/// A topic to read whole.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// host:port.
    #[arg(long)]
    pub bootstrap: String,
    /// The topic.
    #[arg(long)]
    pub topic: String,
    /// Its partitions.
    #[arg(long)]
    pub partitions: i32,
}
