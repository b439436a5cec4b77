//! Who may talk to a driver and to executors: tokens, certificates, and what refuses to listen.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::cluster::{ExecutorHello, ExecutorMessage, executor_message};
use weir_rpc::{Security, connect};
use weir_tests::certificates::{Authority, Certificate};
use weir_tests::cluster::Cluster;
use weir_tests::files::TempLake;
use weir_tests::process::{Finished, Process, built_program};

use crate::jobs::script;

const WITHIN: Duration = Duration::from_mins(2);

const TOKEN: &str = "0123456789abcdef-of-the-cluster";

fn tls(authority: &Authority, own: &Certificate, mutual: bool) -> Vec<(&'static str, OsString)> {
    let file = |path: &Path| path.as_os_str().to_owned();
    vec![
        ("WEIR_TLS_CA", file(&authority.file)),
        ("WEIR_TLS_CERT", file(&own.cert)),
        ("WEIR_TLS_KEY", file(&own.key)),
        ("WEIR_TLS_MUTUAL", mutual.to_string().into()),
    ]
}

/// `weir jobs` of the driver at `url`, in an environment of its own.
async fn list_jobs(url: &str, environment: &[(&str, OsString)]) -> Finished {
    let mut weir = Command::new(built_program("weir"));
    weir.args(["jobs", "--driver", url])
        .envs(environment.iter().cloned())
        .stdin(Stdio::null());
    Process::spawn(weir).wait(WITHIN).await
}

fn refused(finished: &Finished, code: i32, parts: &[&str]) {
    assert_eq!(finished.status.code(), Some(code), "{finished}");
    for part in parts {
        assert!(
            finished.stderr.contains(part),
            "{part} is not in {finished}"
        );
    }
    assert!(!finished.stderr.contains(TOKEN), "{finished}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_with_a_token_serves_those_who_have_it_and_refuses_others() {
    let environment = [("WEIR_TOKEN", OsString::from(TOKEN))];
    let mut cluster = Cluster::with_environment(1, &[], &environment).await;
    assert_eq!(cluster.shown_executors().await.len(), 1);
    // A job gets it from the driver, and connects with it.
    let job = script(
        &cluster.lake,
        "job",
        r#"weir="$1"; exec "$weir" executors --driver "$2""#,
    );
    let weir = built_program("weir").display().to_string();
    let url = cluster.url.clone();
    let job = cluster
        .run("submit", &[&job, "--", &weir, &url])
        .await
        .expect_success();
    assert!(
        job.stderr
            .contains(&cluster.executors[0].url.trim_end_matches('/').to_owned()),
        "{job}"
    );
    assert!(!job.stderr.contains(TOKEN), "{job}");
    let none = list_jobs(&cluster.url, &[]).await;
    refused(&none, 1, &["no token was given", "WEIR_TOKEN_FILE"]);
    let wrong = [("WEIR_TOKEN", OsString::from("fedcba9876543210"))];
    refused(
        &list_jobs(&cluster.url, &wrong).await,
        1,
        &["the token is another one"],
    );
    let short = [("WEIR_TOKEN", OsString::from("short"))];
    refused(
        &list_jobs(&cluster.url, &short).await,
        2,
        &["WEIR_TOKEN has 5 characters"],
    );
    // Executors ask, too.
    let executor = cluster.executors.remove(0);
    let security = Security::with_token("fedcba9876543210").unwrap();
    let mut client = {
        let url = executor.url.parse().unwrap();
        ClusterServiceClient::new(connect("executor", &url, &security).await.unwrap())
    };
    let status = client
        .list_executors(weir_proto::cluster::ListExecutorsRequest {})
        .await;
    assert_eq!(status.unwrap_err().code(), tonic::Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_run_and_cancel_work_under_mutual_tls_and_strangers_are_refused() {
    let files = TempLake::new();
    let authority = Authority::new(files.path(), "authority");
    let own = authority.certificate("own");
    let environment = tls(&authority, &own, true);
    let cluster = Cluster::with_environment(2, &[], &environment).await;
    assert!(cluster.url.starts_with("https://"), "{}", cluster.url);
    assert!(
        cluster
            .executors
            .iter()
            .all(|executor| executor.url.starts_with("https://"))
    );
    // A job, its session on the executors, and its table.
    let table = cluster.lake.table("numbers");
    let facts = crate::cluster::facts(&cluster.lake).await;
    // A test build of a program has hundreds of megabytes, which are not to be sent here.
    let runs = script(&cluster.lake, "runs", r#"exec "$@""#);
    let program = built_program("weir-test-node").display().to_string();
    let table = table.display().to_string();
    let arguments = [&runs, "--", &program, "submit-count", &facts, &table];
    let job = cluster.run("submit", &arguments).await.expect_success();
    assert_eq!(job.last_json()["rows"], 400_000, "{job}");
    // Cancel.
    let sleeps = script(&cluster.lake, "sleeps", "echo begun; exec sleep 1000");
    let mut submitted = cluster.weir("submit", &[&sleeps]);
    submitted.stderr_line("begun", WITHIN).await;
    submitted.terminate();
    let cancelled = submitted.wait(WITHIN).await;
    refused(&cancelled, 130, &["cancelled"]);
    // No certificate; one of another authority; one that has expired; no TLS.
    let ca = [("WEIR_TLS_CA", authority.file.clone().into_os_string())];
    refused(
        &list_jobs(&cluster.url, &ca).await,
        75,
        &["does not answer"],
    );
    let other = Authority::new(files.path(), "other");
    let others = tls(&authority, &other.certificate("strangers"), false);
    refused(
        &list_jobs(&cluster.url, &others).await,
        75,
        &["does not answer"],
    );
    let expired = tls(&authority, &authority.expired_certificate("expired"), false);
    refused(
        &list_jobs(&cluster.url, &expired).await,
        75,
        &["does not answer"],
    );
    let plain = cluster.url.replace("https://", "http://");
    refused(&list_jobs(&plain, &[]).await, 75, &["TLS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn driver_with_an_expired_or_strange_certificate_is_not_trusted() {
    let files = TempLake::new();
    let authority = Authority::new(files.path(), "authority");
    let expired = tls(&authority, &authority.expired_certificate("expired"), false);
    let cluster = Cluster::with_environment(0, &[], &expired).await;
    let ca = [("WEIR_TLS_CA", authority.file.clone().into_os_string())];
    refused(
        &list_jobs(&cluster.url, &ca).await,
        75,
        &["no driver answers", "xpired"],
    );
    let other = Authority::new(files.path(), "other");
    let ca = [("WEIR_TLS_CA", other.file.clone().into_os_string())];
    refused(
        &list_jobs(&cluster.url, &ca).await,
        75,
        &["no driver answers", "certificate"],
    );
    refused(&list_jobs(&cluster.url, &[]).await, 2, &["WEIR_TLS_CA"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens_beyond_this_machine_without_a_token_or_certificates() {
    let lake = TempLake::new();
    let dir = lake.file("driver").display().to_string();
    let weir = |arguments: &[&str], environment: &[(&str, &str)]| {
        Process::run(built_program("weir"), arguments, environment).wait(WITHIN)
    };
    let driver = ["driver", "--listen", "0.0.0.0:0", "--dir", &dir];
    refused(
        &weir(&driver, &[]).await,
        2,
        &["0.0.0.0:0", "WEIR_TOKEN_FILE"],
    );
    let executor = [
        "executor",
        "--driver",
        "http://127.0.0.1:9",
        "--listen",
        "0.0.0.0:0",
    ];
    refused(
        &weir(&executor, &[]).await,
        2,
        &["0.0.0.0:0", "WEIR_TOKEN_FILE"],
    );
    // Half of a certificate, mutual TLS without one, and a token that is not there.
    let missing = lake.file("missing").display().to_string();
    let halves = weir(&driver, &[("WEIR_TLS_CERT", &missing)]).await;
    refused(&halves, 2, &["WEIR_TLS_KEY"]);
    refused(
        &weir(&driver, &[("WEIR_TLS_MUTUAL", "true")]).await,
        2,
        &["WEIR_TLS_MUTUAL needs"],
    );
    refused(
        &weir(&driver, &[("WEIR_TLS_MUTUAL", "yes")]).await,
        2,
        &["\"yes\""],
    );
    refused(
        &weir(&driver, &[("WEIR_TOKEN_FILE", &missing)]).await,
        1,
        &[&missing],
    );
    let token = lake.file("token").display().to_string();
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let mut listens = driver.to_vec();
    listens.extend(["--token-file", &token]);
    refused(&weir(&listens, &[]).await, 2, &["--advertise"]);
    listens.extend(["--advertise", "localhost"]);
    let mut listens = Process::run(built_program("weir"), &listens, &[]);
    listens
        .stdout_line("listens at http://localhost:", WITHIN)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn executor_of_another_version_is_refused_and_told_both() {
    let cluster = Cluster::start(0).await;
    let url = cluster.url.parse().unwrap();
    let connection = connect("driver", &url, &Security::default()).await.unwrap();
    let hello = ExecutorHello {
        version: "0.0.1-other".to_owned(),
        url: "http://127.0.0.1:1".to_owned(),
        ..ExecutorHello::default()
    };
    let hello = ExecutorMessage {
        message: Some(executor_message::Message::Hello(hello)),
    };
    let says = tokio_stream::iter([hello]);
    let refused = ClusterServiceClient::new(connection).register(says).await;
    let status = refused.unwrap_err();
    for part in ["\"0.0.1-other\"", env!("CARGO_PKG_VERSION"), "same version"] {
        assert!(status.message().contains(part), "{status}");
    }
    assert!(cluster.shown_executors().await.is_empty());
}
