//! A physical plan in two parts, as Spark's `explain("formatted")` shows it: an outline of numbered nodes, then each node whole.

use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};

/// The outline of `plan`, and its nodes, those at the bottom first.
pub(super) fn formatted(plan: &Arc<dyn ExecutionPlan>) -> String {
    let mut nodes = Vec::new();
    let mut outline = Vec::new();
    add(plan, "", "", &mut nodes, &mut outline);
    let details = nodes.iter().zip(1..).map(|(node, number)| {
        let schema = node.schema();
        let fields = schema.fields().iter();
        let columns = fields.map(|field| format!("{}: {}", field.name(), field.data_type()));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let line = displayable(Arc::as_ref(node)).one_line().to_string();
        // `HashJoinExec: mode=..`: the name is above.
        let own = line.trim_end();
        let own = own.strip_prefix(node.name()).unwrap_or(own);
        let own = own.trim_start_matches(':').trim();
        let arguments = match own {
            "" => String::new(),
            own => format!("\nArguments: {own}"),
        };
        format!(
            "({number}) {}\nOutput [{}]: {columns}{arguments}",
            node.name(),
            schema.fields().len()
        )
    });
    let details: Vec<String> = details.collect();
    format!("{}\n\n{}", outline.join("\n"), details.join("\n\n"))
}

/// Adds `plan` and what is below it: to `nodes` each after its inputs, to `outline` before them. `first` begins the node's own line, `rest`
/// those below.
fn add(
    plan: &Arc<dyn ExecutionPlan>,
    first: &str,
    rest: &str,
    nodes: &mut Vec<Arc<dyn ExecutionPlan>>,
    outline: &mut Vec<String>,
) {
    let line = outline.len();
    outline.push(String::new());
    let inputs = plan.children();
    for (place, input) in inputs.iter().enumerate() {
        let (branch, below) = match place + 1 == inputs.len() {
            true => ("+- ", "   "),
            false => (":- ", ":  "),
        };
        let (first, rest) = (format!("{rest}{branch}"), format!("{rest}{below}"));
        add(input, &first, &rest, nodes, outline);
    }
    nodes.push(Arc::clone(plan));
    outline[line] = format!("{first}{} ({})", plan.name(), nodes.len());
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    #[tokio::test]
    async fn nodes_are_numbered_from_the_bottom_and_told_below_the_outline() {
        let context = SessionContext::new();
        let plan = context
            .sql("select 1 as a union all select 2")
            .await
            .unwrap()
            .create_physical_plan()
            .await
            .unwrap();
        let text = formatted(&plan);
        assert_eq!(
            text,
            "UnionExec (5)\n\
             :- ProjectionExec (2)\n\
             :  +- PlaceholderRowExec (1)\n\
             +- ProjectionExec (4)\n   \
                +- PlaceholderRowExec (3)\n\n\
             (1) PlaceholderRowExec\nOutput [0]: \n\n\
             (2) ProjectionExec\nOutput [1]: a: Int64\nArguments: expr=[1 as a]\n\n\
             (3) PlaceholderRowExec\nOutput [0]: \n\n\
             (4) ProjectionExec\nOutput [1]: a: Int64\nArguments: expr=[2 as a]\n\n\
             (5) UnionExec\nOutput [1]: a: Int64"
        );
    }
}
