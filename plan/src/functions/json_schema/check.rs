//! Whether records of one JSON schema can be read as those of another, without a value that nobody wrote.

use super::schema::{JsonKind, JsonType, shown};
use crate::functions::avro::within;

/// Why records written with `writer` cannot be read as `reader`, with the place.
///
/// A property of the reader that the writer's schema does not have needs a default: in the records, a property that was renamed looks like
/// one that was left out.
pub(crate) fn check(writer: &JsonType, reader: &JsonType) -> Result<(), String> {
    resolve(writer, reader, "")
}

fn resolve(writer: &JsonType, reader: &JsonType, place: &str) -> Result<(), String> {
    match (&writer.kind, &reader.kind) {
        (JsonKind::Any, _) | (_, JsonKind::Any) => Ok(()),
        (JsonKind::Integer, JsonKind::Number) => Ok(()),
        (JsonKind::Array(their), JsonKind::Array(our)) => {
            resolve(their, our, &within(place, "items"))
        }
        (JsonKind::Map(their), JsonKind::Map(our)) => {
            resolve(their, our, &within(place, "additionalProperties"))
        }
        (JsonKind::Object(theirs), JsonKind::Object(ours)) => {
            for property in ours {
                let place = within(place, &property.name);
                match theirs.iter().find(|their| their.name == property.name) {
                    Some(their) => resolve(&their.json_type, &property.json_type, &place)?,
                    None if property.default.is_some() => {}
                    None => {
                        return Err(format!(
                            "{} is not in the writer's schema and has no default in the reader's: it was removed or renamed; \
                             give it a default",
                            shown(&place)
                        ));
                    }
                }
            }
            Ok(())
        }
        (their, our) if their == our => Ok(()),
        (their, our) => Err(format!(
            "{} changed its type: {} in the writer's schema, {} in the reader's",
            shown(place),
            their.name(),
            our.name()
        )),
    }
}
