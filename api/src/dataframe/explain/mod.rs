//! `explain`: the plan as text, before it runs and after.

mod formatted;
mod profile;

use std::fmt::Display;
use std::sync::Arc;

use datafusion::physical_plan::displayable;
use weir_connectors::delta::explain_reads;
use weir_plan::Result;
use weir_plan::joins::DecidedJoins;

use super::DataFrame;
use crate::program::print_line;
use crate::session::without_running;

use formatted::formatted;

pub use profile::{QueryProfile, StageProfile};

/// How much `explain` shows. Spark's modes, without `codegen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainMode {
    /// The physical plan; how each join is done, and why; what is read of Delta tables: files of how many, by which filters.
    #[default]
    Simple,
    /// The logical plan as written, as optimized, and what `Simple` shows.
    Extended,
    /// The physical plan as an outline of numbered nodes, and the columns and the text of each below; joins and tables as in `Simple`.
    Formatted,
    /// The optimized logical plan, and the physical plan with the rows and bytes that each node is estimated at; joins and
    /// tables as in `Simple`.
    Cost,
}

impl DataFrame {
    /// Prints the plan on stdout.
    ///
    /// # Errors
    /// As [`Self::explain_string`].
    pub async fn explain(&self, mode: ExplainMode) -> Result<()> {
        print_line(self.explain_string(mode).await?)
    }

    /// The plan as text.
    ///
    /// # Errors
    /// `InvalidPlan` when it cannot be planned.
    pub async fn explain_string(&self, mode: ExplainMode) -> Result<String> {
        let (mut state, written) = self.inner().clone().into_parts();
        let decided = Arc::new(DecidedJoins::default());
        state.config_mut().set_extension(Arc::clone(&decided));
        let optimized = state.optimize(&without_running(&written)?)?;
        let planner = state.query_planner();
        let physical = planner.create_physical_plan(&optimized, &state).await?;
        let mut text = Sections::default();
        if mode == ExplainMode::Extended {
            text.add("Analyzed Logical Plan", written.display_indent());
        }
        if matches!(mode, ExplainMode::Extended | ExplainMode::Cost) {
            text.add("Optimized Logical Plan", optimized.display_indent());
        }
        let shown = displayable(Arc::as_ref(&physical));
        match mode {
            ExplainMode::Simple | ExplainMode::Extended => {
                text.add("Physical Plan", shown.indent(false));
            }
            ExplainMode::Cost => {
                let shown = shown.set_show_statistics(true);
                text.add("Physical Plan", shown.indent(false));
            }
            ExplainMode::Formatted => text.add("Physical Plan", formatted(&physical)),
        }
        let joins = decided.take().into_iter().rev();
        text.add_lines("Joins", joins);
        text.add_lines("Delta Tables", explain_reads(&optimized, &state).await?);
        Ok(text.0)
    }

    /// Runs the query, leaves its rows, and prints its plan on stdout with what its nodes have measured, and a table of its stages:
    /// [`Self::profile`].
    ///
    /// # Errors
    /// As [`Self::profile`].
    pub async fn explain_analyze(&self) -> Result<()> {
        print_line(self.profile().await?.to_string())
    }
}

/// Text below titles, with an empty line between two.
#[derive(Default)]
struct Sections(String);

impl Sections {
    fn add(&mut self, title: &str, text: impl Display) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        let text = text.to_string();
        self.0 += &format!("== {title} ==\n{}\n", text.trim_end());
    }

    /// Of no lines, nothing.
    fn add_lines(&mut self, title: &str, lines: impl IntoIterator<Item: Display>) {
        let lines: Vec<String> = lines.into_iter().map(|line| line.to_string()).collect();
        if !lines.is_empty() {
            self.add(title, lines.join("\n"));
        }
    }
}
