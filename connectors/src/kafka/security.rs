//! Who connects, and to whom: what the properties of SASL and TLS must hold before a client is made.
//!
//! librdkafka says much of it only once it connects, and not in terms of options.

use std::collections::BTreeMap;
use std::{env, fs};

use weir_plan::{Error, Result};

/// Properties as a user gave them.
type Given = BTreeMap<String, String>;

/// Properties of Kafka's Java client that librdkafka has under other names, or not at all.
const JAVAS: &[(&str, &str)] = &[
    (
        "sasl.jaas.config",
        "use kafka.sasl.username and kafka.sasl.password",
    ),
    (
        "sasl.client.callback.handler.class",
        "use kafka.sasl.mechanism and the kafka.sasl.* of that mechanism",
    ),
    (
        "sasl.login.callback.handler.class",
        "use kafka.sasl.mechanism and the kafka.sasl.* of that mechanism",
    ),
    (
        "ssl.truststore.location",
        "use kafka.ssl.ca.location with the authorities' certificates in a PEM file",
    ),
    ("ssl.truststore.certificates", "use kafka.ssl.ca.pem"),
    (
        "ssl.truststore.password",
        "kafka.ssl.ca.location is a PEM file without a password",
    ),
    (
        "ssl.truststore.type",
        "kafka.ssl.ca.location is always a PEM file",
    ),
    (
        "ssl.keystore.type",
        "kafka.ssl.keystore.location is always PKCS#12; for PEM files use kafka.ssl.certificate.location and kafka.ssl.key.location",
    ),
    ("ssl.keystore.key", "use kafka.ssl.key.pem"),
    (
        "ssl.keystore.certificate.chain",
        "use kafka.ssl.certificate.pem",
    ),
];

/// Environment variables of OpenSSL that say where the authorities' certificates are, which it looks at
/// where it is told nothing else.
const CERTIFICATES: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Properties that name files, or directories of them.
const FILES: &[&str] = &[
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
];

/// The SASL mechanisms that are built in.
const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// Refuses a property of Kafka's Java client, with what to use instead. Its value is not shown.
pub(super) fn refuse_javas(key: &str) -> Result<()> {
    match JAVAS.iter().find(|(java, _)| *java == key) {
        Some((_, remedy)) => Err(Error::invalid_argument(format!(
            "option \"kafka.{key}\" is one of Kafka's Java client, which this is not: {remedy}"
        ))),
        None => Ok(()),
    }
}

/// Refuses what cannot work, before a checkpoint is made for a query that cannot begin.
///
/// # Errors
/// `InvalidArgument` for what is missing, and for a file that cannot be read; `Unsupported` for a way to
/// authenticate that is not built in.
pub(super) fn check(given: &Given) -> Result<()> {
    check_sasl(given)?;
    let file = unreadable_file(given).filter(|_| protocol(given).1);
    file.map_or(Ok(()), Err)
}

/// Where librdkafka is to look for authorities if nobody says so: OpenSSL is built in and knows no
/// system's directories.
pub(super) fn default_authorities(given: &Given) -> Option<String> {
    let said = given.contains_key("ssl.ca.location")
        || given.contains_key("ssl.ca.pem")
        || CERTIFICATES.iter().any(|name| env::var_os(name).is_some());
    (protocol(given).1 && !said).then(|| "probe".to_owned())
}

/// Whether connections begin with SASL, and whether they are of TLS.
fn protocol(given: &Given) -> (bool, bool) {
    let protocol = given
        .get("security.protocol")
        .map(|protocol| protocol.trim().to_lowercase())
        .unwrap_or_default();
    (protocol.starts_with("sasl"), protocol.ends_with("ssl"))
}

/// What librdkafka would only say once it connects, or not in terms of options. No value is quoted:
/// it may be a secret in the wrong place.
fn check_sasl(given: &Given) -> Result<()> {
    if !protocol(given).0 {
        return Ok(());
    }
    let of = |key: &str| given.get(key).map(|value| value.trim());
    let mechanisms = MECHANISMS.join(", ");
    let Some(mechanism) = of("sasl.mechanism").or_else(|| of("sasl.mechanisms")) else {
        return Err(Error::invalid_argument(format!(
            "option \"kafka.sasl.mechanism\" is missing, which kafka.security.protocol asks for; it takes {mechanisms}"
        )));
    };
    if !MECHANISMS.contains(&mechanism) {
        return Err(Error::invalid_argument(format!(
            "option \"kafka.sasl.mechanism\" is none of {mechanisms}; others (GSSAPI, which is Kerberos) are not built in"
        )));
    }
    let missing = |key: &str| {
        Err(Error::invalid_argument(format!(
            "option \"kafka.{key}\" is missing, which kafka.sasl.mechanism={mechanism} asks for"
        )))
    };
    if mechanism != "OAUTHBEARER" {
        for key in ["sasl.username", "sasl.password"] {
            if of(key).is_none_or(str::is_empty) {
                return missing(key);
            }
        }
        return Ok(());
    }
    if of("sasl.oauthbearer.method").is_some_and(|method| !method.eq_ignore_ascii_case("default")) {
        return Err(Error::unsupported(
            "option \"kafka.sasl.oauthbearer.method\" is not \"default\": tokens are not fetched from an identity provider (OIDC is not built in); use SCRAM or certificates",
        ));
    }
    match of("enable.sasl.oauthbearer.unsecure.jwt") {
        Some("true") => Ok(()),
        _ => Err(Error::unsupported(
            "kafka.sasl.mechanism=OAUTHBEARER works with unsecured tokens only, for tests: set kafka.enable.sasl.oauthbearer.unsecure.jwt to true and kafka.sasl.oauthbearer.config to principal=NAME; elsewhere use SCRAM or certificates",
        )),
    }
}

/// The first file named that cannot be read on this machine; librdkafka says neither which it is nor why.
pub(super) fn unreadable_file(given: &Given) -> Option<Error> {
    FILES.iter().find_map(|key| {
        let path = given.get(*key)?;
        let error = fs::metadata(path)
            .and_then(|found| match found.is_dir() {
                true => fs::read_dir(path).map(drop),
                false => fs::File::open(path).map(drop),
            })
            .err()?;
        let text =
            format!("option \"kafka.{key}\" is {path:?}, which cannot be read on this machine");
        Some(Error::invalid_argument(text).with_source(error))
    })
}

#[cfg(test)]
mod tests {
    use weir_plan::ErrorKind;

    use super::*;

    #[test]
    fn properties_of_kafkas_java_client_name_what_to_use() {
        for (key, remedy) in JAVAS {
            let error = refuse_javas(key).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let text = error.to_string();
            assert!(text.contains(key) && text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn systems_authorities_are_looked_for_where_tls_is_spoken_and_none_are_given() {
        let authorities = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let given = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            default_authorities(&given.collect())
        };
        // The tests' own environment may say where they are.
        let looked_for = match CERTIFICATES.iter().any(|name| env::var_os(name).is_some()) {
            true => None,
            false => Some("probe"),
        };
        for protocol in ["SSL", "sasl_ssl"] {
            let tls = ("security.protocol", protocol);
            assert_eq!(authorities(&[tls]).as_deref(), looked_for);
            assert_eq!(authorities(&[tls, ("ssl.ca.location", "/ca")]), None);
            assert_eq!(authorities(&[tls, ("ssl.ca.pem", "---")]), None);
        }
        assert_eq!(authorities(&[]), None);
    }
}
