//! `kafka-consumer-groups.sh`, Kafka's own look at consumer groups, from jars that Maven fetched once (`support/kafka-tools/pom.xml`).

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Broker;
use crate::environment;
use crate::process::{Process, blocking};
use crate::requirements::{require_or_skip, support};

const MAIN: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const DONE_WITHIN: Duration = Duration::from_secs(60);

/// The command, ready to be run.
#[derive(Debug, Clone)]
pub struct GroupCommand {
    jars: PathBuf,
}

/// The command, or why the test is skipped.
pub async fn group_command_or_skip() -> Option<GroupCommand> {
    let jars = blocking(|| environment::jars(&support("kafka-tools/pom.xml"))).await;
    require_or_skip(jars.map(|jars| GroupCommand { jars }))
}

impl GroupCommand {
    /// What `--describe --group GROUP` prints of each partition, by the names of its columns, sorted by topic and partition.
    pub async fn describe(&self, broker: &Broker, group: &str) -> Vec<Vec<(String, String)>> {
        let mut java = Command::new("java");
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-cp")
            .arg(self.jars.join("*"))
            .args([MAIN, "--bootstrap-server", broker.bootstrap()])
            .args(["--describe", "--group", group])
            .stdin(Stdio::null());
        let finished = Process::spawn(java).wait(DONE_WITHIN).await;
        let finished = finished.expect_success();
        let mut lines = finished.stdout.lines().map(str::split_whitespace);
        let heading = lines.find(|words| words.clone().next() == Some("GROUP"));
        let heading: Vec<&str> = heading
            .unwrap_or_else(|| panic!("no table\n{finished}"))
            .collect();
        let mut rows: Vec<Vec<(String, String)>> = lines
            .filter(|words| words.clone().next() == Some(group))
            .map(|words| {
                let named = heading.iter().zip(words);
                named
                    .map(|(name, word)| ((*name).to_owned(), word.to_owned()))
                    .collect()
            })
            .collect();
        rows.sort_unstable();
        rows
    }
}
