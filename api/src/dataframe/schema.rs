//! What a dataframe's columns are.

use datafusion::arrow::datatypes::{DataType, Field};
use weir_plan::Result;
use weir_plan::functions::ddl::type_name;

use super::DataFrame;
use super::widen::plain;
use crate::program::print_line;

impl DataFrame {
    /// The names of its columns.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let schema = self.inner.schema();
        schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    /// Its columns and their types.
    #[must_use]
    pub fn schema(&self) -> &datafusion::common::DFSchema {
        self.inner.schema()
    }

    /// The names of its columns with their types as Spark's SQL writes them (`bigint`, `array<string>`).
    #[must_use]
    pub fn dtypes(&self) -> Vec<(String, String)> {
        let fields = self.schema().fields().iter();
        fields
            .map(|field| (field.name().clone(), type_name(plain(field.data_type()))))
            .collect()
    }

    /// Prints its columns and types as a tree, as Spark does.
    ///
    /// # Errors
    /// `Storage` when stdout cannot be written to.
    pub fn print_schema(&self) -> Result<()> {
        print_line(self.schema_string())
    }

    /// What [`Self::print_schema`] prints.
    #[must_use]
    pub fn schema_string(&self) -> String {
        let mut lines = vec!["root".to_owned()];
        for field in self.schema().fields() {
            field_lines(field, "", &mut lines);
        }
        lines.join("\n")
    }
}

fn field_lines(field: &Field, indent: &str, lines: &mut Vec<String>) {
    lines.push(format!(
        "{indent} |-- {}: {} (nullable = {})",
        field.name(),
        tree_name(field.data_type()),
        field.is_nullable()
    ));
    type_lines(field.data_type(), &format!("{indent} |   "), lines);
}

/// What stands under a column of `data_type`.
fn type_lines(data_type: &DataType, indent: &str, lines: &mut Vec<String>) {
    let deeper = || format!("{indent} |   ");
    let child = |name: &str, field: &Field, about: String| {
        format!(
            "{indent} |-- {name}: {}{about}",
            tree_name(field.data_type())
        )
    };
    match data_type {
        DataType::Struct(fields) => {
            for field in fields {
                field_lines(field, indent, lines);
            }
        }
        DataType::List(item) | DataType::LargeList(item) => {
            let about = format!(" (containsNull = {})", item.is_nullable());
            lines.push(child("element", item, about));
            type_lines(item.data_type(), &deeper(), lines);
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return;
            };
            if let [key, value] = &pair[..] {
                lines.push(child("key", key, String::new()));
                type_lines(key.data_type(), &deeper(), lines);
                let about = format!(" (valueContainsNull = {})", value.is_nullable());
                lines.push(child("value", value, about));
                type_lines(value.data_type(), &deeper(), lines);
            }
        }
        _ => {}
    }
}

/// The tree names types otherwise than SQL.
fn tree_name(data_type: &DataType) -> String {
    match plain(data_type) {
        DataType::Int8 => "byte".to_owned(),
        DataType::Int16 => "short".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "long".to_owned(),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::List(_) | DataType::LargeList(_) => "array".to_owned(),
        DataType::Map(..) => "map".to_owned(),
        other => type_name(other),
    }
}
