//! Runs every query on every master in turn, and compares the rows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use weir::{Error, ExplainMode, Result, Session};

use super::answer::Answer;
use super::arguments::Arguments;
use super::queries::Query;
use super::table::{self, Outcome};
use super::tables::Tables;
use crate::drain::measure::{cpu_of, own_cpu};

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From the text of the query to its last row.
    pub elapsed: Duration,
    /// CPU time of the session's process and its executors.
    pub cpu: Duration,
}

/// A session, by the text it was made of.
struct On {
    title: String,
    session: Session,
}

impl On {
    async fn new(text: &str, tables: &Tables) -> Result<Self> {
        let mut words = text.split_whitespace();
        let mut builder = Session::builder().master(words.next().unwrap_or_default());
        for setting in words {
            let (key, value) = setting.split_once('=').ok_or_else(|| {
                Error::invalid_argument(format!("setting {setting:?}: write key=value"))
            })?;
            builder = builder.config(key, value);
        }
        let session = builder.create().await?;
        tables.register(&session).await?;
        Ok(Self {
            title: text.to_owned(),
            session,
        })
    }

    fn cpu(&self) -> Duration {
        let executors = self.session.executors();
        executors
            .iter()
            .filter_map(|executor| executor.process_id)
            .map(cpu_of)
            .sum::<Duration>()
            + own_cpu()
    }

    async fn run(&self, query: &Query) -> Result<(Answer, Cost)> {
        let cpu = self.cpu();
        let begun = Instant::now();
        let rows = self.session.sql(&query.sql).await?;
        let batches = rows.collect().await?;
        let elapsed = begun.elapsed();
        let cost = Cost {
            elapsed,
            cpu: self.cpu().saturating_sub(cpu),
        };
        Ok((Answer::new(query, rows.schema().as_arrow(), &batches), cost))
    }

    /// The bytes that the query spills, and its stages if `whole`.
    async fn profile(&self, query: &Query, whole: bool) -> Result<()> {
        let profile = self.session.sql(&query.sql).await?.profile().await?;
        let spilled: u64 = profile.stages.iter().map(|stage| stage.spilled_bytes).sum();
        println!(
            "Query {} on {}: {spilled} bytes spilled",
            query.number, self.title
        );
        if whole {
            println!("{profile}");
        }
        Ok(())
    }

    async fn explain(&self, query: &Query) -> Result<()> {
        let rows = self.session.sql(&query.sql).await?;
        let plan = rows.explain_string(ExplainMode::Simple).await?;
        println!("-- query {} on {}\n{plan}", query.number, self.title);
        Ok(())
    }
}

/// Writes the tables, runs, prints.
///
/// # Errors
/// When a session cannot be made, or the tables cannot be read; a query that fails is a result.
///
/// # Panics
/// When the tables cannot be written.
pub async fn measure(arguments: Arguments) -> Result<()> {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = arguments.keep.as_deref().unwrap_or(temporary.path());
    let tables = Tables::open(directory, arguments.scale);
    let queries: Vec<Query> = arguments
        .queries
        .iter()
        .filter_map(|&number| Query::new(number, arguments.scale))
        .collect();
    let mut all = Vec::new();
    for text in arguments.masters() {
        all.push(On::new(&text, &tables).await?);
    }
    if arguments.explain {
        for query in &queries {
            for on in &all {
                on.explain(query).await?;
            }
        }
    }

    let mut notes = Vec::new();
    let mut outcomes: BTreeMap<usize, Vec<Outcome>> = BTreeMap::new();
    // The first round is not counted: files and metadata are not cached yet, connections not made.
    for round in 0..=arguments.runs {
        for query in &queries {
            let outcomes = outcomes
                .entry(query.number)
                .or_insert_with(|| vec![Outcome::default(); all.len()]);
            let first = one_round(&all, query, round, outcomes).await;
            if round == 0
                && let Some(first) = first
            {
                notes.extend(check(&arguments, query, &first));
            }
        }
    }

    if arguments.profile {
        for query in &queries {
            for on in &all {
                if let Err(error) = on.profile(query, arguments.explain).await {
                    println!("Query {} on {}: {error}", query.number, on.title);
                }
            }
        }
    }
    println!(
        "Scale factor {}, {} bytes of Parquet, {} counted runs.\n",
        arguments.scale,
        tables.bytes(),
        arguments.runs
    );
    for note in notes {
        println!("Not as in tpchgen's answers: {note}");
    }
    let titles: Vec<&str> = all.iter().map(|on| on.title.as_str()).collect();
    for line in table::lines(&titles, &outcomes) {
        println!("{line}");
    }
    Ok(())
}

/// Leaves the first master's answer to be compared with others; how it differs from the one that comes with the generator.
fn check(arguments: &Arguments, query: &Query, answer: &Answer) -> Option<String> {
    if let Some(directory) = &arguments.answers {
        answer.write(query, directory);
    }
    if arguments.scale != 1.0 {
        return None;
    }
    let difference = answer.difference_to_published(query)?;
    Some(format!("query {}: {difference}", query.number))
}

/// One run of `query` on each master, another one first each time. The first master's answer.
async fn one_round(
    all: &[On],
    query: &Query,
    round: usize,
    outcomes: &mut [Outcome],
) -> Option<Answer> {
    let mut answers: Vec<Option<Answer>> = vec![None; all.len()];
    for turn in 0..all.len() {
        let at = (round + turn) % all.len();
        let (Some(on), Some(outcome)) = (all.get(at), outcomes.get_mut(at)) else {
            continue;
        };
        match on.run(query).await {
            Ok((answer, cost)) => {
                eprintln!(
                    "round {round} query {} {}: {} rows, {:.1} ms, CPU {:.0} ms",
                    query.number,
                    on.title,
                    answer.len(),
                    cost.elapsed.as_secs_f64() * 1e3,
                    cost.cpu.as_secs_f64() * 1e3,
                );
                if round > 0 {
                    outcome.costs.push(cost);
                }
                outcome.rows = answer.len();
                if let Some(slot) = answers.get_mut(at) {
                    *slot = Some(answer);
                }
            }
            Err(error) => outcome.wrong(query, &on.title, format!("it failed: {error}")),
        }
    }
    let first = answers.first().cloned().flatten()?;
    for ((answer, outcome), on) in answers.iter().zip(outcomes).zip(all).skip(1) {
        if let Some(answer) = answer
            && let Some(difference) = answer.difference(&first)
        {
            outcome.wrong(query, &on.title, difference);
        }
    }
    Some(first)
}
