//! Brokers that demand to know who connects: SASL, TLS, certificates; what is wrong is named, in bounded time, without a secret.

use std::fs;
use std::time::Duration;

use weir_tests::certificates::Certificate;
use weir_tests::files::{TempLake, files_under};
use weir_tests::kafka::{Record, SECRET, SecureBroker, USER, unique_topic};
use weir_tests::process::Finished;
use weir_tests::python::python_or_skip;

use crate::bronze::{Bronze, expect_error};
use crate::lag::lag;

type Properties = Vec<(&'static str, String)>;

/// Long beside what it takes to be refused, and short beside a client that tries for ever.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);

fn record(n: usize) -> Record {
    Record::of(format!("v{n}")).key(format!("k{n}"))
}

/// `properties` with another value for `key`, or without it.
fn with(properties: &Properties, key: &'static str, value: Option<String>) -> Properties {
    let mut other: Properties = properties
        .iter()
        .filter(|(own, _)| *own != key)
        .cloned()
        .collect();
    other.extend(value.map(|value| (key, value)));
    other
}

/// Gives the job client properties, the secret one from its environment.
fn given(job: Bronze, properties: &Properties) -> Bronze {
    properties.iter().fold(job, |job, (key, value)| {
        if *value == SECRET {
            return job
                .arg("--kafka", format!("{key}=@env:WEIR_TEST_SECRET"))
                .env("WEIR_TEST_SECRET", SECRET);
        }
        job.arg("--kafka", format!("{key}={value}"))
    })
}

#[track_caller]
fn expect_hidden(finished: &Finished, lake: &TempLake, secret: &str) {
    assert!(!finished.stdout.contains(secret), "{}", finished.stdout);
    let shown = finished.stderr.lines().find(|line| line.contains(secret));
    assert_eq!(shown, None);
    for file in files_under(lake.path(), "") {
        let bytes = fs::read(&file).unwrap();
        let hidden = !String::from_utf8_lossy(&bytes).contains(secret);
        assert!(hidden, "{}", file.display());
    }
}

/// Client properties for each way in, with the listener it is for.
fn ways_in(broker: &SecureBroker) -> Vec<(&'static str, String, Properties)> {
    let sasl = |mechanism| (broker.sasl_ssl.clone(), broker.sasl(mechanism));
    let (address, plain) = sasl("PLAIN");
    let mut ways = vec![("PLAIN over TLS", address, plain)];
    let (address, scram) = sasl("SCRAM-SHA-256");
    ways.push(("SCRAM-SHA-256 over TLS", address, scram));
    let (address, scram) = sasl("SCRAM-SHA-512");
    ways.push(("SCRAM-SHA-512 over TLS", address, scram.clone()));
    let without_tls = with(
        &scram,
        "security.protocol",
        Some("SASL_PLAINTEXT".to_owned()),
    );
    let address = broker.sasl_plaintext.clone();
    ways.push(("SCRAM-SHA-512 without TLS", address, without_tls));
    ways.push(("a certificate", broker.mutual_tls.clone(), broker.mutual()));
    let token = vec![
        ("security.protocol", "SASL_SSL".to_owned()),
        ("sasl.mechanism", "OAUTHBEARER".to_owned()),
        ("enable.sasl.oauthbearer.unsecure.jwt", "true".to_owned()),
        ("sasl.oauthbearer.config", format!("principal={USER}")),
        (
            "ssl.ca.location",
            broker.authority.file.display().to_string(),
        ),
    ];
    ways.push(("a token over TLS", broker.sasl_ssl.clone(), token));
    ways
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_behind_sasl_and_tls_are_drained_here_and_on_executors() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let Some(broker) = SecureBroker::start_or_skip().await else {
        return;
    };
    let topic = broker.plain.new_topic("secure", 3).await;
    let produced = broker
        .plain
        .producer()
        .produce_n(&topic, 3, 300, record)
        .await;
    for (what, address, properties) in ways_in(&broker) {
        // Executors are told what the session was.
        for master in ["local[2]", "local-cluster[2,1]"] {
            if master != "local[2]" && what == "SCRAM-SHA-256 over TLS" {
                continue;
            }
            let lake = TempLake::new();
            let group = unique_topic("secure");
            let job = Bronze::bare(&address, &lake)
                .arg("--topics", &topic)
                .arg("--kafka", format!("group.id={group}"))
                .env("WEIR_MASTER", master)
                .env("WEIR_LOG", "trace");
            let finished = given(job.clone(), &properties).run().await.expect_success();
            let outcome = finished.last_json();
            assert_eq!(outcome["rows"], 300, "{what} on {master}: {outcome}");
            assert_eq!(outcome["offset_commit_failures"], 0, "{what}: {outcome}");
            assert!(finished.stderr.contains("TRACE"), "the log is on");
            expect_hidden(&finished, &lake, SECRET);
            python
                .read_delta(&job.table)
                .await
                .expect_exactly(&produced);

            if master != "local[2]" {
                continue;
            }
            let mut arguments = vec!["--group".to_owned(), group];
            arguments.extend(["--output".to_owned(), "json".to_owned()]);
            let secret = lake.path().join("password");
            for (key, value) in &properties {
                let value = match value.as_str() {
                    SECRET => {
                        fs::write(&secret, SECRET).unwrap();
                        format!("@file:{}", secret.display())
                    }
                    other => other.to_owned(),
                };
                arguments.extend(["--conf".to_owned(), format!("kafka.{key}={value}")]);
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let finished = lag(&address, &arguments).await.expect_success();
            assert_eq!(finished.last_json()["total_lag"], 0, "{what}: {finished}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_and_certificates_name_the_setting_to_look_at() {
    let Some(broker) = SecureBroker::start_or_skip().await else {
        return;
    };
    let topic = broker.plain.new_topic("refused", 1).await;
    broker
        .plain
        .producer()
        .produce_n(&topic, 1, 3, record)
        .await;
    let scram = broker.sasl("SCRAM-SHA-512");
    let mutual = broker.mutual();
    let stranger = broker.stranger();
    let Certificate { cert, key } = stranger.certificate("stranger-client");
    let wrong = "wrong-horse";
    let of_stranger = with(
        &with(
            &mutual,
            "ssl.certificate.location",
            Some(cert.display().to_string()),
        ),
        "ssl.key.location",
        Some(key.display().to_string()),
    );
    let no_certificate = with(
        &with(&mutual, "ssl.certificate.location", None),
        "ssl.key.location",
        None,
    );
    let (sasl_ssl, mutual_tls) = (&broker.sasl_ssl, &broker.mutual_tls);
    let password = |mechanism| {
        with(
            &broker.sasl(mechanism),
            "sasl.password",
            Some(wrong.to_owned()),
        )
    };
    let unknown_ca = Some(stranger.file.display().to_string());
    for (what, address, properties, parts) in [
        (
            "a wrong password by SCRAM",
            sasl_ssl,
            password("SCRAM-SHA-512"),
            &["credentials", "kafka.sasl."][..],
        ),
        (
            "a wrong password by PLAIN",
            sasl_ssl,
            password("PLAIN"),
            &["credentials", "kafka.sasl."],
        ),
        (
            "an unknown user",
            sasl_ssl,
            with(&scram, "sasl.username", Some("nobody".to_owned())),
            &["credentials", "kafka.sasl."],
        ),
        (
            "an authority that does not vouch for the broker",
            sasl_ssl,
            with(&scram, "ssl.ca.location", unknown_ca),
            &["TLS", "kafka.ssl.ca.location"],
        ),
        (
            "no authority",
            sasl_ssl,
            with(&scram, "ssl.ca.location", None),
            &["TLS", "kafka.ssl.ca.location"],
        ),
        (
            "no certificate",
            mutual_tls,
            no_certificate,
            &["kafka.ssl.certificate.location"],
        ),
        (
            "a certificate of a stranger",
            mutual_tls,
            of_stranger,
            &["kafka.ssl.certificate.location"],
        ),
        (
            "no TLS where it is spoken",
            sasl_ssl,
            with(
                &scram,
                "security.protocol",
                Some("SASL_PLAINTEXT".to_owned()),
            ),
            &["security.protocol"],
        ),
        (
            "no SASL where it is asked for",
            sasl_ssl,
            with(&mutual, "security.protocol", Some("SSL".to_owned())),
            &["security.protocol"],
        ),
    ] {
        for master in ["local[1]", "local-cluster[1,1]"] {
            if master != "local[1]" && what != "a wrong password by SCRAM" {
                continue;
            }
            let lake = TempLake::new();
            let job = Bronze::bare(address, &lake)
                .arg("--topics", &topic)
                .env("WEIR_MASTER", master)
                .env("WEIR_LOG", "trace");
            let finished = given(job.clone(), &properties).run().await;
            let outcome = finished.last_json();
            println!("{what}: {}", outcome["error"]["message"]);
            assert_ne!(finished.status.code(), Some(0), "{what}");
            expect_error(&outcome, outcome["error"]["kind"].as_str().unwrap(), parts);
            assert!(
                finished.elapsed < REFUSED_WITHIN,
                "{what}: {:?}",
                finished.elapsed
            );
            expect_hidden(&finished, &lake, SECRET);
            expect_hidden(&finished, &lake, wrong);
            assert!(!job.table_path().exists(), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authority_of_openssls_environment_is_taken_where_none_is_given() {
    let Some(broker) = SecureBroker::start_or_skip().await else {
        return;
    };
    let lake = TempLake::new();
    let topic = broker.plain.new_topic("environment", 1).await;
    broker
        .plain
        .producer()
        .produce_n(&topic, 1, 3, record)
        .await;
    let properties = with(&broker.sasl("SCRAM-SHA-512"), "ssl.ca.location", None);
    let job = Bronze::bare(&broker.sasl_ssl, &lake)
        .arg("--topics", &topic)
        .env("SSL_CERT_FILE", broker.authority.file.display());
    let outcome = given(job, &properties).drain().await;
    assert_eq!(outcome["rows"], 3, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_lack_something_are_refused_before_anything_is_made() {
    let lake = TempLake::new();
    let sasl = ("security.protocol", "SASL_SSL".to_owned());
    let pair = |key, value: &str| (key, value.to_owned());
    for (properties, kind, part) in [
        (
            vec![sasl.clone()],
            "invalid_argument",
            "kafka.sasl.mechanism",
        ),
        (
            vec![sasl.clone(), pair("sasl.mechanism", "GSSAPI")],
            "invalid_argument",
            "Kerberos",
        ),
        (
            vec![sasl.clone(), pair("sasl.mechanism", "PLAIN")],
            "invalid_argument",
            "kafka.sasl.username",
        ),
        (
            vec![
                sasl.clone(),
                pair("sasl.mechanism", "SCRAM-SHA-256"),
                pair("sasl.username", "u"),
            ],
            "invalid_argument",
            "kafka.sasl.password",
        ),
        (
            vec![sasl.clone(), pair("sasl.mechanism", "OAUTHBEARER")],
            "unsupported",
            "kafka.enable.sasl.oauthbearer.unsecure.jwt",
        ),
        (
            vec![
                sasl,
                pair("sasl.mechanism", "OAUTHBEARER"),
                pair("sasl.oauthbearer.method", "oidc"),
            ],
            "unsupported",
            "kafka.sasl.oauthbearer.method",
        ),
        (
            vec![pair("security.protocol", "SECRET")],
            "invalid_argument",
            "kafka.security.protocol",
        ),
        (
            vec![pair("sasl.jaas.config", SECRET)],
            "invalid_argument",
            "kafka.sasl.username and kafka.sasl.password",
        ),
        (
            vec![pair("ssl.truststore.location", "/x.jks")],
            "invalid_argument",
            "kafka.ssl.ca.location",
        ),
        (
            vec![pair("ssl.keystore.type", "JKS")],
            "invalid_argument",
            "kafka.ssl.certificate.location",
        ),
        (
            vec![
                pair("security.protocol", "SSL"),
                pair("ssl.ca.location", "/no/such/ca.pem"),
            ],
            "invalid_argument",
            "/no/such/ca.pem",
        ),
    ] {
        let job = Bronze::bare("127.0.0.1:1", &lake).arg("--topics", "t");
        let finished = given(job.clone(), &properties).run().await;
        expect_error(&finished.last_json(), kind, &[part]);
        expect_hidden(&finished, &lake, SECRET);
        job.expect_untouched();
    }
}
