//! Child processes that a test starts, watches, kills, and that never outlive it.
//!
//! [`Process`] runs a program with its output captured. [`eventually`] waits for an event by short polls up to a deadline, so that no
//! test sleeps for a guessed time.

use std::fmt;
use std::future::Future;
use std::io::{self, BufRead, BufReader};
use std::panic::Location;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const POLL_EVERY: Duration = Duration::from_millis(10);

/// Waits until `condition` holds, asking every 10 ms, at once for the first time.
///
/// # Panics
/// After `within`, at the caller's line.
#[track_caller]
pub fn eventually(
    within: Duration,
    mut condition: impl FnMut() -> bool,
) -> impl Future<Output = ()> {
    // Taken here: inside the future it would be the line of whoever polls.
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + within;
        while !condition() {
            assert!(
                Instant::now() < deadline,
                "{caller}: the condition does not hold after {within:?}"
            );
            tokio::time::sleep(POLL_EVERY).await;
        }
    }
}

/// A program of this workspace, built beside the running test: `built_program("weir")`.
///
/// Cargo builds the programs of the tests' own package only; another package's must be built before.
pub fn built_program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test knows its path");
    // target/debug/deps/it-1234 -> target/debug/<name>
    let program = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file());
    program.unwrap_or_else(|| panic!("`{name}` is not built: run `cargo build --workspace` first"))
}

/// A running child with its output captured line by line. Killed when dropped, and when the test process ends in any way.
#[derive(Debug)]
pub struct Process {
    child: Child,
    started: Instant,
    stdout: Capture,
    stderr: Capture,
}

impl Process {
    /// Starts a command. Its stdout and stderr are captured; its stdin is empty unless the command says otherwise.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub fn spawn(mut command: Command) -> Self {
        let program = command.get_program().display().to_string();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child =
            spawn(command).unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
        let stdout = Capture::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Capture::of(child.stderr.take().expect("stderr is piped"));
        Self {
            child,
            started,
            stdout,
            stderr,
        }
    }

    /// Starts `program` with arguments and environment variables, and an empty stdin.
    pub fn run(program: impl Into<PathBuf>, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program.into());
        command
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null());
        Self::spawn(command)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be asked")
            .is_none()
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        send_signal(self.child.id(), libc::SIGTERM);
    }

    /// Stops it from running (SIGSTOP) until [`Process::resume`]: a hung process, or one that is about to wake as a zombie.
    pub fn pause(&self) {
        send_signal(self.child.id(), libc::SIGSTOP);
    }

    /// Lets a paused process run on (SIGCONT).
    pub fn resume(&self) {
        send_signal(self.child.id(), libc::SIGCONT);
    }

    /// What it wrote on stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it wrote on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a line of stdout that holds `needle`, and returns it.
    pub async fn stdout_line(&mut self, needle: &str, within: Duration) -> String {
        self.line(needle, within, |process| &process.stdout).await
    }

    /// Waits for a line of stderr that holds `needle`, and returns it.
    pub async fn stderr_line(&mut self, needle: &str, within: Duration) -> String {
        self.line(needle, within, |process| &process.stderr).await
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// After `within`; the process is killed and the message holds its output.
    pub async fn wait(mut self, within: Duration) -> Finished {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() >= deadline {
                self.kill();
                panic!("the process runs for more than {within:?}{}", self.output());
            }
            tokio::time::sleep(POLL_EVERY).await;
        };
        let elapsed = self.started.elapsed();
        Finished {
            status,
            elapsed,
            stdout: self.stdout.finish().await,
            stderr: self.stderr.finish().await,
        }
    }

    /// The other end of its stdin, if the command piped it. Dropping that closes it.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    async fn line(
        &mut self,
        needle: &str,
        within: Duration,
        capture: fn(&Self) -> &Capture,
    ) -> String {
        let deadline = Instant::now() + within;
        loop {
            // Asked before the lines are: a line written just before the end must be found.
            let running = self.is_running();
            if !running {
                capture(self).finished().await;
            }
            if let Some(line) = capture(self).find(needle) {
                return line;
            }
            assert!(
                running,
                "the process ended without a line that holds {needle:?}{}",
                self.output()
            );
            assert!(
                Instant::now() < deadline,
                "no line holds {needle:?} after {within:?}{}",
                self.output()
            );
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    fn output(&self) -> String {
        shown(&self.stdout(), &self.stderr())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A child that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// From its start to its end.
    pub elapsed: Duration,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

impl Finished {
    /// Itself, if it ended with success.
    ///
    /// # Panics
    /// Otherwise, with its output.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(
            self.status.success(),
            "the process ended with {}{self}",
            self.status
        );
        self
    }

    /// Itself, if it ended by itself with another status than success.
    ///
    /// # Panics
    /// Otherwise, with its output.
    #[track_caller]
    pub fn expect_failure(self) -> Self {
        assert!(
            self.status.code().is_some_and(|code| code != 0),
            "the process ended with {}{self}",
            self.status
        );
        self
    }

    /// The last line of stdout that is not blank, as JSON.
    ///
    /// # Panics
    /// When there is none, or it is not JSON.
    #[track_caller]
    pub fn last_json(&self) -> serde_json::Value {
        let line = self
            .stdout
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or_else(|| panic!("the process wrote nothing on stdout{self}"));
        serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("the last line of stdout is not JSON: {error}{self}"))
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.stdout, &self.stderr))
    }
}

fn shown(stdout: &str, stderr: &str) -> String {
    format!("\n--- stdout ---\n{stdout}\n--- stderr ---\n{stderr}")
}

/// The lines of one output, read by a thread of their own so that the child never blocks on a full pipe.
#[derive(Debug)]
struct Capture {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    fn of(output: impl io::Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let lines = lines.clone();
            move || {
                for line in BufReader::new(output).split(b'\n') {
                    let Ok(line) = line else { break };
                    let line = String::from_utf8_lossy(&line).into_owned();
                    lines
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(line);
                }
            }
        });
        Self {
            lines,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    fn find(&self, needle: &str) -> Option<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().find(|line| line.contains(needle)).cloned()
    }

    /// Waits, briefly, until the reader met the end. A grandchild that inherited the pipe would keep it open: hence the bound.
    async fn finished(&self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self
            .reader
            .as_ref()
            .is_some_and(|reader| !reader.is_finished())
            && Instant::now() < deadline
        {
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    async fn finish(&mut self) -> String {
        self.finished().await;
        self.reader = None;
        self.text()
    }
}

/// Starts a child that the kernel kills when this process ends, even by SIGKILL or abort.
///
/// The kernel sends that signal when the *thread* that started the child ends, and a test's thread ends before the process does. So all
/// children are started by one thread, which lives as long as the process.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::SyncSender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();

    let spawner = SPAWNER.get_or_init(|| {
        let (requests, received) = mpsc::channel::<Request>();
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for (mut command, reply) in received {
                    // The one who asked waits for the reply.
                    let _ = reply.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        requests
    });
    die_with_parent(&mut command);
    let (reply, spawned) = mpsc::sync_channel(1);
    spawner
        .send((command, reply))
        .expect("the spawner lives as long as the process");
    spawned.recv().expect("the spawner answers")
}

#[allow(
    unsafe_code,
    reason = "a parent-death signal can only be asked for between fork and exec"
)]
fn die_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;

        let parent = std::process::id();
        // SAFETY: between fork and exec, the closure only makes two system calls, both async-signal-safe, and touches no shared state.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                // The parent may have ended before the call above: then no signal comes.
                if u32::try_from(libc::getppid()).ok() != Some(parent) {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Ok(())
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// Whether a process runs. One that nobody has waited for yet does not.
pub fn lives(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The processes that process `id` has started and that run.
pub fn children(id: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let of_parent = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything: the state and the parent.
        let mut behind = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        behind.next() != Some("Z")
            && behind.next().and_then(|parent| parent.parse().ok()) == Some(id)
    };
    ids.filter(of_parent).collect()
}

/// Kills (SIGKILL) a process that a session of the test started.
pub fn kill_process(id: u32) {
    send_signal(id, libc::SIGKILL);
}

/// Stops (SIGSTOP) a process that a session of the test started, until [`resume_process`].
pub fn pause_process(id: u32) {
    send_signal(id, libc::SIGSTOP);
}

/// Lets a paused process run on (SIGCONT).
pub fn resume_process(id: u32) {
    send_signal(id, libc::SIGCONT);
}

#[allow(unsafe_code, reason = "std sends no signal but SIGKILL")]
pub(crate) fn send_signal(id: u32, signal: libc::c_int) {
    let id = libc::pid_t::try_from(id).expect("a process id");
    // SAFETY: kill() only takes integers. The callers own the child and have not reaped it, so the id is still its own.
    unsafe {
        libc::kill(id, signal);
    }
}

/// Runs a blocking call beside the runtime; its panic becomes the caller's.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(call).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The memory that a process has, in bytes.
pub fn resident_memory(id: u32) -> u64 {
    memory(id, "VmRSS:")
}

/// What of it is no file's, as its code is, in bytes.
pub fn anonymous_memory(id: u32) -> u64 {
    memory(id, "RssAnon:")
}

fn memory(id: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") << 10
}
