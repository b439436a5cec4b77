//! A broker that demands to know who connects: SASL over TLS on one listener, certificates on another.
//!
//! The test itself creates topics and produces through the plain listener ([`SecureBroker::plain`]); what is tested is given the
//! address of another one.

use std::fs;

use tempfile::TempDir;

use crate::certificates::{Authority, Certificate};
use crate::requirements::require_or_skip;

use super::broker::Broker;
use super::server::Extra;

/// A user that the broker knows under every mechanism.
pub const USER: &str = "weir-reader";
/// Its password, to be looked for where it must not be.
pub const SECRET: &str = "correct-horse-battery-staple";

/// See the module's documentation.
pub struct SecureBroker {
    /// The broker by its plain listener.
    pub plain: Broker,
    /// Its listener that demands SASL over TLS: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER (unsecured tokens).
    pub sasl_ssl: String,
    /// Its listener that demands SASL without TLS.
    pub sasl_plaintext: String,
    /// Its listener that demands a certificate of [`Self::authority`].
    pub mutual_tls: String,
    /// Who vouches for the broker.
    pub authority: Authority,
    /// A certificate that the broker accepts.
    pub client: Certificate,
    directory: TempDir,
}

impl SecureBroker {
    /// Starts one. Costs about 6 s.
    pub async fn start_or_skip() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::new(directory.path(), "kafka-authority");
        let own = authority.certificate("broker");
        let client = authority.certificate("client");
        let keystore = directory.path().join("broker.pem");
        let pem = [&own.key, &own.cert].map(|file| fs::read_to_string(file).expect("a PEM file"));
        fs::write(&keystore, pem.concat()).expect("a keystore");
        let extra = Extra {
            listeners: vec![
                ("SASLSSL", "SASL_SSL"),
                ("SASLPLAIN", "SASL_PLAINTEXT"),
                ("MUTUAL", "SSL"),
            ],
            properties: properties(&keystore.display(), &authority.file.display()),
            scram: ["SCRAM-SHA-256", "SCRAM-SHA-512"]
                .map(|mechanism| format!("{mechanism}=[name={USER},password={SECRET}]"))
                .to_vec(),
        };
        let (plain, listeners) = require_or_skip(Broker::start_with(extra).await)?;
        let [sasl_ssl, sasl_plaintext, mutual_tls] = listeners.try_into().expect("three listeners");
        Some(Self {
            plain,
            sasl_ssl,
            sasl_plaintext,
            mutual_tls,
            authority,
            client,
            directory,
        })
    }

    /// An authority that has nothing to do with the broker.
    pub fn stranger(&self) -> Authority {
        Authority::new(self.directory.path(), "stranger")
    }

    /// The client properties for SASL over TLS by `mechanism`, with a user's name and password.
    pub fn sasl(&self, mechanism: &str) -> Vec<(&'static str, String)> {
        vec![
            ("security.protocol", "SASL_SSL".to_owned()),
            ("sasl.mechanism", mechanism.to_owned()),
            ("sasl.username", USER.to_owned()),
            ("sasl.password", SECRET.to_owned()),
            ("ssl.ca.location", self.authority.file.display().to_string()),
        ]
    }

    /// Those for TLS with a certificate.
    pub fn mutual(&self) -> Vec<(&'static str, String)> {
        vec![
            ("security.protocol", "SSL".to_owned()),
            ("ssl.ca.location", self.authority.file.display().to_string()),
            (
                "ssl.certificate.location",
                self.client.cert.display().to_string(),
            ),
            ("ssl.key.location", self.client.key.display().to_string()),
        ]
    }
}

fn properties(keystore: &dyn std::fmt::Display, truststore: &dyn std::fmt::Display) -> String {
    let mut text = format!(
        "
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.mutual.ssl.client.auth=required
"
    );
    let security = "org.apache.kafka.common.security";
    for listener in ["saslssl", "saslplain"] {
        let name = format!("listener.name.{listener}");
        text.push_str(&format!(
            "\
{name}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
{name}.plain.sasl.jaas.config={security}.plain.PlainLoginModule required user_{USER}=\"{SECRET}\";
{name}.scram-sha-256.sasl.jaas.config={security}.scram.ScramLoginModule required;
{name}.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;
{name}.oauthbearer.sasl.jaas.config={security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";
"
        ));
    }
    text
}
