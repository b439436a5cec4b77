//! Spark's type names and DDL: `"decimal(10,2)"`, `"a INT, b ARRAY<STRUCT<c: STRING>>"`.
//!
//! One parser serves casts, schemas and `from_json`. Strings are UTF-8, timestamps microseconds in
//! UTC (`timestamp`) or without a zone (`timestamp_ntz`), decimals 128 bits wide. What Spark has and
//! Arrow or Weir has not (`variant`, intervals, `char(n)`) is refused by name.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};

use crate::error::{Error, Result};
use crate::options::did_you_mean;

/// How deep types may nest: a schema that a program built wrongly must not overflow the stack.
const DEPTH_MAX: usize = 64;

const SIMPLE: &[(&str, DataType)] = &[
    ("string", DataType::Utf8),
    ("binary", DataType::Binary),
    ("boolean", DataType::Boolean),
    ("tinyint", DataType::Int8),
    ("byte", DataType::Int8),
    ("smallint", DataType::Int16),
    ("short", DataType::Int16),
    ("int", DataType::Int32),
    ("integer", DataType::Int32),
    ("bigint", DataType::Int64),
    ("long", DataType::Int64),
    ("float", DataType::Float32),
    ("real", DataType::Float32),
    ("double", DataType::Float64),
    ("date", DataType::Date32),
    (
        "timestamp_ntz",
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ),
];
const OTHERS: &[&str] = &[
    "timestamp",
    "timestamp_ltz",
    "decimal",
    "dec",
    "numeric",
    "array",
    "map",
    "struct",
];
const REFUSED: &[&str] = &[
    "variant",
    "interval",
    "void",
    "char",
    "varchar",
    "time",
    "geometry",
    "geography",
];

/// Spark's `timestamp`: microseconds since the epoch, in UTC.
#[must_use]
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A type by its Spark name, however nested.
///
/// # Errors
/// `InvalidArgument` for what is no type, naming the nearest; `Unsupported` for a type of Spark's
/// that Weir has not.
pub fn parse_type(text: &str) -> Result<DataType> {
    let mut parser = Parser::new(text)?;
    let found = parser.data_type(0)?;
    parser.end()?;
    Ok(found)
}

/// A table's schema: `"name TYPE [NOT NULL] [COMMENT 'text'], ..."`; a colon after the name is allowed.
///
/// # Errors
/// As [`parse_type`].
pub fn parse_schema(text: &str) -> Result<Schema> {
    let mut parser = Parser::new(text)?;
    let fields = parser.fields(0, None)?;
    parser.end()?;
    Ok(Schema::new(fields))
}

/// A schema or a type, as functions take it: a table's columns are a struct's fields.
///
/// # Errors
/// As [`parse_type`].
pub fn parse_schema_or_type(text: &str) -> Result<DataType> {
    let parser = Parser::new(text)?;
    // A column's name is followed by its type or a colon, a type by its arguments or nothing.
    let is_type = matches!(
        parser.tokens.as_slice(),
        [_] | [_, Token::Symbol('<' | '('), ..]
    );
    if is_type {
        parse_type(text)
    } else {
        Ok(DataType::Struct(parse_schema(text)?.fields))
    }
}

/// A type's name as Spark shows it (`simpleString`); Arrow's own for a type Spark has not.
#[must_use]
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "binary".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Date32 => "date".into(),
        DataType::Null => "void".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp".into(),
        DataType::Timestamp(_, None) => "timestamp_ntz".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("array<{}>", type_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|f| format!("{}:{}", f.name(), type_name(f.data_type())))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!(
                    "map<{},{}>",
                    type_name(pair[0].data_type()),
                    type_name(pair[1].data_type())
                )
            }
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// An array's type, with the field name Arrow gives items by default.
#[must_use]
pub fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// A map's type, with the field names the engine gives its own maps.
#[must_use]
pub fn map_of(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![
        Field::new("key", key, false),
        Field::new("value", value, true),
    ]);
    DataType::Map(
        Arc::new(Field::new("entries", DataType::Struct(entries), false)),
        false,
    )
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// A name between backticks: never a keyword.
    Quoted(String),
    Text(String),
    Symbol(char),
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let tokens = tokens(text)?;
        Ok(Self {
            text,
            tokens,
            at: 0,
        })
    }

    fn data_type(&mut self, depth: usize) -> Result<DataType> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nests deeper than {DEPTH_MAX} types")));
        }
        let Some(Token::Word(spelt)) = self.next() else {
            return Err(self.expected("a type", 1));
        };
        let name = spelt.to_lowercase();
        if let Some((_, found)) = SIMPLE.iter().find(|(known, _)| *known == name) {
            return Ok(found.clone());
        }
        match name.as_str() {
            "timestamp" | "timestamp_ltz" => Ok(timestamp_type()),
            "decimal" | "dec" | "numeric" => self.decimal(),
            "array" => {
                self.symbol('<')?;
                let item = self.data_type(depth + 1)?;
                self.symbol('>')?;
                Ok(list_of(item))
            }
            "map" => {
                self.symbol('<')?;
                let key = self.data_type(depth + 1)?;
                self.symbol(',')?;
                let value = self.data_type(depth + 1)?;
                self.symbol('>')?;
                Ok(map_of(key, value))
            }
            "struct" => {
                self.symbol('<')?;
                let fields = self.fields(depth + 1, Some('>'))?;
                self.symbol('>')?;
                Ok(DataType::Struct(fields.into()))
            }
            refused if REFUSED.contains(&refused) => Err(Error::unsupported(format!(
                "type {spelt:?} in {:?} is not supported",
                self.text
            ))),
            _ => {
                let known = SIMPLE
                    .iter()
                    .map(|(known, _)| *known)
                    .chain(OTHERS.iter().copied());
                Err(Error::invalid_argument(format!(
                    "unknown type {spelt:?}{}{}",
                    if spelt == self.text {
                        String::new()
                    } else {
                        format!(" in {:?}", self.text)
                    },
                    did_you_mean(&name, known)
                )))
            }
        }
    }

    fn decimal(&mut self) -> Result<DataType> {
        if self.peek() != Some(&Token::Symbol('(')) {
            return Ok(DataType::Decimal128(10, 0));
        }
        self.symbol('(')?;
        let precision = self.number()?;
        let scale = if self.peek() == Some(&Token::Symbol(',')) {
            self.symbol(',')?;
            self.number()?
        } else {
            0
        };
        self.symbol(')')?;
        match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(precision @ 1..=38), Ok(scale)) if u8::try_from(scale).is_ok_and(|s| s <= precision) => {
                Ok(DataType::Decimal128(precision, scale))
            }
            _ => Err(self.error(format!(
                "has decimal({precision},{scale}): the precision is 1 to 38, the scale 0 to the precision"
            ))),
        }
    }

    /// Fields up to `end`, which is left to be read.
    fn fields(&mut self, depth: usize, end: Option<char>) -> Result<Vec<FieldRef>> {
        let mut fields = Vec::new();
        if end.is_some() && self.peek() == end.map(Token::Symbol).as_ref() {
            return Ok(fields);
        }
        loop {
            let name = match self.next() {
                Some(Token::Word(name) | Token::Quoted(name)) => name,
                _ => return Err(self.expected("a column's name", 1)),
            };
            if self.peek() == Some(&Token::Symbol(':')) {
                self.at += 1;
            }
            let data_type = self.data_type(depth)?;
            let mut nullable = true;
            if self.keyword("not") {
                if !self.keyword("null") {
                    return Err(self.expected("NULL after NOT", 0));
                }
                nullable = false;
            }
            let mut field = Field::new(name, data_type, nullable);
            if self.keyword("comment") {
                let Some(Token::Text(comment)) = self.next() else {
                    return Err(self.expected("a quoted text after COMMENT", 1));
                };
                field = field.with_metadata([("comment".to_owned(), comment)].into());
            }
            fields.push(Arc::new(field));
            if self.peek() != Some(&Token::Symbol(',')) {
                return Ok(fields);
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<u32> {
        match self.next() {
            Some(Token::Word(digits)) if digits.parse::<u32>().is_ok() => {
                Ok(digits.parse().unwrap_or(u32::MAX))
            }
            _ => Err(self.expected("a number", 1)),
        }
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: char) -> Result<()> {
        if self.peek() == Some(&Token::Symbol(symbol)) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.expected(&format!("'{symbol}'"), 0))
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn end(&self) -> Result<()> {
        if self.at < self.tokens.len() {
            return Err(self.expected("the end", 0));
        }
        Ok(())
    }

    /// `back`: how many tokens ago the unexpected one was.
    fn expected(&self, what: &str, back: usize) -> Error {
        let found = match self.tokens.get(self.at.saturating_sub(back)) {
            Some(Token::Word(word) | Token::Quoted(word) | Token::Text(word)) => {
                format!("{word:?}")
            }
            Some(Token::Symbol(symbol)) => format!("'{symbol}'"),
            None => "the end".to_owned(),
        };
        self.error(format!("has {found} where {what} is expected"))
    }

    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::invalid_argument(format!("type or schema {:?} {what}", self.text))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        match first {
            ' ' | '\t' | '\r' | '\n' => {}
            '<' | '>' | '(' | ')' | ',' | ':' => tokens.push(Token::Symbol(first)),
            '`' | '\'' | '"' => {
                let mut inside = String::new();
                loop {
                    match chars.next() {
                        // A quote within is doubled.
                        Some((_, c)) if c == first => {
                            if chars.next_if(|(_, c)| *c == first).is_none() {
                                break;
                            }
                            inside.push(first);
                        }
                        Some((_, c)) => inside.push(c),
                        None => {
                            return Err(Error::invalid_argument(format!(
                                "type or schema {text:?} has an unclosed {first} at byte {start}"
                            )));
                        }
                    }
                }
                tokens.push(if first == '`' {
                    Token::Quoted(inside)
                } else {
                    Token::Text(inside)
                });
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some((_, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            other => {
                return Err(Error::invalid_argument(format!(
                    "type or schema {text:?} has {other:?} at byte {start}; put unusual names between backticks"
                )));
            }
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_schema_is_understood_and_shown_as_spark_does() {
        let ddl = "a STRING, `b c` STRUCT<d: BIGINT NOT NULL, e ARRAY<INT>> COMMENT 'it''s', \
                   f MAP<STRING, DECIMAL(10, 2)>, g timestamp, h dec";
        let parsed = parse_schema_or_type(ddl).unwrap();
        assert_eq!(
            type_name(&parsed),
            "struct<a:string,b c:struct<d:bigint,e:array<int>>,f:map<string,decimal(10,2)>,g:timestamp,h:decimal(10,0)>"
        );
        let schema = parse_schema(ddl).unwrap();
        assert_eq!(schema.field(1).metadata()["comment"], "it's");
        assert_eq!(
            parse_schema_or_type("array<int>").unwrap(),
            list_of(DataType::Int32)
        );
        assert_eq!(
            parse_schema_or_type("map<string,int>").unwrap(),
            map_of(DataType::Utf8, DataType::Int32)
        );
        // A column may be called like a type.
        assert_eq!(
            parse_schema("array array<int>, map:int")
                .unwrap()
                .fields()
                .len(),
            2
        );
    }

    #[test]
    fn spark_type_names_are_understood() {
        assert_eq!(parse_type("STRING").unwrap(), DataType::Utf8);
        assert_eq!(
            parse_type("decimal(10, 2)").unwrap(),
            DataType::Decimal128(10, 2)
        );
        assert_eq!(
            parse_type(" struct<> ").unwrap(),
            DataType::Struct(Fields::empty())
        );
    }

    #[test]
    fn wrong_type_is_refused_saying_where() {
        for (text, part) in [
            ("strin", "did you mean \"string\"?"),
            ("decimal(99,2)", "1 to 38"),
            ("decimal(4,5)", "0 to the precision"),
            ("array<int", "the end where '>'"),
            ("array<int>>", "'>' where the end"),
            ("map<int>", "'>' where ','"),
            ("a INT b STRING", "\"b\" where the end"),
            ("a INT,", "the end where a column's name"),
            ("a struct<b: intt>", "unknown type \"intt\""),
            ("a VARIANT", "\"VARIANT\""),
            ("a varchar(3)", "\"varchar\""),
            ("`a INT", "unclosed `"),
            ("a-b INT", "backticks"),
            ("", "the end where"),
        ] {
            let error = parse_schema_or_type(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let deep = format!("{}int{}", "array<".repeat(5000), ">".repeat(5000));
        assert!(
            parse_type(&deep)
                .unwrap_err()
                .to_string()
                .contains("deeper")
        );
    }
}
