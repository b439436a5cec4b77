//! Jobs on a driver: `weir driver`, `weir submit` and the commands beside it, as processes.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use weir_tests::files::TempLake;
use weir_tests::process::{Finished, Process, built_program, eventually, lives, resident_memory};

use crate::bronze::expect_parts;

const WITHIN: Duration = Duration::from_mins(2);

/// A driver on a free port, its files in a lake.
struct Driver {
    lake: TempLake,
    process: Process,
    url: String,
}

impl Driver {
    async fn start(arguments: &[&str]) -> Self {
        let lake = TempLake::new();
        let (process, url) = Self::spawn(&lake, arguments).await;
        Self { lake, process, url }
    }

    async fn spawn(lake: &TempLake, arguments: &[&str]) -> (Process, String) {
        let dir = lake.file("driver").display().to_string();
        let own = ["driver", "--listen", "127.0.0.1:0", "--dir", &dir];
        let own = own.into_iter().chain(["--job-master", "local[*]"]);
        let all: Vec<&str> = own.chain(arguments.iter().copied()).collect();
        let mut process = Process::run(built_program("weir"), &all, &[]);
        let line = process.stdout_line("listens at", WITHIN).await;
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let url = url.unwrap().trim_end_matches(';').to_owned();
        (process, url)
    }

    /// Kills it and starts another over its files.
    async fn restart_after_kill(&mut self) {
        self.process.kill();
        (self.process, self.url) = Self::spawn(&self.lake, &[]).await;
    }

    fn weir(&self, command: &str, arguments: &[&str]) -> Process {
        let mut weir = Command::new(built_program("weir"));
        weir.args([command, "--driver", &self.url])
            .args(arguments)
            .stdin(Stdio::null());
        Process::spawn(weir)
    }

    async fn run(&self, command: &str, arguments: &[&str]) -> Finished {
        self.weir(command, arguments).wait(WITHIN).await
    }

    /// Submits without waiting; returns the job's id.
    async fn detached(&self, arguments: &[&str]) -> String {
        let own = ["--detach", "--output", "json"];
        let all: Vec<&str> = own.iter().chain(arguments).copied().collect();
        let job = self.run("submit", &all).await.expect_success().last_json();
        job["id"].as_str().unwrap().to_owned()
    }

    async fn job(&self, id: &str) -> Value {
        let shown = self.run("status", &["--output", "json", id]).await;
        shown.expect_success().last_json()
    }

    async fn wait_for(&self, id: &str, state: &str) -> Value {
        loop {
            let job = self.job(id).await;
            if job["state"] == state {
                return job;
            }
            assert!(job["ended"].is_null(), "{job}");
        }
    }

    fn programs(&self) -> Vec<PathBuf> {
        let directory = fs::read_dir(self.lake.file("driver").join("programs")).unwrap();
        directory.map(|entry| entry.unwrap().path()).collect()
    }
}

/// A shell script.
pub(crate) fn script(lake: &TempLake, name: &str, text: &str) -> String {
    let path = lake.file(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn submitted_job_gets_its_arguments_and_gives_its_output_result_and_exit_code() {
    let driver = Driver::start(&[]).await;
    let text = r#"echo "args $*"; echo "colour $COLOUR" >&2; echo "conf $WEIR_CONF master $WEIR_MASTER"
echo '{"rows": 7}'; echo bye; exit 3"#;
    let job = script(&driver.lake, "job", text);
    let conf = ["--conf", "weir.memory.limit=1GB", "--env", "COLOUR=red"];
    let own = ["--name", "try", &job, "--", "a b", "--c"];
    let all: Vec<&str> = conf.into_iter().chain(own).collect();
    let finished = driver.run("submit", &all).await;
    assert_eq!(finished.status.code(), Some(3), "{finished}");
    assert_eq!(finished.stdout.trim(), "{\"rows\": 7}");
    let said = [
        "args a b --c",
        "colour red",
        r#"conf {"weir.memory.limit":"1GB"} master local["#,
        "bye",
        "failed",
    ];
    expect_parts(&finished.stderr, &said);
    let listed = driver.run("jobs", &[]).await.expect_success();
    expect_parts(&listed.stdout, &["try", "failed"]);
    let id = driver.run("jobs", &["--output", "json"]).await.last_json();
    assert_eq!(id["result"]["rows"], 7, "{id}");
    let logs = driver.run("logs", &[id["id"].as_str().unwrap()]).await;
    assert_eq!(logs.stderr.trim(), "colour red");
    expect_parts(&logs.stdout, &["args a b --c", "bye"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn program_that_is_there_is_not_uploaded_again() {
    let driver = Driver::start(&[]).await;
    // As large as programs with an engine in them are.
    let rest = "#".repeat(200 << 20);
    let job = script(&driver.lake, "job", &format!("exit 0\n{rest}"));
    driver.run("submit", &[&job]).await.expect_success();
    let [program] = driver.programs().try_into().unwrap();
    let written = fs::metadata(&program).unwrap();
    assert!(written.len() > 200 << 20);
    driver.run("submit", &[&job]).await.expect_success();
    assert_eq!(driver.programs(), std::slice::from_ref(&program));
    let now = fs::metadata(&program).unwrap();
    assert_eq!(
        (now.ino(), now.mtime_nsec()),
        (written.ino(), written.mtime_nsec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_refused_by_name() {
    let driver = Driver::start(&[]).await;
    let lake = &driver.lake;
    let good = script(lake, "good", "exit 0");
    let text = lake.file("text").display().to_string();
    fs::write(&text, "just text").unwrap();
    // An ELF header of machine 243, RISC-V.
    let mut elf = b"\x7fELF".to_vec();
    elf.resize(64, 0);
    elf[18] = 243;
    let other = lake.file("other").display().to_string();
    fs::write(&other, elf).unwrap();
    let cases: [(&[&str], i32, &str); 7] = [
        (&[&text], 2, "no executable"),
        (&[&other], 2, "another machine (ELF machine 243)"),
        (&["/no/such/file"], 1, "/no/such/file"),
        (
            &["--conf", "weir.memory.limits=1GB", &good],
            2,
            "did you mean",
        ),
        (&["--conf", "weir.memory.limit", &good], 2, "KEY=VALUE"),
        (&["--env", "WEIR_MASTER=x", &good], 2, "WEIR_MASTER"),
        (&["--timeout", "0", &good], 2, "--timeout"),
    ];
    for (arguments, code, named) in cases {
        let finished = driver.run("submit", arguments).await;
        assert_eq!(
            finished.status.code(),
            Some(code),
            "{arguments:?}: {finished}"
        );
        expect_parts(&finished.stderr, &[named]);
    }
    for command in ["status", "logs", "cancel"] {
        let finished = driver.run(command, &["job-1"]).await;
        assert_eq!(finished.status.code(), Some(1), "{finished}");
        expect_parts(&finished.stderr, &["no job \"job-1\""]);
    }
    assert!(driver.programs().len() <= 1, "{:?}", driver.programs());
}

#[tokio::test(flavor = "multi_thread")]
async fn driver_out_of_reach_ends_the_command_soon() {
    let lake = TempLake::new();
    let job = script(&lake, "job", "exit 0");
    let weir = |driver: &str| {
        let arguments = ["submit", "--driver", driver, &job];
        Process::run(built_program("weir"), &arguments, &[])
    };
    let finished = weir("http://127.0.0.1:1")
        .wait(Duration::from_secs(20))
        .await;
    assert_eq!(finished.status.code(), Some(75), "{finished}");
    expect_parts(&finished.stderr, &["http://127.0.0.1:1", "weir driver"]);
    let finished = weir("127.0.0.1:1").wait(WITHIN).await;
    assert_eq!(finished.status.code(), Some(2), "{finished}");
    let public = ["driver", "--listen", "0.0.0.0:0"];
    let finished = Process::run(built_program("weir"), &public, &[])
        .wait(WITHIN)
        .await;
    assert_eq!(finished.status.code(), Some(2), "{finished}");
    expect_parts(&finished.stderr, &["0.0.0.0:0", "127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_job_ends_with_all_it_forked_even_if_it_ignores_sigterm() {
    let driver = Driver::start(&["--grace", "1"]).await;
    let text = "trap '' TERM\nsleep 600 &\necho child $! parent $$\nwhile true; do sleep 1; done";
    let job = script(&driver.lake, "stubborn", text);
    let mut submitted = driver.weir("submit", &[&job]);
    let line = submitted.stderr_line("child", WITHIN).await;
    let words: Vec<&str> = line.split_whitespace().collect();
    let [child, parent] = [words[1], words[3]].map(|id| id.parse().unwrap());
    assert!(lives(child) && lives(parent));
    submitted.terminate();
    let finished = submitted.wait(WITHIN).await;
    assert_eq!(finished.status.code(), Some(130), "{finished}");
    expect_parts(&finished.stderr, &["cancelling", "cancelled"]);
    eventually(Duration::from_secs(10), || !lives(child) && !lives(parent)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn job_that_takes_too_long_ends_with_124() {
    let driver = Driver::start(&["--grace", "1"]).await;
    let job = script(&driver.lake, "slow", "sleep 600");
    let finished = driver.run("submit", &["--timeout", "1", &job]).await;
    assert_eq!(finished.status.code(), Some(124), "{finished}");
    expect_parts(&finished.stderr, &["timed_out", "1000 ms"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_job_is_tried_again_as_often_as_it_says() {
    let driver = Driver::start(&[]).await;
    let text = "echo try >> tries; test $(wc -l < tries) -ge 3";
    let job = script(&driver.lake, "third", text);
    let finished = driver.run("submit", &["--retries", "1", &job]).await;
    assert_eq!(finished.status.code(), Some(1), "{finished}");
    let finished = driver.run("submit", &["--retries", "2", &job]).await;
    finished.expect_success();
    let job = driver
        .run("jobs", &["--limit", "1", "--output", "json"])
        .await;
    assert_eq!(job.last_json()["tries"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_100_mb_arrives_whole() {
    let driver = Driver::start(&[]).await;
    let text =
        "yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde | head -n 1600000
echo '{\"done\": true}'";
    let job = script(&driver.lake, "loud", text);
    let finished = driver.run("submit", &[&job]).await.expect_success();
    assert_eq!(finished.stdout.trim(), "{\"done\": true}");
    let lines = finished
        .stderr
        .lines()
        .filter(|line| line.starts_with("0123"));
    assert_eq!(lines.count(), 1_600_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_at_once_all_finish_and_no_more_run_than_allowed() {
    let driver = Driver::start(&["--max-jobs", "3"]).await;
    let running = driver.lake.file("running").display().to_string();
    fs::create_dir(&running).unwrap();
    let text = "touch \"$1/$$\"; ls \"$1\" | wc -l; rm \"$1/$$\"; echo \"{\\\"number\\\": $2}\"";
    let job = script(&driver.lake, "short", text);
    let mut submitted = Vec::new();
    for number in 0..50 {
        let number = number.to_string();
        submitted.push(driver.weir("submit", &[&job, "--", &running, &number]));
    }
    let mut memory = Vec::new();
    for (number, process) in submitted.into_iter().enumerate() {
        let finished = process.wait(WITHIN).await.expect_success();
        assert_eq!(finished.last_json()["number"], number, "{finished}");
        let at_once = finished
            .stderr
            .lines()
            .find_map(|line| line.trim().parse::<u32>().ok());
        assert!(at_once.unwrap() <= 3, "{finished}");
        if matches!(number, 9 | 49) {
            memory.push(resident_memory(driver.process.id()));
        }
    }
    println!("resident after 10 and 50 jobs: {memory:?}");
    assert!(memory[1] * 10 <= memory[0] * 11, "{memory:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_driver_takes_its_jobs_and_the_next_starts_the_supervised_ones_again() {
    let mut driver = Driver::start(&["--max-jobs", "2"]).await;
    // A Weir program would end by itself; this one has to be ended by the next driver.
    let text =
        "echo $$ >> pids; test $(wc -l < pids) -ge 2 && exit 0; while true; do sleep 1; done";
    let job = script(&driver.lake, "forever", text);
    let supervised = driver.detached(&["--supervise", &job]).await;
    let other = driver.detached(&[&job]).await;
    let waiting = driver
        .detached(&[&script(&driver.lake, "later", "exit 0")])
        .await;
    let pids = |id: &str| {
        driver
            .lake
            .file("driver")
            .join("jobs")
            .join(id)
            .join("pids")
    };
    let mut processes = Vec::new();
    for id in [&supervised, &other] {
        driver.wait_for(id, "running").await;
        let file = pids(id);
        eventually(WITHIN, || {
            fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))
        })
        .await;
        processes.push(fs::read_to_string(&file).unwrap().trim().parse().unwrap());
    }
    assert_eq!(driver.job(&waiting).await["state"], "queued");
    driver.restart_after_kill().await;
    eventually(WITHIN, || !processes.iter().copied().any(lives)).await;
    let lost = driver.job(&other).await;
    assert_eq!(lost["state"], "lost", "{lost}");
    expect_parts(lost["reason"].as_str().unwrap(), &["--supervise"]);
    let again = driver.wait_for(&supervised, "succeeded").await;
    assert_eq!(again["tries"], 2, "{again}");
    driver.wait_for(&waiting, "succeeded").await;
}
