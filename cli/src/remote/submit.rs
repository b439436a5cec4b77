//! `weir submit`: a program runs on the driver's machine, and this command is as if it were that program.
//!
//! The job's output goes to stderr as it comes; its last JSON line goes to stdout, last. The exit code is
//! the job's; 124 when it took too long, 130 when it was cancelled, 75 when the driver was lost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;
use weir::program::{StopSignals, complain, print_line};
use weir::settings::{EXECUTOR_CORES, EXECUTOR_INSTANCES, EXECUTOR_MEMORY};
use weir::{Error, ErrorKind, Result};
use weir_driver::jobs::ProgramDigest;
use weir_proto::jobs::{
    FollowJob, Job, JobId, JobOutput, JobSpec, JobState, ProgramId, ProgramPart,
};

use super::client::Client;
use super::{DriverAddress, shown};
use crate::output::Output;

/// Bytes of a program per message.
const PART_BYTES: usize = 1 << 20;

const TIMED_OUT: u8 = 124;
const CANCELLED: u8 = 130;
const TRY_AGAIN: u8 = 75;

/// Arguments of `weir submit`.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: DriverAddress,

    /// The job's name, for people [default: the binary's].
    #[arg(long)]
    name: Option<String>,

    /// A setting of the job's session; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    conf: Vec<(String, String)>,

    /// Threads of its queries' tasks on each executor, which has to have so many (weir.executor.cores).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    executor_cores: Option<u32>,

    /// Memory of its queries on each executor, which has to have so much (weir.executor.memory).
    #[arg(long, value_name = "SIZE")]
    executor_memory: Option<String>,

    /// How many executors its queries use (weir.executor.instances) [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    num_executors: Option<u32>,

    /// A variable of the job's environment; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,

    /// Start the job again when the driver starts again after a crash.
    #[arg(long)]
    supervise: bool,

    /// How often the job is started again after it failed.
    #[arg(long, default_value_t = 0)]
    retries: u32,

    /// Print the job's id and do not wait for its end.
    #[arg(long)]
    detach: bool,

    /// End the job after so many seconds, all its tries together.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=u64::MAX / 1000))]
    timeout: Option<u64>,

    /// How the job is shown with --detach.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,

    /// The job's program.
    binary: PathBuf,

    /// The job's arguments, after --.
    #[arg(last = true)]
    arguments: Vec<String>,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is not KEY=VALUE".to_owned()),
    }
}

/// Submits and, unless detached, follows.
///
/// # Errors
/// `NotFound` or `Storage` for the binary, `InvalidArgument` for what the driver refuses, `Unavailable`
/// without a driver.
pub(crate) async fn submit(arguments: Arguments) -> Result<ExitCode> {
    let mut client = Client::connect(&arguments.address).await?;
    let mut cancels = Cancels::listen()?;
    let program = upload(&mut client, &arguments.binary).await?;
    let file_name = || {
        let name = arguments.binary.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let resources = [
        (
            EXECUTOR_CORES,
            arguments.executor_cores.map(|n| n.to_string()),
        ),
        (EXECUTOR_MEMORY, arguments.executor_memory.clone()),
        (
            EXECUTOR_INSTANCES,
            arguments.num_executors.map(|n| n.to_string()),
        ),
    ];
    let mut conf: HashMap<String, String> = arguments.conf.into_iter().collect();
    for (setting, value) in resources {
        if let Some(value) = value
            && let Some(other) = conf.insert(setting.key.to_owned(), value)
        {
            return Err(Error::invalid_argument(format!(
                "setting {:?} is given twice: by --conf ({other:?}), and by its own argument",
                setting.key
            )));
        }
    }
    let spec = JobSpec {
        program: Some(program),
        name: arguments.name.clone().unwrap_or_else(file_name),
        arguments: arguments.arguments,
        environment: arguments.env.into_iter().collect(),
        conf,
        supervise: arguments.supervise,
        retries: arguments.retries,
        timeout_ms: arguments.timeout.unwrap_or(0) * 1000,
    };
    let job = client.jobs().submit(spec).await;
    let job = client.answer(job)?;
    if arguments.detach {
        shown::jobs(&[job], arguments.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    complain(format_args!("submitted {}", job.id));
    follow(&mut client, &mut cancels, &job.id).await?;
    let job = client.jobs().get(JobId { id: job.id }).await;
    let job = client.answer(job)?;
    let reason = match job.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    complain(format_args!("{} {}{reason}", job.id, shown::state(&job)));
    if !job.result.is_empty() {
        print_line(&job.result)?;
    }
    Ok(ExitCode::from(exit_code(&job)))
}

fn exit_code(job: &Job) -> u8 {
    let own = job.exit_code.map(|code| u8::try_from(code).unwrap_or(1));
    match job.state() {
        JobState::Succeeded => 0,
        JobState::TimedOut => TIMED_OUT,
        JobState::Cancelled => CANCELLED,
        JobState::Lost => TRY_AGAIN,
        _ => own.filter(|code| *code != 0).unwrap_or(1),
    }
}

/// Prints the job's output until its end; a signal cancels the job once.
async fn follow(client: &mut Client, cancels: &mut Cancels, id: &str) -> Result<()> {
    let output = client
        .jobs()
        .follow(FollowJob {
            id: id.to_owned(),
            until_end: true,
        })
        .await;
    let mut output = client.answer(output)?;
    loop {
        let piece: Option<JobOutput> = tokio::select! {
            piece = output.try_next() => piece.map_err(|status| {
                let still = format!("{id} may still run; `weir logs -f {id}` follows it again");
                client.failed(status).context(still)
            })?,
            () = cancels.next() => {
                complain(format_args!("cancelling {id}"));
                let cancelled = client.jobs().cancel(JobId { id: id.to_owned() }).await;
                client.answer(cancelled)?;
                continue;
            }
        };
        match piece {
            Some(piece) => shown::piece_on_stderr(&piece)?,
            None => return Ok(()),
        }
    }
}

/// Sends the program, unless the driver has it.
async fn upload(client: &mut Client, binary: &Path) -> Result<ProgramId> {
    let sha256 = digest(binary).await?;
    let id = ProgramId { sha256 };
    let found = client.jobs().find_program(id.clone()).await;
    if client.answer(found)?.stored {
        return Ok(id);
    }
    let file = open(binary).await?;
    let (failures, mut failure) = tokio::sync::mpsc::channel(1);
    let named = id.clone();
    let parts = ReaderStream::with_capacity(file, PART_BYTES)
        .map(move |data| {
            data.map_err(|error| {
                let _ = failures.try_send(error);
            })
        })
        .take_while(|data| std::future::ready(data.is_ok()))
        .filter_map(|data| std::future::ready(data.ok()))
        .enumerate()
        .map(move |(number, data)| ProgramPart {
            id: (number == 0).then(|| named.clone()),
            data: data.to_vec(),
        });
    let stored = client.jobs().upload_program(parts).await;
    if let Ok(error) = failure.try_recv() {
        return Err(unreadable(binary, error));
    }
    client.answer(stored)?;
    Ok(id)
}

async fn open(binary: &Path) -> Result<tokio::fs::File> {
    let file = tokio::fs::File::open(binary).await;
    file.map_err(|error| unreadable(binary, error))
}

async fn digest(binary: &Path) -> Result<String> {
    let mut file = open(binary).await?;
    let mut digest = ProgramDigest::default();
    let mut part = vec![0; PART_BYTES];
    loop {
        let read = file.read(&mut part).await;
        let length = read.map_err(|error| unreadable(binary, error))?;
        if length == 0 {
            break;
        }
        digest.update(&part[..length]);
    }
    Ok(digest.finish())
}

fn unreadable(binary: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Storage,
    };
    let place = binary.display();
    Error::new(kind, format!("the program {place} cannot be read")).with_source(error)
}

/// Signals that cancel the job; the second ends this command.
struct Cancels {
    signals: StopSignals,
    seen: bool,
}

impl Cancels {
    fn listen() -> Result<Self> {
        Ok(Self {
            signals: StopSignals::listen()?,
            seen: false,
        })
    }

    async fn next(&mut self) {
        self.signals.next().await;
        if self.seen {
            complain("cancelled twice: the job is left to the driver");
            std::process::exit(i32::from(CANCELLED));
        }
        self.seen = true;
    }
}
