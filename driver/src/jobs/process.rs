//! A job's processes: one child that leads a process group, in a directory of its own.
//!
//! The child's stdin is a pipe that the driver holds and never writes to: a Weir program ends when it
//! closes, so that a driver that dies takes its jobs with it. Whatever does not watch its stdin is ended by
//! the next driver ([`end_leftover`]).

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tracing::warn;
use weir_plan::{Error, ErrorKind, Result};

/// How long a program may be open for writing after it was written, by a child that was forked meanwhile.
const BUSY_AT_MOST: Duration = Duration::from_secs(10);

/// Between two tries to start it.
const BUSY_RETRY: Duration = Duration::from_millis(20);

/// See the module's documentation.
pub(super) struct JobProcess {
    child: Child,
    group: Pid,
    _stdin: Option<ChildStdin>,
}

impl JobProcess {
    /// Starts `program` in `directory`; `environment` goes over the driver's own.
    ///
    /// The file was written by this process. Another job's child, from when it is forked until it runs its own program, holds it
    /// open as this process did when it was written, and the system runs no file that is open for writing (`ETXTBSY`): that passes, and
    /// the start is tried again.
    pub(super) async fn start(
        program: &Path,
        arguments: &[String],
        environment: &BTreeMap<String, String>,
        directory: &Path,
    ) -> Result<Self> {
        let failed = |error: io::Error| {
            // The message of the system says why.
            Error::new(
                ErrorKind::InvalidArgument,
                "the submitted program cannot be run on the driver's machine",
            )
            .with_source(error)
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(environment)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let begun = Instant::now();
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                Err(error)
                    if error.kind() == io::ErrorKind::ExecutableFileBusy
                        && begun.elapsed() < BUSY_AT_MOST =>
                {
                    // Nothing tells when the other child has begun.
                    tokio::time::sleep(BUSY_RETRY).await;
                }
                Err(error) => return Err(failed(error)),
            }
        };
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| Error::internal("a process that runs has no id"))?;
        Ok(Self {
            _stdin: child.stdin.take(),
            child,
            group: Pid::from_raw(id),
        })
    }

    /// Its number, and when it started.
    pub(super) fn identity(&self) -> (u32, u64) {
        let id = self.group.as_raw().unsigned_abs();
        (id, started_ticks(id).unwrap_or_default())
    }

    /// Its stdout and stderr, once.
    pub(super) fn output(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        Some((self.child.stdout.take()?, self.child.stderr.take()?))
    }

    /// Waits for the child, and ends what it left of its group.
    pub(super) async fn wait(&mut self) -> Result<ExitStatus> {
        let ended = self.child.wait().await;
        self.kill();
        ended.map_err(|error| Error::internal("a job cannot be waited for").with_source(error))
    }

    /// Asks all of the group to end.
    pub(super) fn terminate(&self) {
        signal(self.group, Signal::SIGTERM);
    }

    /// Ends all of the group.
    pub(super) fn kill(&self) {
        signal(self.group, Signal::SIGKILL);
    }
}

impl Drop for JobProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A shell's way to tell: 128 + the number of the signal that ended it.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

/// Ends the group of a process that an earlier driver started, if it is still that process.
pub(super) fn end_leftover(id: u32, ticks: u64) {
    let Ok(group) = i32::try_from(id) else {
        return;
    };
    if group > 1 && ticks > 0 && started_ticks(id) == Some(ticks) {
        warn!("process {id} of a job outlived its driver: it is killed");
        signal(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn signal(group: Pid, signal: Signal) {
    match killpg(group, signal) {
        // Nobody is left.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => warn!(%error, "process group {group} of a job takes no {signal}"),
    }
}

/// When process `id` started, in ticks since the system did; `None` without such a process.
fn started_ticks(id: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the 20th field after it is the time.
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[tokio::test]
    async fn program_that_is_open_for_writing_is_started_once_it_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        std::fs::copy("/bin/true", &program).unwrap();
        let held = OpenOptions::new().write(true).open(&program).unwrap();
        let busy = std::process::Command::new(&program).spawn().unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ExecutableFileBusy);
        let environment = BTreeMap::new();
        let start = JobProcess::start(&program, &[], &environment, directory.path());
        // The start is tried first.
        let (started, ()) = tokio::join!(start, async { drop(held) });
        assert!(started.unwrap().wait().await.unwrap().success());
    }
}
