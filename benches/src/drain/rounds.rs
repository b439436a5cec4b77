//! Runs the peers in turn over one topic, checks each run, and removes what it wrote.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use weir::Session;

use super::arguments::{Arguments, Peer};
use super::expected::Counted;
use super::measure::{Cost, cpu_of, run, sync_disks};
use super::peers::encode::Written;
use super::peers::others::{Others, SparkDrain};
use super::topics::{Topic, Topics};

/// What every record of the benchmark keeps.
const RULES: &str = "checks:
  - {name: has_value, type: not_null, column: message_value}
  - {name: has_time, type: not_null, column: kafka_timestamp}
  - {name: is_object, type: sql, predicate: \"starts_with(message_value, '{')\"}
";

/// The runs of each peer over one topic.
pub type Costs = BTreeMap<Peer, Vec<Cost>>;

/// What every run needs.
pub struct Rounds<'a> {
    /// The command line.
    pub arguments: &'a Arguments,
    /// The broker.
    pub topics: &'a Topics,
    /// The peers' programs.
    pub others: &'a Others,
    /// For the checks.
    pub session: &'a Session,
}

impl Rounds<'_> {
    /// All rounds over `topic`: A, B, C, A, B, C.
    ///
    /// # Errors
    /// When a table cannot be read.
    ///
    /// # Panics
    /// When a peer fails, or drained anything but what is there.
    pub async fn run(&self, topic: &Topic) -> weir::Result<Costs> {
        let mut costs = Costs::new();
        let peers: Vec<Peer> = self
            .arguments
            .peers
            .iter()
            .copied()
            .filter(|peer| peer.applies_to(topic.expected.partitions))
            .collect();
        for round in 0..self.arguments.runs {
            for &peer in &peers {
                // One process of Spark's makes both drains.
                let both = peers.contains(&Peer::SparkCold) && peers.contains(&Peer::SparkWarm);
                if peer == Peer::SparkWarm && both {
                    continue;
                }
                let scratch = tempfile::Builder::new()
                    .prefix("weir-drain-")
                    .tempdir()
                    .expect("a temporary directory");
                for (peer, cost) in self
                    .run_one(peer, topic, scratch.path(), round == 0)
                    .await?
                {
                    eprintln!(
                        "{} round {round} {}: {:.2} s, {:.0} records/s, CPU {:.2} s, peak {} MB, broker CPU {:.2} s",
                        topic.name,
                        peer.title(),
                        cost.elapsed.as_secs_f64(),
                        topic.expected.records as f64 / cost.elapsed.as_secs_f64(),
                        cost.cpu.as_secs_f64(),
                        cost.peak_bytes >> 20,
                        cost.broker_cpu.as_secs_f64(),
                    );
                    costs.entry(peer).or_default().push(cost);
                }
                drop(scratch);
                sync_disks();
            }
        }
        Ok(costs)
    }

    async fn run_one(
        &self,
        peer: Peer,
        topic: &Topic,
        scratch: &Path,
        first: bool,
    ) -> weir::Result<Vec<(Peer, Cost)>> {
        let bootstrap = self.topics.broker.bootstrap();
        let expected = topic.expected;
        let table = |number: usize| {
            scratch
                .join(format!("table-{number}"))
                .display()
                .to_string()
        };
        let cost = match peer {
            Peer::Limit => self.counting("limit", &[], topic, scratch),
            Peer::Decode => self.counting("decode", &[], topic, scratch),
            Peer::DecodeSplit => {
                let half = expected.records.div_ceil(2).to_string();
                self.counting("decode", &["--max-records", &half], topic, scratch)
            }
            Peer::Parquet => {
                let mut command = this("encode");
                command.args(["--records", &expected.records.to_string()]);
                command.args(["--partitions", &expected.partitions.to_string()]);
                command.args(["--out", &table(0)]);
                let mut written = None;
                let cost = self.measured(command, scratch, |line| {
                    written = Some(serde_json::from_str::<Written>(line).expect("its costs"));
                });
                let written = written.expect("its costs");
                expected.check_table(self.session, &table(0), false).await?;
                Cost {
                    elapsed: Duration::from_secs_f64(written.seconds),
                    cpu: Duration::from_secs_f64(written.cpu_seconds),
                    broker_cpu: Duration::ZERO,
                    ..cost
                }
            }
            Peer::Weir | Peer::WeirSplit => {
                let split = peer == Peer::WeirSplit;
                let command = self.others.bronze(bootstrap, topic, scratch, split);
                let cost = self.measured(command, scratch, |_| {});
                expected.check_table(self.session, &table(0), first).await?;
                cost
            }
            Peer::WeirRules => {
                let mut command = self.others.bronze(bootstrap, topic, scratch, false);
                let suite = scratch.join("rules.yaml");
                std::fs::write(&suite, RULES).expect("room for the rules");
                command.arg("--expect").arg(suite);
                command.arg("--dlq-table").arg(scratch.join("dead-letters"));
                let cost = self.measured(command, scratch, |_| {});
                expected.check_table(self.session, &table(0), first).await?;
                cost
            }
            Peer::WeirJson => {
                let mut command = this("json");
                command.args(["--bootstrap", bootstrap, "--topic", &topic.name]);
                command.args(["--partitions", &expected.partitions.to_string()]);
                command.args(["--out", &table(0)]);
                let cost = self.measured(command, scratch, |_| {});
                expected.check_table(self.session, &table(0), false).await?;
                cost
            }
            Peer::Python => {
                let command = self.others.python(bootstrap, topic, scratch);
                let cost = self.measured(command, scratch, |_| {});
                expected.check_table(self.session, &table(0), first).await?;
                cost
            }
            Peer::SparkCold | Peer::SparkWarm => {
                let warm = self.arguments.peers.contains(&Peer::SparkWarm);
                let drains = self.spark(topic, scratch, if warm { 2 } else { 1 });
                for (number, _) in drains.iter().enumerate() {
                    expected
                        .check_table(self.session, &table(number), first)
                        .await?;
                }
                return Ok([Peer::SparkCold, Peer::SparkWarm]
                    .into_iter()
                    .zip(drains)
                    .filter(|(peer, _)| self.arguments.peers.contains(peer))
                    .collect());
            }
        };
        Ok(vec![(peer, cost)])
    }

    /// A part of this program that counts what it drains.
    fn counting(&self, part: &str, more: &[&str], topic: &Topic, scratch: &Path) -> Cost {
        let mut command = this(part);
        command.args(["--bootstrap", self.topics.broker.bootstrap()]);
        command.args(["--topic", &topic.name]);
        command.args(["--partitions", &topic.expected.partitions.to_string()]);
        command.args(more);
        let mut counted = Counted::default();
        let cost = self.measured(command, scratch, |line| {
            counted = serde_json::from_str(line).expect("its counts");
        });
        topic.expected.check_counted(counted);
        cost
    }

    fn measured(&self, command: Command, scratch: &Path, mut line: impl FnMut(&str)) -> Cost {
        run(command, &scratch.join("log"), self.broker(), |told| {
            line(&told.text)
        })
    }

    /// The costs of each drain: the cold one from the start of the process, the warm one as the script tells.
    fn spark(&self, topic: &Topic, scratch: &Path, drains: usize) -> Vec<Cost> {
        let command = self
            .others
            .spark(self.topics.broker.bootstrap(), topic, scratch, drains);
        let mut costs: Vec<Cost> = Vec::new();
        let mut broker_cpu = cpu_of(self.broker());
        run(command, &scratch.join("log"), self.broker(), |line| {
            // The JVM may say something of its own.
            let Ok(drain) = serde_json::from_str::<SparkDrain>(&line.text) else {
                return;
            };
            let broker_now = cpu_of(self.broker());
            costs.push(Cost {
                elapsed: match drain.drain {
                    0 => line.at,
                    _ => Duration::from_secs_f64(drain.seconds),
                },
                cpu: Duration::from_secs_f64(drain.cpu_seconds),
                peak_bytes: drain.peak_bytes,
                broker_cpu: broker_now - broker_cpu,
            });
            broker_cpu = broker_now;
        });
        assert_eq!(costs.len(), drains, "drains that Spark tells of");
        costs
    }

    fn broker(&self) -> u32 {
        self.topics.broker.process_id().expect("a broker that runs")
    }
}

fn this(part: &str) -> Command {
    let mut command =
        Command::new(std::env::current_exe().expect("a running program knows its path"));
    command.arg(part);
    command
}
