//! Whether messages of a writer's schema can be read as a reader's, without a value that nobody wrote.
//!
//! Protobuf reads a field by its number, and one that is not there as its default: a field that was renamed or removed would be read as zero,
//! or as another one's value. So a field of the reader has to be the writer's, by number, name and type; one that the writer does not
//! have is allowed where its absence shows, as null (`optional`, a member of a `oneof`), and where the reader's schema names a default
//! (proto2).

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor, Syntax};

/// Why messages `writer` cannot be read as `reader`, with the place.
pub(crate) fn check(writer: &MessageDescriptor, reader: &MessageDescriptor) -> Result<(), String> {
    // Nothing is read of it.
    for field in reader.fields() {
        let place = field.full_name();
        let Some(theirs) = writer.get_field(field.number()) else {
            if let Some(moved) = writer.get_field_by_name(field.name()) {
                return Err(format!(
                    "field {place:?} has number {} in the writer's schema and {} in the reader's",
                    moved.number(),
                    field.number()
                ));
            }
            if may_lack(&field) {
                continue;
            }
            return Err(format!(
                "field {place:?} (number {}) is not in the writer's schema: it was removed, and would be read as its default; \
                 make it optional in the reader's",
                field.number()
            ));
        };
        if theirs.name() != field.name() {
            return Err(format!(
                "field {place:?} (number {}) is {:?} in the writer's schema: it was renamed",
                field.number(),
                theirs.name()
            ));
        }
        if theirs.is_list() != field.is_list() || theirs.is_map() != field.is_map() {
            return Err(changed(&theirs, &field));
        }
        same_kind(&theirs, &field)?;
    }
    Ok(())
}

fn may_lack(field: &FieldDescriptor) -> bool {
    let proto2 = field.parent_file().syntax() == Syntax::Proto2;
    field.containing_oneof().is_some()
        || field.field_descriptor_proto().default_value.is_some()
        || (proto2 && field.cardinality() == Cardinality::Optional)
}

fn same_kind(theirs: &FieldDescriptor, ours: &FieldDescriptor) -> Result<(), String> {
    match (theirs.kind(), ours.kind()) {
        (Kind::Message(their), Kind::Message(our)) if ours.is_map() => {
            same_kind(&their.map_entry_key_field(), &our.map_entry_key_field())?;
            same_kind(&their.map_entry_value_field(), &our.map_entry_value_field())
        }
        (Kind::Message(their), Kind::Message(our)) => {
            let known = our.full_name().starts_with("google.protobuf.");
            match known && their.full_name() == our.full_name() {
                true => Ok(()),
                false => check(&their, &our),
            }
        }
        (Kind::Enum(their), Kind::Enum(our)) => {
            for value in their.values() {
                if let Some(named) = our.get_value(value.number())
                    && named.name() != value.name()
                    // Several names may have one number.
                    && our.get_value_by_name(value.name()).is_none_or(|own| own.number() != value.number())
                {
                    return Err(format!(
                        "value {} of enum {:?} is {:?} in the writer's schema and {:?} in the reader's",
                        value.number(),
                        our.full_name(),
                        value.name(),
                        named.name()
                    ));
                }
            }
            Ok(())
        }
        // The same bytes, of a wider type.
        (Kind::Int32, Kind::Int64)
        | (Kind::Uint32, Kind::Uint64)
        | (Kind::Sint32, Kind::Sint64) => Ok(()),
        (their, our) if their == our => Ok(()),
        _ => Err(changed(theirs, ours)),
    }
}

fn changed(theirs: &FieldDescriptor, ours: &FieldDescriptor) -> String {
    let text = |field: &FieldDescriptor| {
        let of = match (field.is_map(), field.is_list()) {
            (true, _) => "map of ",
            (_, true) => "repeated ",
            _ => "",
        };
        format!("{of}{:?}", field.kind())
    };
    format!(
        "field {:?} changed its type: {} in the writer's schema, {} in the reader's",
        ours.full_name(),
        text(theirs),
        text(ours)
    )
}
