//! The life of a job: queued, run, tried again, ended.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::Stream;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use weir_plan::{Error, ErrorKind, Result};
use weir_proto::jobs::{Job, JobOutput, JobSpec, JobState, OutputStream, StoredJob};
use weir_rpc::Security;

use super::output::Output;
use super::process::{JobProcess, end_leftover, exit_code};
use super::programs::Programs;
use super::spec::check;
use super::store::JobStore;

/// An exit code that running again does not change: wrong arguments.
const USAGE: i32 = 2;

/// How long what a job's process left of its output is taken.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(5);

/// What the job service is told.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// Where programs, the jobs' directories and the store are.
    pub directory: PathBuf,
    /// Jobs that run at once; others wait.
    pub running_max: usize,
    /// What `WEIR_MASTER` is for them.
    pub master: String,
    /// What they show to be let in.
    pub security: Security,
    /// How long a job may take to end after SIGTERM.
    pub grace: Duration,
}

/// The jobs of a driver.
#[derive(Debug, Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: JobSettings,
    store: JobStore,
    programs: Programs,
    room: Semaphore,
    jobs: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    jobs: HashMap<String, Arc<Entry>>,
    last_number: u64,
}

#[derive(Debug)]
struct Entry {
    job: watch::Sender<StoredJob>,
    output: Output,
    cancelled: CancellationToken,
}

/// How one try ended.
enum Ended {
    Exited(i32),
    Cancelled,
    TimedOut,
}

impl Jobs {
    /// The jobs in `settings.directory`. Those that ran when an earlier driver died are started again if
    /// they are supervised, and lost otherwise; those that waited wait again.
    ///
    /// # Errors
    /// `Storage` when the directory cannot be used.
    pub async fn open(settings: JobSettings) -> Result<Self> {
        let programs = Programs::open(settings.directory.join("programs")).await?;
        let store = JobStore::open(&settings.directory.join("jobs.redb"))?;
        let stored = store.all().await?;
        let jobs = Self {
            inner: Arc::new(Inner {
                room: Semaphore::new(settings.running_max.max(1)),
                settings,
                store,
                programs,
                jobs: Mutex::default(),
            }),
        };
        for job in stored {
            jobs.take_over(job).await?;
        }
        Ok(jobs)
    }

    async fn take_over(&self, mut stored: StoredJob) -> Result<()> {
        let (process, ticks) = (stored.process_id, stored.process_started_ticks);
        (stored.process_id, stored.process_started_ticks) = (0, 0);
        let mut job = stored.job.clone().unwrap_or_default();
        let supervised = job.spec.as_ref().is_some_and(|spec| spec.supervise);
        let again = match job.state() {
            JobState::Running => {
                end_leftover(process, ticks);
                if !supervised {
                    job.set_state(JobState::Lost);
                    job.ended_ms = now_ms();
                    "the driver died while it ran; submit with --supervise to have it started again"
                        .clone_into(&mut job.reason);
                }
                supervised
            }
            JobState::Queued => true,
            _ => false,
        };
        if again {
            job.set_state(JobState::Queued);
        }
        let changed = stored.job.as_ref() != Some(&job);
        stored.job = Some(job);
        if changed {
            self.inner.store.put(stored.clone()).await?;
        }
        let entry = self.enter(stored).await?;
        if again {
            self.start(entry);
        } else {
            entry.output.end().await;
        }
        Ok(())
    }

    /// The programs that can be run.
    pub(super) fn programs(&self) -> &Programs {
        &self.inner.programs
    }

    /// Queues a job.
    ///
    /// # Errors
    /// `InvalidArgument` for settings that are none, `NotFound` when its program is not stored.
    pub(super) async fn submit(&self, spec: JobSpec) -> Result<Job> {
        check(&spec)?;
        let sha256 = spec.program.clone().unwrap_or_default().sha256;
        if self.inner.programs.find(&sha256).await?.is_none() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("program {sha256} is not stored; upload it first"),
            ));
        }
        let mut job = Job {
            id: self.new_id(),
            spec: Some(spec),
            submitted_ms: now_ms(),
            ..Job::default()
        };
        job.set_state(JobState::Queued);
        let stored = StoredJob {
            job: Some(job.clone()),
            ..StoredJob::default()
        };
        self.inner.store.put(stored.clone()).await?;
        let entry = self.enter(stored).await?;
        self.start(entry);
        Ok(job)
    }

    /// Job `id`.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn get(&self, id: &str) -> Result<Job> {
        Ok(self.entry(id)?.current())
    }

    /// All jobs, newest first.
    pub(super) fn list(&self) -> Vec<Job> {
        let known = self.known();
        let mut jobs: Vec<Job> = known.jobs.values().map(|entry| entry.current()).collect();
        jobs.sort_by(|a, b| b.id.cmp(&a.id));
        jobs
    }

    /// Ends job `id`; one that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn cancel(&self, id: &str) -> Result<Job> {
        let entry = self.entry(id)?;
        entry.cancelled.cancel();
        Ok(entry.current())
    }

    /// The output of job `id`.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub(super) async fn follow(
        &self,
        id: &str,
        until_end: bool,
    ) -> Result<impl Stream<Item = Result<JobOutput>> + Send + 'static + use<>> {
        let entry = self.entry(id)?;
        entry.output.read(until_end).await
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.inner
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &str) -> Result<Arc<Entry>> {
        self.known().jobs.get(id).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("no job {id:?}; `weir jobs` lists them"),
            )
        })
    }

    /// Ids sort by age: the time, and a number where there are several.
    fn new_id(&self) -> String {
        let time = chrono::Utc::now().format("%Y%m%d%H%M%S");
        let mut known = self.known();
        known.last_number += 1;
        format!("job-{time}-{:05}", known.last_number)
    }

    async fn enter(&self, stored: StoredJob) -> Result<Arc<Entry>> {
        let id = stored.job.clone().unwrap_or_default().id;
        let directory = self.directory(&id);
        tokio::fs::create_dir_all(&directory)
            .await
            .map_err(|error| {
                let place = directory.display();
                Error::new(ErrorKind::Storage, format!("making {place}")).with_source(error)
            })?;
        let entry = Arc::new(Entry {
            job: watch::Sender::new(stored),
            output: Output::open(directory.join("output")).await?,
            cancelled: CancellationToken::new(),
        });
        let mut known = self.known();
        let number = id.rsplit('-').next().and_then(|number| number.parse().ok());
        known.last_number = known.last_number.max(number.unwrap_or(0));
        known.jobs.insert(id, Arc::clone(&entry));
        Ok(entry)
    }

    fn directory(&self, id: &str) -> PathBuf {
        self.inner.settings.directory.join("jobs").join(id)
    }

    fn start(&self, entry: Arc<Entry>) {
        let jobs = self.clone();
        tokio::spawn(async move {
            let ended = jobs.run(&entry).await;
            if let Err(error) = ended {
                let id = entry.current().id;
                warn!(%error, "job {id} cannot be run");
                let failed = jobs.change(&entry, |job| {
                    job.set_state(JobState::Failed);
                    job.ended_ms = now_ms();
                    job.reason = error.to_string();
                });
                if let Err(error) = failed.await {
                    warn!(%error, "the end of job {id} is not stored");
                }
            }
            entry.output.end().await;
        });
    }

    async fn run(&self, entry: &Entry) -> Result<()> {
        let room = tokio::select! {
            room = self.inner.room.acquire() => room,
            () = entry.cancelled.cancelled() => {
                return self.end(entry, Ended::Cancelled, 0).await;
            }
        };
        let _room = room.map_err(|_| Error::internal("the driver has closed its queue"))?;
        let spec = entry.current().spec.unwrap_or_default();
        let deadline = match spec.timeout_ms {
            0 => None,
            timeout => Some(Instant::now() + Duration::from_millis(timeout)),
        };
        let mut tries = 1;
        loop {
            let ended = self.attempt(entry, &spec, tries, deadline).await?;
            match ended {
                Ended::Exited(code) if code != 0 && code != USAGE && tries <= spec.retries => {
                    let line = format!(
                        "try {tries} ended with exit code {code}; {} are left",
                        spec.retries + 1 - tries
                    );
                    entry.output.note(&line).await?;
                    tries += 1;
                }
                ended => return self.end(entry, ended, tries).await,
            }
        }
    }

    async fn attempt(
        &self,
        entry: &Entry,
        spec: &JobSpec,
        tries: u32,
        deadline: Option<Instant>,
    ) -> Result<Ended> {
        let id = entry.current().id;
        let sha256 = spec.program.clone().unwrap_or_default().sha256;
        let Some((program, _)) = self.inner.programs.find(&sha256).await? else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("program {sha256} is no longer stored; submit the job again"),
            ));
        };
        let environment = self.environment(&id, spec)?;
        let directory = self.directory(&id);
        let mut process =
            JobProcess::start(&program, &spec.arguments, &environment, &directory).await?;
        let (process_id, ticks) = process.identity();
        info!("job {id}: try {tries} is process {process_id}");
        self.change_stored(entry, |stored| {
            (stored.process_id, stored.process_started_ticks) = (process_id, ticks);
            let job = stored.job.get_or_insert_default();
            job.set_state(JobState::Running);
            job.tries += 1;
            if job.started_ms == 0 {
                job.started_ms = now_ms();
            }
        })
        .await?;
        let Some((stdout, stderr)) = process.output() else {
            return Err(Error::internal("a process has no output"));
        };
        let over = CancellationToken::new();
        let watched = async {
            let ended = self.watch(entry, &mut process, deadline).await;
            // Its pipes close with its group, unless something left the group and holds them.
            let over = over.clone();
            tokio::spawn(async move {
                tokio::time::sleep(OUTPUT_AFTER_END).await;
                over.cancel();
            });
            ended
        };
        let output = &entry.output;
        let (ended, result, _) = tokio::try_join!(
            watched,
            output.take(OutputStream::Stdout, stdout, &over),
            output.take(OutputStream::Stderr, stderr, &over),
        )?;
        if let Some(result) = result {
            self.change(entry, |job| job.result = result).await?;
        }
        Ok(ended)
    }

    /// Waits for a process; ends it when it is cancelled or late.
    async fn watch(
        &self,
        entry: &Entry,
        process: &mut JobProcess,
        deadline: Option<Instant>,
    ) -> Result<Ended> {
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let asked = tokio::select! {
            status = process.wait() => return Ok(Ended::Exited(exit_code(status?))),
            () = entry.cancelled.cancelled() => Ended::Cancelled,
            () = late => Ended::TimedOut,
        };
        process.terminate();
        let grace = self.inner.settings.grace;
        if tokio::time::timeout(grace, process.wait()).await.is_err() {
            process.kill();
            process.wait().await?;
        }
        Ok(asked)
    }

    async fn end(&self, entry: &Entry, ended: Ended, tries: u32) -> Result<()> {
        self.change_stored(entry, |stored| {
            (stored.process_id, stored.process_started_ticks) = (0, 0);
            let job = stored.job.get_or_insert_default();
            job.ended_ms = now_ms();
            match ended {
                Ended::Exited(code) => {
                    job.exit_code = Some(code);
                    job.set_state(match code {
                        0 => JobState::Succeeded,
                        _ => JobState::Failed,
                    });
                }
                Ended::Cancelled => {
                    job.set_state(JobState::Cancelled);
                    job.reason = match tries {
                        0 => "cancelled before it ran".to_owned(),
                        _ => "cancelled".to_owned(),
                    };
                }
                Ended::TimedOut => {
                    job.set_state(JobState::TimedOut);
                    let timeout = job.spec.clone().unwrap_or_default().timeout_ms;
                    job.reason = format!("it took longer than {timeout} ms");
                }
            }
        })
        .await
    }

    fn environment(&self, id: &str, spec: &JobSpec) -> Result<BTreeMap<String, String>> {
        let conf = serde_json::to_string(&spec.conf.iter().collect::<BTreeMap<_, _>>())
            .map_err(|error| Error::internal("settings have no form as JSON").with_source(error))?;
        let mut environment: BTreeMap<String, String> =
            spec.environment.clone().into_iter().collect();
        let own = [
            ("WEIR_MASTER", self.inner.settings.master.clone()),
            ("WEIR_CONF", conf),
            ("WEIR_JOB_ID", id.to_owned()),
        ];
        let own = own
            .into_iter()
            .chain(self.inner.settings.security.environment().iter().cloned());
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Ok(environment)
    }

    async fn change(&self, entry: &Entry, change: impl FnOnce(&mut Job)) -> Result<()> {
        self.change_stored(entry, |stored| change(stored.job.get_or_insert_default()))
            .await
    }

    /// On disk first: what is shown survives.
    async fn change_stored(
        &self,
        entry: &Entry,
        change: impl FnOnce(&mut StoredJob),
    ) -> Result<()> {
        let mut stored = entry.job.borrow().clone();
        change(&mut stored);
        self.inner.store.put(stored.clone()).await?;
        entry.job.send_replace(stored);
        Ok(())
    }
}

impl Entry {
    fn current(&self) -> Job {
        self.job.borrow().job.clone().unwrap_or_default()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
