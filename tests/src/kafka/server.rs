//! The broker's process: its settings, its directory, its life.
//!
//! One JVM is broker and controller at once (KRaft). It dies with the test process however that ends ([`crate::process::spawn`]), and a
//! janitor, a shell that waits for the end of its input, then removes the directory: a killed test process leaves neither.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process;
use crate::requirements::{Unavailable, support};

use super::distribution;

/// How long a broker may take from its start to its first answer.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const LOG_TAIL_LINES: usize = 60;

/// What a broker has beside its plain listener.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    /// Names and security protocols of further listeners, each on a port of its own.
    pub(super) listeners: Vec<(&'static str, &'static str)>,
    /// Further lines of server.properties; paths are absolute.
    pub(super) properties: String,
    /// Users as `kafka-storage format --add-scram` takes them.
    pub(super) scram: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Server {
    jars: PathBuf,
    directory: PathBuf,
    port: u16,
    extra: Extra,
    /// Of the extra listeners.
    extra_ports: Vec<u16>,
    jvm: Option<Child>,
    /// Its standard input is open as long as this process lives. `None` for a directory that is kept.
    janitor: Option<Child>,
}

impl Server {
    /// Formats storage in a new directory and starts a broker on a free port. It need not answer yet.
    pub(super) fn start() -> Result<Self, Unavailable> {
        Self::start_with(Extra::default())
    }

    /// The same with more listeners.
    pub(super) fn start_with(extra: Extra) -> Result<Self, Unavailable> {
        let jars = distribution::jars()?;
        let directory = tempfile::Builder::new()
            .prefix("weir-kafka-")
            .tempdir()
            .expect("a temporary directory")
            .keep();
        let janitor = janitor(&directory);
        Ok(Self::over(jars, directory, Some(janitor), extra))
    }

    /// Starts a broker over what an earlier one left in `directory`, or over new storage there. It is nobody's to remove.
    pub(super) fn start_kept(directory: &Path) -> Result<Self, Unavailable> {
        let jars = distribution::jars()?;
        fs::create_dir_all(directory).expect("the broker's directory can be made");
        let directory = directory.canonicalize().expect("a directory has a path");
        Ok(Self::over(jars, directory, None, Extra::default()))
    }

    fn over(jars: PathBuf, directory: PathBuf, janitor: Option<Child>, extra: Extra) -> Self {
        let mut ports = free_ports(2 + extra.listeners.len());
        let extra_ports = ports.split_off(2);
        let (port, controller_port) = (ports[0], ports[1]);
        let more: Vec<(&str, &str, u16)> = extra
            .listeners
            .iter()
            .zip(&extra_ports)
            .map(|((name, protocol), port)| (*name, *protocol, *port))
            .collect();
        let mut text = properties(&directory.join("data"), port, controller_port, &more);
        text.push_str(&extra.properties);
        fs::write(directory.join("server.properties"), text)
            .expect("server.properties can be written");
        let mut server = Self {
            jars,
            directory,
            port,
            extra,
            extra_ports,
            jvm: None,
            janitor,
        };
        if !server.directory.join("data/meta.properties").exists() {
            server.format_storage();
        }
        server.start_jvm();
        server
    }

    /// The JVM's process id, while it runs.
    pub(super) fn process_id(&self) -> Option<u32> {
        self.jvm.as_ref().map(Child::id)
    }

    pub(super) fn bootstrap(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// The address of the extra listener `name`.
    pub(super) fn listener(&self, name: &str) -> String {
        let at = self
            .extra
            .listeners
            .iter()
            .position(|(own, _)| *own == name);
        let port = self.extra_ports[at.expect("a listener of this broker")];
        format!("{}:{port}", Ipv4Addr::LOCALHOST)
    }

    /// Starts the JVM over the same data and port. A JVM that is there is left alone.
    pub(super) fn start_jvm(&mut self) {
        if self.jvm.is_some() {
            return;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("the broker's log can be opened");
        let mut command = self.java("kafka.Kafka");
        command
            .arg(self.directory.join("server.properties"))
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("the broker's log can be shared"))
            .stdout(log);
        self.jvm = Some(process::spawn(command).expect("java was found before"));
    }

    /// Asks the broker to shut down (SIGTERM) and waits until it has.
    pub(super) fn stop(&mut self) {
        let Some(mut jvm) = self.jvm.take() else {
            return;
        };
        process::send_signal(jvm.id(), libc::SIGTERM);
        let deadline = Instant::now() + STOP_WITHIN;
        while jvm
            .try_wait()
            .expect("the broker can be waited for")
            .is_none()
        {
            if Instant::now() >= deadline {
                let _ = jvm.kill();
                let _ = jvm.wait();
                panic!(
                    "the broker did not stop within {STOP_WITHIN:?}\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the broker (SIGKILL), as a crash would.
    pub(super) fn kill(&mut self) {
        if let Some(mut jvm) = self.jvm.take() {
            let _ = jvm.kill();
            let _ = jvm.wait();
        }
    }

    /// Waits until the port takes connections.
    ///
    /// # Panics
    /// With the tail of the broker's log, when the JVM ended or the deadline passed.
    pub(super) fn wait_until_listening(&mut self, deadline: Instant) {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let jvm = self.jvm.as_mut().expect("a broker that was started");
            if let Some(status) = jvm.try_wait().expect("the broker can be waited for") {
                panic!(
                    "the Kafka broker ended with {status} while starting\n{}",
                    self.log_tail()
                );
            }
            assert!(
                Instant::now() < deadline,
                "the Kafka broker does not listen on port {} after {READY_WITHIN:?}\n{}",
                self.port,
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last lines of the broker's log, for a message.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("--- end of the broker's log ---\n{}", tail.join("\n"))
    }

    fn log(&self) -> PathBuf {
        self.directory.join("broker.log")
    }

    fn format_storage(&self) {
        let output = self
            .java("kafka.tools.StorageTool")
            .args(["format", "--cluster-id", CLUSTER_ID, "--config"])
            .arg(self.directory.join("server.properties"))
            .args(
                self.extra
                    .scram
                    .iter()
                    .flat_map(|user| ["--add-scram", user]),
            )
            .stdin(Stdio::null())
            .output()
            .expect("java was found before");
        assert!(
            output.status.success(),
            "formatting the broker's storage ended with {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A small JVM that starts fast: one garbage collector thread, the first compiler only.
    fn java(&self, class: &str) -> Command {
        let mut log4j = std::ffi::OsString::from("-Dlog4j2.configurationFile=");
        log4j.push(support("kafka/log4j2.properties"));
        let mut java = Command::new("java");
        java.args([
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
        ])
        .arg(log4j)
        .arg("-cp")
        .arg(self.jars.join("*"))
        .arg(class);
        java
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if let Some(janitor) = &mut self.janitor {
            // The janitor's `read` ends, it removes the directory, and is reaped here.
            drop(janitor.stdin.take());
            let _ = janitor.wait();
        }
    }
}

/// Any 16 bytes in URL-safe base64 will do: every broker here is a cluster of its own.
const CLUSTER_ID: &str = "d2VpcnRlc3RjbHVzdGVyMA";

/// Free ports. Another process may take one before the broker binds it: rare, and the broker's log then says so.
fn free_ports(count: usize) -> Vec<u16> {
    // All are held at once, or the second could be the first again.
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
        .collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("a bound port").port();
    listeners.iter().map(port).collect()
}

fn properties(data: &Path, port: u16, controller_port: u16, more: &[(&str, &str, u16)]) -> String {
    let more_listeners: String = more
        .iter()
        .map(|(name, _, port)| format!(",{name}://127.0.0.1:{port}"))
        .collect();
    let more_protocols: String = more
        .iter()
        .map(|(name, protocol, _)| format!(",{name}:{protocol}"))
        .collect();
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{more_listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more_listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{more_protocols}
log.dirs={data}

# A topic that a test forgot to create is an error, not an empty topic.
auto.create.topics.enable=false
# Records of 5 MB are tested; the default limit is 1 MB.
message.max.bytes=20971520
replica.fetch.max.bytes=20971520

# One node.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# After a kill, the controller takes the broker back only once its old session has ended: 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Retention and compaction act within seconds, for the tests that wait for them.
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
log.cleaner.enable=true
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=16777216

# Small.
num.network.threads=2
num.io.threads=2
background.threads=2
",
        data = data.display()
    )
}

/// A shell that removes `directory` once this process, the only holder of its input, is gone or closes it.
fn janitor(directory: &Path) -> Child {
    Command::new("sh")
        // Twice: a broker that is dying may still create a file between the two.
        .args([
            "-c",
            "trap '' INT TERM HUP; read -r _; rm -rf -- \"$0\" || { sleep 1; rm -rf -- \"$0\"; }",
        ])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh can be run")
}
