//! Client properties: which a user may set, and what Weir sets.

use std::collections::BTreeMap;
use std::fmt;

use weir_plan::options::Options;
use weir_plan::{Error, ErrorKind, Result};

use super::native::client::{Client, ClientError, RefusedProperty, check_properties};
use super::native::code;
use super::secrets::{Secrets, is_sensitive};
use super::security::{self, refuse_javas};

/// Refused because Weir decides them, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("auto.offset.reset", "use the option startingOffsets"),
    (
        "key.deserializer",
        "keys are always binary: cast the column",
    ),
    (
        "value.deserializer",
        "values are always binary: cast the column",
    ),
    ("key.serializer", "Weir reads here and writes nothing"),
    ("value.serializer", "Weir reads here and writes nothing"),
    ("enable.auto.commit", "offsets are kept in the checkpoint"),
    ("auto.commit.enable", "offsets are kept in the checkpoint"),
    (
        "enable.auto.offset.store",
        "offsets are kept in the checkpoint",
    ),
    ("enable.partition.eof", "the reader depends on it"),
    ("allow.auto.create.topics", "a missing topic is an error"),
    ("interceptor.classes", "it names a Java class"),
    (
        "plugin.library.paths",
        "it loads native code into the process",
    ),
];

/// Set on every client; a user cannot change them (see [`REFUSED`]).
const FIXED: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("auto.commit.enable", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

/// Set unless the user says otherwise.
const TUNED: &[(&str, &str)] = &[
    ("client.id", "weir"),
    // An idle connection that the broker closes is no news.
    ("log.connection.close", "false"),
    ("socket.nagle.disable", "true"),
    // A broker that restarts is found again within 2 s, not 10 s.
    ("reconnect.backoff.max.ms", "2000"),
    // A topic that was deleted is reported after this long, not after 30 s.
    ("topic.metadata.propagation.max.ms", "10000"),
];

/// As [`TUNED`], for clients that fetch.
const TUNED_FETCH: &[(&str, &str)] = &[
    // The most that waits in one reader's queue, beside one response of `fetch.max.bytes`.
    ("queued.max.messages.kbytes", "8192"),
    ("queued.min.messages", "100000"),
    ("fetch.max.bytes", "4194304"),
    ("fetch.message.max.bytes", "4194304"),
    // After a full queue, look again soon: the default of a second starves the reader.
    ("fetch.queue.backoff.ms", "10"),
    // What is asked for is there already. Only the end-of-partition event waits this long, which
    // ends a range of transaction markers.
    ("fetch.wait.max.ms", "20"),
    // A broker sends a record bigger than the fetch sizes whole: no limit but the protocol's.
    ("receive.message.max.bytes", "2147483647"),
];

/// As [`TUNED_FETCH`], for clients that want one record of each partition.
const TUNED_PEEK: &[(&str, &str)] = &[
    ("queued.min.messages", "1"),
    ("queued.max.messages.kbytes", "1024"),
    ("fetch.message.max.bytes", "16384"),
    ("fetch.max.bytes", "1048576"),
];

/// As [`TUNED`], for clients that produce in transactions.
const TUNED_PRODUCE: &[(&str, &str)] = &[
    ("linger.ms", "20"),
    // What waits in the producer's queue.
    ("queue.buffering.max.kbytes", "65536"),
    // A topic that takes nothing ends the batch within a minute; Java's name of it, which users set, too.
    ("delivery.timeout.ms", "60000"),
    // As long as a batch's letters may take; what a killed process leaves open holds readers up no longer.
    ("transaction.timeout.ms", "300000"),
    // How large a message may be is the topic's to say.
    ("message.max.bytes", "1000000000"),
];

/// A user's client properties, checked. [`fmt::Debug`] shows the servers only.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ClientProperties {
    /// As given: without the `kafka.` prefix, without what Weir sets.
    given: BTreeMap<String, String>,
}

impl fmt::Debug for ClientProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientProperties({})", self.servers())
    }
}

impl ClientProperties {
    /// Takes the `kafka.*` options.
    pub(super) fn from_options(options: &Options) -> Result<Self> {
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in options.with_prefix("kafka.") {
            // librdkafka's keys are all lowercase and it compares them exactly.
            let key = key.to_lowercase();
            if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
                return Err(Error::invalid_argument(format!(
                    "option \"kafka.{key}\" cannot be set: {reason}"
                )));
            }
            refuse_javas(&key)?;
            given.insert(key, value.to_owned());
        }
        match given.get("bootstrap.servers").map(|servers| servers.trim()) {
            None => {
                return Err(Error::invalid_argument(
                    "option \"kafka.bootstrap.servers\" is missing: give host:port of one or more brokers",
                ));
            }
            Some("") => {
                return Err(Error::invalid_argument(
                    "option \"kafka.bootstrap.servers\" is empty: give host:port of one or more brokers",
                ));
            }
            Some(_) => {}
        }
        let properties = Self { given };
        properties.check_isolation_level()?;
        security::check(&properties.given)?;
        check_properties(&properties.for_fetching()).map_err(|refused| explain(&refused))?;
        Ok(properties)
    }

    /// What another process validated and sent.
    pub(super) fn from_wire(given: BTreeMap<String, String>) -> Self {
        Self { given }
    }

    /// What to send to another process: secrets included.
    pub(super) fn to_wire(&self) -> impl Iterator<Item = (String, String)> {
        self.given
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
    }

    fn check_isolation_level(&self) -> Result<()> {
        match self.given.get("isolation.level").map(String::as_str) {
            None | Some("read_committed" | "read_uncommitted") => Ok(()),
            Some(other) => Err(Error::invalid_argument(format!(
                "option \"kafka.isolation.level\" is {other:?}; it takes read_committed (the default) or read_uncommitted"
            ))),
        }
    }

    /// The bootstrap servers, for messages.
    pub(super) fn servers(&self) -> &str {
        self.given
            .get("bootstrap.servers")
            .map_or("", |servers| servers.trim())
    }

    fn with(&self, layers: &[&[(&str, &str)]]) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = layers
            .iter()
            .flat_map(|layer| layer.iter())
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        for (key, value) in &self.given {
            // Java's names of the same thing.
            let key = match key.as_str() {
                "max.partition.fetch.bytes" => "fetch.message.max.bytes",
                "fetch.max.wait.ms" => "fetch.wait.max.ms",
                other => other,
            };
            all.insert(key.to_owned(), value.clone());
        }
        for (key, value) in FIXED {
            all.insert((*key).to_owned(), (*value).to_owned());
        }
        if let Some(place) = security::default_authorities(&self.given) {
            all.insert("ssl.ca.location".to_owned(), place);
        }
        all
    }

    fn for_fetching(&self) -> BTreeMap<String, String> {
        self.with(&[TUNED, TUNED_FETCH])
    }

    /// A client that fetches.
    pub(super) fn fetch_client(&self) -> Result<Client> {
        self.client(&self.for_fetching())
    }

    /// A client that fetches as little as it can.
    pub(super) fn peeking_client(&self) -> Result<Client> {
        let mut properties = self.with(&[TUNED, TUNED_FETCH, TUNED_PEEK]);
        properties.remove("group.id");
        self.client(&properties)
    }

    /// Takes `group.id` out, for a reader that is in no group.
    pub(super) fn take_group_id(&mut self) -> Option<String> {
        self.given.remove("group.id")
    }

    /// `read_committed` or `read_uncommitted`.
    pub(super) fn isolation_level(&self) -> &str {
        self.given
            .get("isolation.level")
            .map_or("read_committed", String::as_str)
    }

    /// The same that sees records of open and aborted transactions.
    pub(super) fn read_uncommitted(&self) -> Self {
        let mut other = self.clone();
        other
            .given
            .insert("isolation.level".to_owned(), "read_uncommitted".to_owned());
        other
    }

    /// A client for metadata and offsets. It is in no group, whatever the user says: nothing of the
    /// group is needed, and a group has to be authorised.
    pub(super) fn metadata_client(&self) -> Result<Client> {
        let mut properties = self.with(&[TUNED]);
        properties.remove("group.id");
        self.client(&properties)
    }

    fn client(&self, properties: &BTreeMap<String, String>) -> Result<Client> {
        Client::new(properties, Secrets::of(&self.given)).map_err(|error| {
            if let Some(error) = security::unreadable_file(&self.given) {
                return error;
            }
            Error::invalid_argument(format!(
                "no kafka client for {} can be made of these kafka.* options: {}",
                self.servers(),
                error.text
            ))
        })
    }

    /// Properties of a client that produces in transactions.
    pub(super) fn for_producing(&self) -> BTreeMap<String, String> {
        let mut properties = self.with(&[TUNED, TUNED_PRODUCE]);
        for (key, _) in FIXED {
            properties.remove(*key);
        }
        properties
    }

    /// Properties of a client that asks for the offsets of a group.
    pub(super) fn for_asking(&self) -> BTreeMap<String, String> {
        self.with(&[TUNED])
    }

    /// What must not be shown of them.
    pub(super) fn secrets(&self) -> Secrets {
        Secrets::of(&self.given)
    }

    /// The error for one that a broker or the client gave while `what` was done.
    pub(super) fn explain(&self, what: &str, error: &ClientError) -> Error {
        let servers = self.servers();
        let text = &error.text;
        match error.code {
            code::AUTHENTICATION => Error::invalid_argument(format!(
                "kafka at {servers} does not accept the credentials: {text}; check kafka.sasl.mechanism, kafka.sasl.username and kafka.sasl.password, and kafka.security.protocol"
            )),
            code::SSL => Error::invalid_argument(format!(
                "cannot {what}: no TLS with kafka at {servers}: {text}; check kafka.ssl.ca.location (who vouches for the brokers), kafka.ssl.certificate.location and kafka.ssl.key.location (where they ask for a certificate), and kafka.security.protocol"
            )),
            code::GROUP_AUTHORIZATION => Error::invalid_argument(format!(
                "kafka at {servers} does not authorise this user to {what}: {text}; grant READ on the group"
            )),
            code::UNKNOWN_MEMBER => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "cannot {what}: consumers are members of that group at {servers} ({text}); give it to nobody else, or name another one by kafka.group.id"
                ),
            ),
            code::TOPIC_AUTHORIZATION | code::CLUSTER_AUTHORIZATION => {
                Error::invalid_argument(format!(
                    "kafka at {servers} does not authorise this user to {what}: {text}; grant READ and DESCRIBE on the topics"
                ))
            }
            _ => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "cannot {what}: kafka at {servers} gave {text:?} (code {}); try again once it is well",
                    error.code
                ),
            ),
        }
    }
}

fn explain(refused: &RefusedProperty) -> Error {
    let key = &refused.key;
    if refused.unknown {
        return Error::invalid_argument(format!(
            "option \"kafka.{key}\" is no property of librdkafka's client; see its CONFIGURATION.md for the names"
        ));
    }
    // librdkafka's text quotes the value, which may be a secret even under a harmless key's name.
    let text = if is_sensitive(key) {
        "its value is not accepted"
    } else {
        refused.text.as_str()
    };
    Error::invalid_argument(format!("option \"kafka.{key}\" is invalid: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<ClientProperties> {
        let mut options: Options = pairs.iter().copied().collect();
        options.set("kafka.bootstrap.servers", "broker:9092");
        ClientProperties::from_options(&options)
    }

    #[test]
    fn properties_that_weir_decides_are_refused_by_name() {
        for (key, _) in REFUSED {
            let error = of(&[(&format!("kafka.{key}"), "x")]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn missing_or_empty_servers_are_refused() {
        for options in [
            Options::new(),
            [("kafka.bootstrap.servers", " ")].into_iter().collect(),
        ] {
            let error = ClientProperties::from_options(&options).unwrap_err();
            assert!(
                error.to_string().contains("kafka.bootstrap.servers"),
                "{error}"
            );
        }
    }

    #[test]
    fn unknown_property_is_refused_by_name() {
        let error = of(&[("kafka.fetch.colour", "red")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("kafka.fetch.colour"), "{error}");
    }

    #[test]
    fn bad_value_of_a_property_is_refused_with_the_reason() {
        let error = of(&[("kafka.fetch.wait.max.ms", "soon")]).unwrap_err();
        assert!(
            error.to_string().contains("kafka.fetch.wait.max.ms"),
            "{error}"
        );
    }

    #[test]
    fn user_wins_over_tuning_and_prefix_is_stripped_in_any_case() {
        let properties = of(&[("Kafka.Fetch.Wait.Max.Ms", "7")]).unwrap();
        let all = properties.for_fetching();
        assert_eq!(all.get("fetch.wait.max.ms").map(String::as_str), Some("7"));
        assert_eq!(
            all.get("enable.auto.commit").map(String::as_str),
            Some("false")
        );
    }

    #[test]
    fn both_isolation_levels_are_taken_and_others_refused() {
        of(&[("kafka.isolation.level", "read_committed")]).unwrap();
        of(&[("kafka.isolation.level", "read_uncommitted")]).unwrap();
        let error = of(&[("kafka.isolation.level", "serializable")]).unwrap_err();
        assert!(error.to_string().contains("serializable"), "{error}");
    }

    #[test]
    fn secrets_are_in_no_debug_output_and_scrubbed_from_texts() {
        let properties = of(&[
            ("kafka.sasl.password", "hunter2"),
            ("kafka.sasl.oauthbearer.config", "principal=adminadmin"),
        ])
        .unwrap();
        let shown = format!("{properties:?} {properties:#?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("adminadmin"),
            "{shown}"
        );
        let secrets = Secrets::of(&properties.given);
        assert_eq!(
            secrets.scrub("sasl failed for hunter2 with principal=adminadmin"),
            "sasl failed for *** with ***"
        );
    }

    #[test]
    fn bad_value_of_a_secret_is_not_quoted() {
        let error = of(&[("kafka.enable.sasl.oauthbearer.unsecure.jwt", "hunter2")]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
