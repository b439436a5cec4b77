//! A real schema registry with Confluent's API: Apicurio Registry, in memory, from Maven, on Java 17. And, for what a real one does only
//! when it is broken, [`MockRegistry`], which is none.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use crate::cache;
use crate::certificates::Certificate;
use crate::environment;
use crate::kafka::{Broker, broker_or_skip};
use crate::process::{self, Finished, Process, blocking};
use crate::requirements::{Unavailable, require_or_skip, require_program, support};

const ARTIFACT: &str = "io.apicurio:apicurio-registry-app";
/// The last version that runs on Java 17 and that Maven resolves.
const VERSION: &str = "2.6.13.Final";
const UNPACK: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack";

const READY_WITHIN: Duration = Duration::from_secs(60);
const FINISHED_WITHIN: Duration = Duration::from_secs(120);

/// A running registry. It goes, with all it knows, when it is dropped, and when the test process ends in any way.
#[derive(Debug)]
pub struct SchemaRegistry {
    directory: tempfile::TempDir,
    port: u16,
    scheme: &'static str,
    child: Option<Child>,
}

impl SchemaRegistry {
    /// Starts one on a free port, or says why the test is skipped.
    pub async fn start_or_skip() -> Option<Self> {
        require_or_skip(blocking(|| Self::start(None)).await)
    }

    /// The same, which speaks TLS only.
    pub async fn start_with_tls_or_skip(certificate: Certificate) -> Option<Self> {
        require_or_skip(blocking(move || Self::start(Some(certificate))).await)
    }

    fn start(certificate: Option<Certificate>) -> Result<Self, Unavailable> {
        let program = installed()?.join(format!("apicurio-registry-app-{VERSION}-runner.jar"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        drop(listener);
        let directory = tempfile::Builder::new()
            .prefix("weir-registry-")
            .tempdir()
            .expect("a temporary directory");
        let log = File::create(directory.path().join("registry.log")).expect("a log");
        let mut java = Command::new("java");
        java.args([
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-Dquarkus.http.host=127.0.0.1",
        ]);
        let scheme = match certificate {
            None => {
                java.arg(format!("-Dquarkus.http.port={port}"));
                "http"
            }
            Some(Certificate { cert, key }) => {
                java.arg(format!("-Dquarkus.http.ssl-port={port}"))
                    .arg("-Dquarkus.http.insecure-requests=disabled")
                    .arg(format!(
                        "-Dquarkus.http.ssl.certificate.files={}",
                        cert.display()
                    ))
                    .arg(format!(
                        "-Dquarkus.http.ssl.certificate.key-files={}",
                        key.display()
                    ));
                "https"
            }
        };
        java.arg("-jar")
            .arg(program)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a log can be shared"))
            .stdout(log);
        let child = process::spawn(java).expect("java was found before");
        let mut registry = Self {
            directory,
            port,
            scheme,
            child: Some(child),
        };
        registry.wait();
        Ok(registry)
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let child = self.child.as_mut().expect("it was started");
            let ended = child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the schema registry does not listen ({ended:?})\n{}",
                std::fs::read_to_string(self.directory.path().join("registry.log"))
                    .unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address of its API.
    pub fn url(&self) -> String {
        format!(
            "{}://{}:{}/apis/ccompat/v7",
            self.scheme,
            Ipv4Addr::LOCALHOST,
            self.port
        )
    }

    /// Kills it (SIGKILL), with all it knows.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Writes what `spec` says, as `support/python/produce_registered.py` has it, and returns the ids that its records carry.
    pub async fn produce(&self, clients: &Clients, broker: &Broker, spec: &Value) -> Vec<u32> {
        let answer = self.script("produce_registered.py", clients, broker, spec);
        serde_json::from_value(answer.await["ids"].clone()).expect("ids")
    }

    /// The values of the records that `spec` names, as `support/python/consume_registered.py` reads them.
    pub async fn consume(
        &self,
        clients: &Clients,
        broker: &Broker,
        spec: &Value,
    ) -> Vec<Vec<Value>> {
        let answer = self.script("consume_registered.py", clients, broker, spec);
        serde_json::from_value(answer.await["values"].clone()).expect("values")
    }

    async fn script(
        &self,
        script: &str,
        clients: &Clients,
        broker: &Broker,
        spec: &Value,
    ) -> Value {
        let file = self.directory.path().join("spec.json");
        std::fs::write(&file, spec.to_string()).expect("a file");
        let file = file.display().to_string();
        let arguments = [broker.bootstrap(), &self.url(), &file];
        let finished = clients.run(script, &arguments).await;
        finished.expect_success().last_json()
    }

    /// Sets the compatibility level of `subject`.
    pub async fn set_level(&self, subject: &str, level: &str) {
        let body = serde_json::json!({"compatibility": level}).to_string();
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let mut connection = tokio::net::TcpStream::connect(address)
            .await
            .expect("the registry listens");
        let request = format!(
            "PUT /apis/ccompat/v7/config/{subject} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/vnd.schemaregistry.v1+json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let sent = connection.write_all(request.as_bytes()).await;
        sent.expect("the registry reads");
        let mut answer = String::new();
        let read = connection.read_to_string(&mut answer).await;
        read.expect("the registry answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The Avro records of `topic` as `support/python/read_registered.py` reads them with a version of the topic's subject.
    pub async fn read(
        &self,
        clients: &Clients,
        broker: &Broker,
        topic: &str,
        version: u32,
    ) -> Vec<Value> {
        let (subject, version) = (format!("{topic}-value"), version.to_string());
        let arguments = [broker.bootstrap(), &self.url(), topic, &subject, &version];
        let finished = clients.run("read_registered.py", &arguments).await;
        let lines = finished.expect_success().stdout;
        let lines = lines.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("lines of JSON")
    }
}

impl Drop for SchemaRegistry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn installed() -> Result<PathBuf, Unavailable> {
    require_program("java", "-version")?;
    cache::fetched(&format!("apicurio-{VERSION}"), |staging| {
        require_program("mvn", "--version")?;
        let mut output = std::ffi::OsString::from("-DoutputDirectory=");
        output.push(staging);
        // The plugin leaves its notes where it is run.
        let notes = tempfile::tempdir().map_err(|error| Unavailable::new("a directory", error))?;
        let mut mvn = Command::new("mvn");
        mvn.current_dir(notes.path())
            .args(["-q", "-B", UNPACK])
            .arg(format!("-Dartifact={ARTIFACT}:{VERSION}:tar.gz:all"))
            .arg(output);
        cache::run(&format!("Apicurio Registry {VERSION}"), &mut mvn)
    })
}

/// Python with Confluent's client.
#[derive(Debug, Clone)]
pub struct Clients {
    interpreter: PathBuf,
}

impl Clients {
    async fn run(&self, script: &str, arguments: &[&str]) -> Finished {
        let mut command = Command::new(&self.interpreter);
        command
            .arg("-B")
            .arg(support("python").join(script))
            .args(arguments)
            .stdin(Stdio::null());
        Process::spawn(command).wait(FINISHED_WITHIN).await
    }
}

/// Python with the packages of `support/python/clients.txt`, installed by the first test on this machine that asks.
pub async fn clients_or_skip() -> Option<Clients> {
    let found = blocking(|| environment::python(&support("python/clients.txt"))).await;
    require_or_skip(found.map(|interpreter| Clients { interpreter }))
}

/// What tests of records that other programs write need: a broker, the programs, and a registry of their own.
pub async fn clients_and_registry_or_skip() -> Option<(&'static Broker, Clients, SchemaRegistry)> {
    let broker = broker_or_skip().await?;
    let clients = clients_or_skip().await?;
    Some((broker, clients, SchemaRegistry::start_or_skip().await?))
}

/// What a mock does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with this status and body.
    Answer(u16, String),
    /// Says nothing, and keeps the connection.
    Hang,
}

/// The first line and the headers of a request, to its reply.
type Replies = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// No registry: an HTTP server that answers what a test says, to see what a client makes of it.
#[derive(Debug)]
pub struct MockRegistry {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl MockRegistry {
    /// Answers as `reply` says, which is given the first line and the headers of a request.
    pub async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::default();
        let (reply, met): (Replies, _) = (Arc::new(reply), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&reply), Arc::clone(&met)));
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first line and headers of each request so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panicked").clone()
    }
}

impl Drop for MockRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut connection: tokio::net::TcpStream,
    reply: Replies,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            match connection.read_buf(&mut read).await {
                Ok(1..) => {}
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let length = head.to_lowercase().lines().find_map(|line| {
            let length = line.strip_prefix("content-length:")?;
            length.trim().parse::<usize>().ok()
        });
        let end = end + length.unwrap_or(0);
        while read.len() < end {
            match connection.read_buf(&mut read).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        read.drain(..end);
        requests
            .lock()
            .expect("no test panicked")
            .push(head.clone());
        match reply(&head) {
            Reply::Answer(status, body) => {
                let answer = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                if connection.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Hang => std::future::pending().await,
        }
    }
}
