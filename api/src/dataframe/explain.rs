//! `explain`: the plan as text.

use std::sync::Arc;

use datafusion::physical_plan::displayable;
use weir_connectors::delta::explain_reads;
use weir_plan::Result;
use weir_plan::logical::WeirQueryPlanner;

use super::DataFrame;
use crate::program::print_line;

/// How much `explain` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainMode {
    /// The physical plan; how each join is done, and why; what is read of Delta tables: files of how many, by which filters.
    #[default]
    Simple,
    /// The logical plan as written, as optimized, and what `Simple` shows.
    Extended,
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
        let (state, plan) = self.inner().clone().into_parts();
        let physical = state.create_physical_plan(&plan).await?;
        let physical = displayable(Arc::as_ref(&physical)).indent(false);
        let optimized = state.optimize(&plan)?;
        let reads = explain_reads(&optimized, &state).await?;
        let (_, joins) = WeirQueryPlanner::default()
            .plan_with_joins(&optimized, &state)
            .await?;
        let joins = joins.iter().rev().map(ToString::to_string).collect();
        let more: [(&str, Vec<String>); 2] = [("Joins", joins), ("Delta Tables", reads)];
        let more: String = more
            .iter()
            .filter(|(_, lines)| !lines.is_empty())
            .map(|(title, lines)| format!("\n== {title} ==\n{}\n", lines.join("\n")))
            .collect();
        Ok(match mode {
            ExplainMode::Simple => format!("== Physical Plan ==\n{physical}{more}"),
            ExplainMode::Extended => format!(
                "== Analyzed Logical Plan ==\n{}\n\n== Optimized Logical Plan ==\n{}\n\n\
                 == Physical Plan ==\n{physical}{more}",
                plan.display_indent(),
                optimized.display_indent(),
            ),
        })
    }
}
