//! Records walked through without being read: which of them are none, by their bytes.
//!
//! A decoder of `arrow-avro` that met a bad record has to be made anew, which takes as long as many records, and it takes a branch that a
//! union of two does not have for one of the two. So lengths, varints and branches are looked at before ([`Walk::check`]). Text that is
//! none, which it finds itself, is looked for where it has found some ([`Walk::check_text`]). What is passed here may still be bad.

use serde_json::Value;

use super::schema::{branches, items, kind, within};

/// A writer's type, with what its reader makes of it.
#[derive(Debug)]
pub(super) struct Walk {
    shape: Shape,
    /// A value that the reader does not have is passed over by its length where it says one.
    skipped: bool,
}

#[derive(Debug)]
enum Shape {
    Nothing,
    Byte,
    Int,
    Long,
    Fixed(usize),
    Bytes,
    /// That the reader has as text.
    Text,
    Repeated {
        /// Of a map.
        keys: bool,
        item: Box<Walk>,
    },
    /// Names, for messages.
    Record(Vec<(String, Walk)>),
    Union(Vec<Walk>),
}

impl Walk {
    /// Through records of `writer` that are read as `reader`.
    pub(super) fn new(writer: &Value, reader: &Value) -> Self {
        Self::of(writer, Some(reader))
    }

    fn of(writer: &Value, reader: Option<&Value>) -> Self {
        // The types that a value may be read as.
        let read: Vec<&Value> = match reader {
            None => Vec::new(),
            Some(union @ Value::Array(_)) => branches(union).0,
            Some(one) => vec![one],
        };
        let like = |wanted: &str| read.iter().copied().find(|one| kind(one) == wanted);
        let shape = match kind(writer) {
            "null" => Shape::Nothing,
            "boolean" => Shape::Byte,
            "int" | "enum" => Shape::Int,
            "long" => Shape::Long,
            "float" => Shape::Fixed(4),
            "double" => Shape::Fixed(8),
            "fixed" => {
                let size = writer["size"].as_u64().unwrap_or(0);
                Shape::Fixed(usize::try_from(size).unwrap_or(usize::MAX))
            }
            "string" if like("string").is_some() => Shape::Text,
            kind @ ("array" | "map") => {
                let inner = if kind == "array" { "items" } else { "values" };
                Shape::Repeated {
                    keys: kind == "map",
                    item: Box::new(Self::of(
                        &writer[inner],
                        like(kind).map(|reader| &reader[inner]),
                    )),
                }
            }
            "record" => {
                let ours = like("record").map_or(&[][..], |reader| items(reader, "fields"));
                let fields = items(writer, "fields").iter().map(|their| {
                    let aliased =
                        |our: &&Value| items(our, "aliases").iter().any(|a| a == &their["name"]);
                    let same = ours.iter().find(|our| our["name"] == their["name"]);
                    let our = same.or_else(|| ours.iter().find(aliased));
                    let name = their["name"].as_str().unwrap_or("").to_owned();
                    (name, Self::of(&their["type"], our.map(|our| &our["type"])))
                });
                Shape::Record(fields.collect())
            }
            "union" => {
                let all = writer.as_array().map_or(&[][..], Vec::as_slice);
                Shape::Union(all.iter().map(|one| Self::of(one, reader)).collect())
            }
            _ => Shape::Bytes,
        };
        Self {
            shape,
            skipped: reader.is_none(),
        }
    }

    /// Why `body` is no record, if that shows in how it is divided.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), String> {
        self.check_as(body, false)
    }

    /// The same, and whether what is read as text is.
    pub(super) fn check_text(&self, body: &[u8]) -> Result<(), String> {
        self.check_as(body, true)
    }

    fn check_as(&self, body: &[u8], text: bool) -> Result<(), String> {
        let mut rest = body;
        match self.pass(&mut rest, Place::Root, text) {
            Ok(()) if body.is_empty() => Err("it is empty".to_owned()),
            Ok(()) if !rest.is_empty() => Err("bytes follow its end".to_owned()),
            Ok(()) => Ok(()),
            Err(Stop::End) if body.is_empty() => Err("it is empty".to_owned()),
            Err(Stop::End) => Err(format!(
                "it ends within a value, after {} bytes",
                body.len()
            )),
            Err(Stop::Bad(why)) => {
                let at = body.len() - rest.len();
                Err(format!(
                    "it does not fit its schema: {why}, before byte {at}"
                ))
            }
        }
    }

    fn pass(&self, rest: &mut &[u8], place: Place<'_>, text: bool) -> Result<(), Stop> {
        match &self.shape {
            Shape::Nothing => Ok(()),
            Shape::Byte => take(rest, 1).map(|_| ()),
            Shape::Fixed(size) => take(rest, *size).map(|_| ()),
            Shape::Int => match varint(rest, place)? {
                0..=0xffff_ffff => Ok(()),
                _ => Err(bad(place, "a number beyond 32 bits")),
            },
            Shape::Long => varint(rest, place).map(|_| ()),
            Shape::Bytes => prefixed(rest, place).map(|_| ()),
            Shape::Text => {
                let found = prefixed(rest, place)?;
                match text && std::str::from_utf8(found).is_err() {
                    true => Err(bad(place, "text that is no UTF-8")),
                    false => Ok(()),
                }
            }
            Shape::Repeated { keys, item } => self.blocks(rest, place, *keys, item, text),
            Shape::Record(fields) => fields.iter().try_for_each(|(name, field)| {
                let place = Place::Field(&place, name);
                field.pass(rest, place, text)
            }),
            Shape::Union(all) => {
                let branch = long(rest, place)?;
                let found = usize::try_from(branch).ok().and_then(|at| all.get(at));
                match found {
                    Some(found) => found.pass(rest, place, text),
                    None => Err(bad(place, &format!("a union has no type {branch}"))),
                }
            }
        }
    }

    fn blocks(
        &self,
        rest: &mut &[u8],
        place: Place<'_>,
        keys: bool,
        item: &Self,
        text: bool,
    ) -> Result<(), Stop> {
        let mut all = 0_u64;
        loop {
            let count = long(rest, place)?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                let size = long(rest, place)?;
                let size = usize::try_from(size);
                let size = size.map_err(|_| bad(place, "a length below zero"))?;
                if self.skipped {
                    take(rest, size)?;
                    continue;
                }
            }
            all = all.saturating_add(count.unsigned_abs());
            if all > i32::MAX.unsigned_abs().into() {
                // Items without bytes would go on for ever.
                return Err(bad(place, "more items than a column holds"));
            }
            for _ in 0..count.unsigned_abs() {
                if keys {
                    prefixed(rest, place)?;
                }
                item.pass(rest, place, text)?;
            }
        }
    }
}

/// Where in a record, in a form that costs nothing before it is shown.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
}

impl Place<'_> {
    fn path(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(outer, name) => within(&outer.path(), name),
        }
    }
}

enum Stop {
    /// It is cut off.
    End,
    /// Why it is bad, with the place.
    Bad(String),
}

#[cold]
fn bad(place: Place<'_>, why: &str) -> Stop {
    Stop::Bad(match place.path().as_str() {
        "" => why.to_owned(),
        place => format!("field {place:?}: {why}"),
    })
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Result<&'a [u8], Stop> {
    let (taken, after) = rest.split_at_checked(size).ok_or(Stop::End)?;
    *rest = after;
    Ok(taken)
}

fn prefixed<'a>(rest: &mut &'a [u8], place: Place<'_>) -> Result<&'a [u8], Stop> {
    let length = usize::try_from(long(rest, place)?);
    take(rest, length.map_err(|_| bad(place, "a length below zero"))?)
}

fn long(rest: &mut &[u8], place: Place<'_>) -> Result<i64, Stop> {
    let value = varint(rest, place)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

fn varint(rest: &mut &[u8], place: Place<'_>) -> Result<u64, Stop> {
    let mut value = 0;
    for (at, byte) in rest.iter().enumerate().take(10) {
        if at == 9 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *rest = &rest[at + 1..];
            return Ok(value);
        }
    }
    match rest.len() {
        ..10 => Err(Stop::End),
        _ => Err(bad(place, "a number beyond 64 bits")),
    }
}
