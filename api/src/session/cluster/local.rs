//! `local-cluster[E,C]`: executors as child processes of the session's own program.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use weir_executor::Announcement;
use weir_plan::settings::EXECUTOR_PROGRAM;
use weir_plan::{Error, ErrorKind, Result, Settings};
use weir_rpc::Security;

use super::executors::{ExecutorAddress, Executors};
use crate::program::{ExecutorRole, ROLE_VARIABLE};

/// Starts `count` executors as `role` says and waits until each listens.
///
/// # Errors
/// `Unavailable` when one cannot be started, or ends before it listens.
pub(crate) fn start_local(
    count: usize,
    role: &ExecutorRole,
    settings: &Settings,
) -> Result<Executors> {
    let program = program(settings)?;
    // Other users of the machine can connect to them, too.
    let security = Security::with_token(&uuid::Uuid::new_v4().simple().to_string())?;
    let mut children = Vec::new();
    for _ in 0..count {
        children.push(ExecutorChild::start(&program, role, &security)?);
    }
    // All start at once; then each is waited for.
    let mut listening = Vec::new();
    for child in &mut children {
        let process_id = Some(child.child.id());
        let url = child.announcement(&program)?.executor;
        listening.push(ExecutorAddress { url, process_id });
    }
    Ok(Executors::own(listening, security, children))
}

fn program(settings: &Settings) -> Result<PathBuf> {
    match settings.get(EXECUTOR_PROGRAM) {
        "" => std::env::current_exe().map_err(|error| {
            Error::new(
                ErrorKind::Unavailable,
                format!(
                    "this program's file is not known; set {}",
                    EXECUTOR_PROGRAM.key
                ),
            )
            .with_source(error)
        }),
        program => Ok(program.into()),
    }
}

/// A child that ends when its stdin does: with its parent, however that ends.
struct ExecutorChild {
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl ExecutorChild {
    fn start(program: &Path, role: &ExecutorRole, security: &Security) -> Result<Self> {
        let role = serde_json::to_string(role)
            .map_err(|error| Error::internal("a role has no form as JSON").with_source(error))?;
        let mut child = Command::new(program)
            .env(ROLE_VARIABLE, role)
            .envs(security.environment().iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(program).with_source(error))?;
        let stdin = child.stdin.take();
        Ok(Self {
            child,
            _stdin: stdin,
        })
    }

    fn announcement(&mut self, program: &Path) -> Result<Announcement> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(|error| failed(program).with_source(error))?;
        }
        serde_json::from_str(&line).map_err(|error| {
            let said = match line.trim() {
                "" => "it ended before it listened".to_owned(),
                line => format!("it said {line:?}"),
            };
            failed(program).context(said).with_source(error)
        })
    }
}

impl Drop for ExecutorChild {
    fn drop(&mut self) {
        // An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn failed(program: &Path) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "cannot start an executor: {} has to be a program made with #[weir::main], or setting {:?} to name one",
            program.display(),
            EXECUTOR_PROGRAM.key
        ),
    )
}
