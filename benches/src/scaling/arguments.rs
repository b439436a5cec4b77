//! The command line of `scaling`.

use std::path::PathBuf;

use clap::Parser;

/// Run TPC-H's queries on several masters, in turn; print a Markdown table.
#[derive(Debug, Parser)]
#[command(name = "scaling")]
pub struct Arguments {
    /// The scale factor: gigabytes of text.
    #[arg(long, default_value_t = 0.01)]
    pub scale: f64,

    /// Runs of each query on each master, after one that is not counted; the table holds the medians.
    #[arg(long, default_value_t = 3)]
    pub runs: usize,

    /// The numbers of the queries.
    #[arg(long, value_delimiter = ',', default_values_t = 1..=22)]
    pub queries: Vec<usize>,

    /// A master to run on, and settings after it: `local-cluster[2,1] weir.sql.files.maxPartitionBytes=1MB`. Repeat it; the first is
    /// what the others are compared with. Default: `local[2]`, `local-cluster[1,2]`, `local-cluster[2,1]`.
    #[arg(long = "on", value_name = "MASTER")]
    pub masters: Vec<String>,

    /// Keep the tables in this directory, and use those that an earlier run left there.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,

    /// Leave the text of each query and the first master's rows in this directory, for another engine to answer.
    #[arg(long, value_name = "DIR")]
    pub answers: Option<PathBuf>,

    /// Print the plan of each query on each master, too.
    #[arg(long)]
    pub explain: bool,

    /// Run each query once more on each master, and print the bytes that it spilled, and its stages with --explain.
    #[arg(long)]
    pub profile: bool,
}

impl Arguments {
    /// What to run on, the first to compare with.
    #[must_use]
    pub fn masters(&self) -> Vec<String> {
        if !self.masters.is_empty() {
            return self.masters.clone();
        }
        ["local[2]", "local-cluster[1,2]", "local-cluster[2,1]"]
            .map(str::to_owned)
            .to_vec()
    }
}
