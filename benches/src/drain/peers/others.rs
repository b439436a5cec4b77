//! The programs that are not this one: `kafka_to_bronze`, Spark, and the Python loop.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use weir_tests::environment;
use weir_tests::process::built_program;

use crate::drain::topics::Topic;

/// Records per append of the Python loop.
pub const PYTHON_BATCH: usize = 100_000;

/// Where the peers' programs are.
#[derive(Debug)]
pub struct Others {
    bronze: PathBuf,
    spark: Option<Spark>,
    python: Option<PathBuf>,
}

#[derive(Debug)]
struct Spark {
    python: PathBuf,
    jars: OsString,
    memory: String,
}

/// What Spark's script says after a drain.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct SparkDrain {
    /// 0 the cold one, 1 the warm one.
    pub drain: usize,
    /// Of the query alone.
    pub seconds: f64,
    /// Of Python and the JVM, since the drain began; of the cold one since they started.
    pub cpu_seconds: f64,
    /// Of Python and the JVM together.
    pub peak_bytes: u64,
}

impl Others {
    /// Fetches what Spark and Python need, if they are to run.
    ///
    /// # Panics
    /// When that cannot be had, or `kafka_to_bronze` is not built.
    pub fn new(spark_memory: Option<&str>, python: bool) -> Self {
        let had = |found: Result<PathBuf, weir_tests::requirements::Unavailable>| {
            found.unwrap_or_else(|unavailable| panic!("{unavailable}"))
        };
        let spark = spark_memory.map(|memory| {
            let jars = had(environment::jars(&support("spark/pom.xml")));
            let jars: Vec<OsString> = weir_tests::files::files_under(&jars, ".jar")
                .into_iter()
                .map(PathBuf::into_os_string)
                .collect();
            Spark {
                python: had(environment::python(&support("spark/requirements.txt"))),
                jars: jars.join(&OsString::from(",")),
                memory: memory.to_owned(),
            }
        });
        Self {
            bronze: built_program("kafka_to_bronze"),
            spark,
            python: python.then(|| had(environment::python(&support("python/requirements.txt")))),
        }
    }

    /// `kafka_to_bronze` into `scratch`.
    pub fn bronze(&self, bootstrap: &str, topic: &Topic, scratch: &Path, split: bool) -> Command {
        let mut command = Command::new(&self.bronze);
        command
            .args(["--bootstrap-servers", bootstrap, "--topics", &topic.name])
            .arg("--out")
            .arg(scratch.join("table-0"))
            .arg("--checkpoint")
            .arg(scratch.join("checkpoint"));
        if split {
            command.args(["--min-partitions", "2"]);
        }
        command
    }

    /// Spark's script, for one drain or for two in one session.
    ///
    /// # Panics
    /// When Spark was not asked for at first.
    pub fn spark(&self, bootstrap: &str, topic: &Topic, scratch: &Path, drains: usize) -> Command {
        let spark = self.spark.as_ref().expect("Spark was asked for");
        let mut command = Command::new(&spark.python);
        command
            .arg("-B")
            .arg(support("spark/drain.py"))
            .arg("--jars")
            .arg(&spark.jars)
            .args(["--bootstrap", bootstrap, "--topic", &topic.name])
            .args(["--memory", &spark.memory, "--drains", &drains.to_string()])
            .arg("--scratch")
            .arg(scratch)
            .env("SPARK_LOCAL_IP", "127.0.0.1");
        command
    }

    /// The Python loop into `scratch`.
    ///
    /// # Panics
    /// When it was not asked for at first.
    pub fn python(&self, bootstrap: &str, topic: &Topic, scratch: &Path) -> Command {
        let mut command = Command::new(self.python.as_ref().expect("Python was asked for"));
        command
            .arg("-B")
            .arg(support("python/drain.py"))
            .args(["--bootstrap", bootstrap, "--topic", &topic.name])
            .args(["--partitions", &topic.expected.partitions.to_string()])
            .args(["--batch", &PYTHON_BATCH.to_string()])
            .arg("--out")
            .arg(scratch.join("table-0"));
        command
    }
}

fn support(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("support")
        .join(relative)
}
