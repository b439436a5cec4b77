//! What a process costs: time from its start to its end, CPU time (its children's with it), and peak memory (its own).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a process's peak is read.
const SAMPLE_EVERY: Duration = Duration::from_millis(5);

/// What one run cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Wall clock.
    pub elapsed: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Peak resident bytes.
    pub peak_bytes: u64,
    /// User and system time of the broker meanwhile.
    pub broker_cpu: Duration,
}

/// A line of a process's stdout, and when it came, from the process's start.
#[derive(Debug, Clone)]
pub struct Line {
    /// When.
    pub at: Duration,
    /// The line.
    pub text: String,
}

/// Runs `command` to its end; its stderr goes to the file `log`. `line` hears each line of stdout as it comes.
///
/// # Panics
/// When it cannot be run or fails, with its log.
#[allow(
    clippy::zombie_processes,
    reason = "wait4 reaps it, and tells what it used"
)]
pub fn run(mut command: Command, log: &Path, broker: u32, mut line: impl FnMut(Line)) -> Cost {
    let name = command.get_program().display().to_string();
    let broker_before = cpu_of(broker);
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log).expect("a log file can be made"))
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be run: {error}"));
    let stdout = child.stdout.take().expect("stdout is piped");
    let ended = Arc::new(AtomicBool::new(false));
    let sampler = std::thread::spawn({
        let (id, ended) = (child.id(), Arc::clone(&ended));
        move || peak_of(id, &ended)
    });
    for text in BufReader::new(stdout).lines() {
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        line(Line {
            at: begun.elapsed(),
            text,
        });
    }
    let (succeeded, usage) = wait(child.id());
    let elapsed = begun.elapsed();
    ended.store(true, Ordering::Relaxed);
    let peak_bytes = sampler.join().expect("the sampler ends");
    assert!(
        succeeded,
        "{name} failed:\n{}",
        std::fs::read_to_string(log).unwrap_or_default()
    );
    let time = |value: libc::timeval| {
        Duration::from_secs(value.tv_sec.unsigned_abs())
            + Duration::from_micros(value.tv_usec.unsigned_abs())
    };
    Cost {
        elapsed,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak_bytes,
        broker_cpu: cpu_of(broker).saturating_sub(broker_before),
    }
}

/// The kernel's high-water mark of a process's memory, looked at until it has ended. That of `wait4` begins with the memory of the
/// process that forked it.
fn peak_of(process: u32, ended: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !ended.load(Ordering::Relaxed) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let mark = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        if let Some(kilobytes) = mark.and_then(|mark| mark.parse::<u64>().ok()) {
            peak = kilobytes * 1024;
        }
        std::thread::sleep(SAMPLE_EVERY);
    }
    peak
}

/// CPU time of a running process, all of its threads.
///
/// # Panics
/// When there is no such process.
pub fn cpu_of(process: u32) -> Duration {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // After the name in parentheses, which may hold spaces: fields 14 and 15 of proc(5) are utime and stime.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = [11, 12]
        .iter()
        .filter_map(|&index| fields.get(index)?.parse::<u64>().ok())
        .sum();
    Duration::from_secs_f64(ticks as f64 / ticks_per_second() as f64)
}

/// CPU time of this process so far.
pub fn own_cpu() -> Duration {
    cpu_of(std::process::id())
}

#[allow(unsafe_code, reason = "std does not tell what a child used")]
fn wait(id: u32) -> (bool, libc::rusage) {
    let id = libc::pid_t::try_from(id).expect("a process id");
    let mut status = 0;
    // SAFETY: all zeroes is a valid rusage; both outputs are writable, and the child is ours and not reaped by anyone else.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let waited = libc::wait4(id, &raw mut status, 0, &raw mut usage);
        assert_eq!(waited, id, "{}", std::io::Error::last_os_error());
        (
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
            usage,
        )
    }
}

#[allow(unsafe_code, reason = "std does not tell the clock's unit")]
fn ticks_per_second() -> u64 {
    // SAFETY: takes and returns integers.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.unsigned_abs()
}

/// Waits until what was written is on disk, so that no run pays for the one before.
#[allow(unsafe_code, reason = "std syncs single files only")]
pub fn sync_disks() {
    // SAFETY: no arguments.
    unsafe { libc::sync() }
}
