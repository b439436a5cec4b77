//! A real S3-compatible server: Versity's S3 gateway over a directory, built once per version into the user's cache by Go.
//!
//! It honours conditional puts (`If-None-Match: *`), also of writers at one moment. Objects are files, with what else is known of them in
//! their extended attributes: `s3://bucket/key` is `ROOT/bucket/key`, which lets a test look at a table, and damage it, as it would on a
//! local disk.
//!
//! A program that finds [`ROOT_VARIABLE`] in its environment is run with the server of `weir-test-s3`: its lakes are buckets of it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cache;
use crate::process::{self, blocking};
use crate::requirements::{Unavailable, require_or_skip, require_program};

const MODULE: &str = "github.com/versity/versitygw/cmd/versitygw";
const VERSION: &str = "v1.8.0";
/// What the module's `go.mod` asks for, and Debian 12 does not have.
const TOOLCHAIN: &str = "go1.25.0";

/// The directory of the server that a program is to put its lakes on.
pub const ROOT_VARIABLE: &str = "WEIR_TEST_S3_ROOT";

/// The server's one user.
pub const ACCESS_KEY: &str = "weir-test-access";
/// The password of [`ACCESS_KEY`]: no output may hold it.
pub const SECRET_KEY: &str = "weir-test-hunter2-secret";

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running server. It, and what it holds, go when it is dropped, and when the test process ends in any way.
#[derive(Debug)]
pub struct S3Server {
    program: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl S3Server {
    /// Starts one on a free port, or says why the test is skipped.
    pub async fn start_or_skip() -> Option<Self> {
        require_or_skip(blocking(Self::start).await)
    }

    /// Starts one on a free port.
    pub fn start() -> Result<Self, Unavailable> {
        let program = installed()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        drop(listener);
        let directory = tempfile::Builder::new()
            .prefix("weir-s3-")
            .tempdir()
            .expect("a temporary directory");
        fs::create_dir(directory.path().join("buckets")).expect("a directory can be made");
        let mut server = Self {
            program,
            directory,
            port,
            child: None,
        };
        server.run();
        Ok(server)
    }

    /// Starts the process over what it held. One that runs is left alone.
    pub fn run(&mut self) {
        if self.child.is_some() {
            return;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("the server's log can be opened");
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)])
            .args(["--access", ACCESS_KEY, "--secret", SECRET_KEY])
            .args(["--quiet", "--keep-alive", "posix"])
            .arg(self.root())
            // What a test sets for its own clients is not for the server.
            .env_remove("AWS_ENDPOINT_URL")
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("the server's log can be shared"))
            .stdout(log);
        self.child = Some(process::spawn(command).expect("it was installed"));
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let child = self.child.as_mut().expect("it was started");
            let ended = child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the S3 server does not listen ({ended:?})\n{}",
                fs::read_to_string(self.log()).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the process (SIGKILL); what it holds stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, name: &str) -> PathBuf {
        let bucket = self.root().join(name);
        fs::create_dir_all(&bucket).expect("a bucket is a directory");
        bucket
    }

    /// The directory of its buckets.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("buckets")
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// What a program's environment needs to reach it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }

    /// What a session's settings need to reach it.
    pub fn settings(&self) -> Vec<(String, String)> {
        let keys = self.environment().into_iter();
        keys.map(|(key, value)| (format!("weir.storage.{}", key.to_lowercase()), value))
            .collect()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server's program.
fn installed() -> Result<PathBuf, Unavailable> {
    let name = format!("versitygw-{}", VERSION.trim_start_matches('v'));
    let entry = cache::fetched(&name, |staging| {
        // Beside the program, and removed with what was needed to build it: a cache entry is the program alone.
        let build = tempfile::tempdir_in(staging)
            .map_err(|error| Unavailable::new("a directory to build in", error))?;
        let go = go(build.path())?;
        let mut install = command(&go, build.path());
        install
            .args(["install", &format!("{MODULE}@{VERSION}")])
            .env("GOBIN", staging)
            .env("CGO_ENABLED", "0");
        cache::run(&format!("the S3 server {MODULE} {VERSION}"), &mut install)
    })?;
    Ok(entry.join("versitygw"))
}

/// A `go` that builds the module: this machine's, which fetches a newer one by itself where it knows how to, or that newer one.
fn go(build: &Path) -> Result<PathBuf, Unavailable> {
    require_program("go", "version")?;
    let version = Command::new("go")
        .arg("version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Unavailable::new("go", error))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if minor(&version).is_some_and(|minor| minor >= 21) {
        return Ok("go".into());
    }
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    // A toolchain is a module like any other; only its programs are not executable as it comes.
    let toolchain = format!("v0.0.1-{TOOLCHAIN}.linux-{arch}");
    let mut download = command(Path::new("go"), build);
    download.args([
        "mod",
        "download",
        &format!("golang.org/toolchain@{toolchain}"),
    ]);
    cache::run(&format!("Go's toolchain {TOOLCHAIN}"), &mut download)?;
    let root = build.join(format!("modules/golang.org/toolchain@{toolchain}"));
    let mut executable = Command::new("chmod");
    executable
        .args(["-R", "a+x"])
        .args([root.join("bin"), root.join("pkg/tool")]);
    cache::run("chmod", &mut executable)?;
    Ok(root.join("bin/go"))
}

/// The second number of what `go version` says.
fn minor(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once(" go1.")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A call of `go` that keeps everything below `build`.
fn command(go: &Path, build: &Path) -> Command {
    let mut command = Command::new(go);
    command
        .current_dir(build)
        .env("GOMODCACHE", build.join("modules"))
        .env("GOCACHE", build.join("cache"))
        .env("GOTOOLCHAIN", "auto")
        // Or what it made could not be removed.
        .env("GOFLAGS", "-modcacherw");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_go_is_read_from_what_it_says() {
        assert_eq!(minor("go version go1.19.8 linux/amd64"), Some(19));
        assert_eq!(minor("go version go1.26.8 linux/amd64"), Some(26));
        assert_eq!(minor("go version go1.27rc1 linux/amd64"), Some(27));
        assert_eq!(minor("no version"), None);
    }
}
