//! A driver and its executors, as processes of the `weir` program.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::files::TempLake;
use crate::process::{Finished, Process, built_program};

const WITHIN: Duration = Duration::from_mins(2);

/// A driver on a free port, its files in a lake, and the executors that were started for it.
#[derive(Debug)]
pub struct Cluster {
    /// Where its files are.
    pub lake: TempLake,
    /// The driver.
    pub driver: Process,
    /// Its address.
    pub url: String,
    /// The executors, in the order in which they were started.
    pub executors: Vec<ExecutorProcess>,
    environment: Vec<(String, OsString)>,
}

/// An executor.
#[derive(Debug)]
pub struct ExecutorProcess {
    /// The process.
    pub process: Process,
    /// Its address.
    pub url: String,
}

impl Cluster {
    /// A driver, and `executors` executors of one thread.
    pub async fn start(executors: usize) -> Self {
        Self::with_environment(executors, &[], &[]).await
    }

    /// The same, of which every process gets `environment`, and the driver `arguments`.
    pub async fn with_environment(
        executors: usize,
        arguments: &[&str],
        environment: &[(&str, OsString)],
    ) -> Self {
        let lake = TempLake::new();
        let environment = environment.iter();
        let environment: Vec<(String, OsString)> = environment
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let listen = ["--listen", "127.0.0.1:0"];
        let arguments: Vec<&str> = listen.iter().chain(arguments).copied().collect();
        let (driver, url) = driver(&lake, &arguments, &environment).await;
        let mut cluster = Self {
            lake,
            driver,
            url,
            executors: Vec::new(),
            environment,
        };
        for _ in 0..executors {
            cluster.add_executor(&["--cores", "1"]).await;
        }
        cluster
    }

    /// Starts an executor, and waits until it is there.
    pub async fn add_executor(&mut self, arguments: &[&str]) {
        let dir = self.lake.file("spill").display().to_string();
        let own = ["--dir", &dir];
        let all: Vec<&str> = own.iter().chain(arguments).copied().collect();
        let mut process = self.weir("executor", &all);
        let line = process.stdout_line("executor", WITHIN).await;
        let announced: Value = serde_json::from_str(&line).expect("an announcement");
        let url = announced["executor"].as_str().expect("a URL").to_owned();
        process.stderr_line("registered with", WITHIN).await;
        self.executors.push(ExecutorProcess { process, url });
    }

    /// Kills the driver and starts another over its files, at its address.
    pub async fn restart_driver_after_kill(&mut self) {
        self.driver.kill();
        self.start_driver_again().await;
    }

    /// Starts a driver over the files of one that has ended, at its address.
    pub async fn start_driver_again(&mut self) {
        let address = self.authority().to_owned();
        let arguments = ["--listen", &address];
        (self.driver, self.url) = driver(&self.lake, &arguments, &self.environment).await;
    }

    /// What a session names as its master.
    pub fn master(&self) -> String {
        format!("weir://{}", self.authority())
    }

    fn authority(&self) -> &str {
        let (_, authority) = self.url.split_once("://").expect("a URL");
        authority
    }

    /// Starts a command of `weir` for this driver.
    pub fn weir(&self, command: &str, arguments: &[&str]) -> Process {
        let mut weir = Command::new(built_program("weir"));
        weir.args([command, "--driver", &self.url])
            .args(arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        Process::spawn(weir)
    }

    /// Runs one to its end.
    pub async fn run(&self, command: &str, arguments: &[&str]) -> Finished {
        self.weir(command, arguments).wait(WITHIN).await
    }

    /// What `weir executors` shows.
    pub async fn shown_executors(&self) -> Vec<Value> {
        let shown = self.run("executors", &["--output", "json"]).await;
        let lines = shown.expect_success().stdout;
        let lines = lines.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("JSON lines")
    }
}

async fn driver(
    lake: &TempLake,
    arguments: &[&str],
    environment: &[(String, OsString)],
) -> (Process, String) {
    let mut weir = Command::new(built_program("weir"));
    weir.arg("driver")
        .arg("--dir")
        .arg(lake.file("driver"))
        .args(arguments)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null());
    let mut process = Process::spawn(weir);
    let line = process.stdout_line("listens at", WITHIN).await;
    let url = line.split_whitespace().find(|word| word.contains("://"));
    let url = url.expect("an address").trim_end_matches(';').to_owned();
    (process, url)
}
