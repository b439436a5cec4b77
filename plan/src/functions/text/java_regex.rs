//! Java's regular expressions, as far as they can be matched in linear time.
//!
//! What the `regex` crate reads otherwise is rewritten: `\d`, `\w`, `\s` and `\b` are ASCII, a dot leaves out five line
//! terminators, `$` and `\Z` also match before a last one. What it cannot do (look-around, back references, possessive
//! quantifiers, intersections written with flags) is refused by name. Searching goes on as Java's `Matcher.find` does.

use regex::{Captures, Regex};

use crate::error::{Error, Result};

/// A pattern, compiled.
pub(super) struct JavaRegex {
    regex: Regex,
    /// The groups of the pattern, by Java's number; ours also counts those added for `$`.
    groups: Vec<usize>,
    /// The groups added for `$`: where one took part, the match ends before it.
    ends: Vec<usize>,
}

/// Where a match, or a group of it, begins and ends.
pub(super) type Span = (usize, usize);

const TERMINATOR: &str = r"(\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z";

impl JavaRegex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no pattern, `Unsupported` for what is not supported here.
    pub(super) fn new(pattern: &str) -> Result<Self> {
        let translated = Translator::new(pattern).run().map_err(|what| {
            Error::unsupported(format!(
                "regular expression {pattern:?} has {what}, which is not supported"
            ))
        })?;
        let regex = Regex::new(&translated.out).map_err(|error| {
            Error::invalid_argument(format!("{pattern:?} is no regular expression"))
                .with_source(error)
        })?;
        Ok(Self {
            regex,
            groups: translated.groups,
            ends: translated.ends,
        })
    }

    /// How many groups the pattern has.
    pub(super) fn groups(&self) -> usize {
        self.groups.len() - 1
    }

    /// The group named `name`.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        let ours = self.regex.capture_names().position(|n| n == Some(name))?;
        self.groups.iter().position(|group| *group == ours)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The first match from byte `from` on: the spans of its groups, of which the first is the whole match.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Vec<Option<Span>>> {
        let found = self.regex.captures_at(text, from)?;
        let span = |group: usize, found: &Captures<'_>| {
            found.get(group).map(|part| (part.start(), part.end()))
        };
        let end = self.ends.iter().find_map(|group| span(*group, &found));
        let spans = self.groups.iter().map(|group| {
            let (start, stop) = span(*group, &found)?;
            let stop = end.map_or(stop, |(end, _)| stop.min(end));
            Some((start.min(stop), stop))
        });
        Some(spans.collect())
    }

    /// Every match, as [`Self::find`] gives it.
    pub(super) fn matches<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Vec<Option<Span>>> {
        let mut from = Some(0);
        std::iter::from_fn(move || {
            let spans = self.find(text, from?)?;
            from = spans[0].and_then(|whole| Self::after(text, whole));
            Some(spans)
        })
    }

    /// Where to search on after a match: Java goes on at its end, or a character later if it is empty.
    fn after(text: &str, (start, end): Span) -> Option<usize> {
        if end > start {
            return Some(end);
        }
        let next = text[end..].chars().next()?;
        Some(end + next.len_utf8())
    }
}

struct Translator<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
    groups: Vec<usize>,
    ends: Vec<usize>,
    count: usize,
    /// Flags that the groups around have set: `s` and `m`.
    dot_all: Vec<bool>,
    multi_line: Vec<bool>,
}

type Refusal = &'static str;

impl<'a> Translator<'a> {
    fn new(pattern: &'a str) -> Self {
        Self {
            chars: pattern.chars().peekable(),
            out: String::with_capacity(pattern.len() * 2),
            groups: vec![0],
            ends: Vec::new(),
            count: 0,
            dot_all: vec![false],
            multi_line: vec![false],
        }
    }

    fn flag(flags: &[bool]) -> bool {
        flags.last().copied().unwrap_or(false)
    }

    fn run(mut self) -> Result<Self, Refusal> {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open()?,
                ')' => {
                    if self.dot_all.len() > 1 {
                        self.dot_all.pop();
                        self.multi_line.pop();
                    }
                    self.out.push(')');
                }
                '.' if Self::flag(&self.dot_all) => self.out.push_str("(?s:.)"),
                '.' => self.out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
                '^' if Self::flag(&self.multi_line) => return Err("a ^ of several lines ((?m))"),
                '$' if Self::flag(&self.multi_line) => return Err("a $ of several lines ((?m))"),
                '^' => self.out.push_str(r"\A"),
                '$' => self.line_end(),
                '*' | '+' | '?' | '}' => {
                    self.out.push(c);
                    if self.chars.peek() == Some(&'+') {
                        return Err("a possessive quantifier");
                    }
                }
                _ => self.out.push(c),
            }
        }
        Ok(self)
    }

    fn line_end(&mut self) {
        self.count += 1;
        self.ends.push(self.count);
        self.out.push_str("(?:");
        self.out.push_str(TERMINATOR);
        self.out.push(')');
    }

    fn open(&mut self) -> Result<(), Refusal> {
        let (mut dot_all, mut multi_line) =
            (Self::flag(&self.dot_all), Self::flag(&self.multi_line));
        if self.chars.peek() != Some(&'?') {
            self.count += 1;
            self.groups.push(self.count);
            self.out.push('(');
            self.dot_all.push(dot_all);
            self.multi_line.push(multi_line);
            return Ok(());
        }
        self.chars.next();
        match self.chars.peek() {
            Some('=' | '!') => return Err("look-ahead"),
            Some('>') => return Err("an atomic group"),
            Some('<') => {
                self.chars.next();
                if matches!(self.chars.peek(), Some('=' | '!')) {
                    return Err("look-behind");
                }
                self.count += 1;
                self.groups.push(self.count);
                self.out.push_str("(?P<");
                self.dot_all.push(dot_all);
                self.multi_line.push(multi_line);
                return Ok(());
            }
            _ => {}
        }
        // Flags, and a group of them or none.
        let mut on = true;
        let mut flags = String::new();
        loop {
            match self.chars.next() {
                Some('-') => {
                    on = false;
                    flags.push('-');
                }
                Some('s') => dot_all = on,
                Some('m') => multi_line = on,
                // Without Unicode's cases, which Java leaves out, a letter has no other than ASCII's.
                Some('i') => flags.push('i'),
                Some('x') => return Err("the flag (?x)"),
                Some('u') => return Err("the flag (?u)"),
                Some('U') => return Err("the flag (?U)"),
                Some('d') => return Err("the flag (?d)"),
                Some(end @ (':' | ')')) => {
                    let flags = flags.trim_end_matches('-');
                    if end == ':' {
                        self.out.push_str("(?");
                        self.out.push_str(flags);
                        self.out.push(':');
                        self.dot_all.push(dot_all);
                        self.multi_line.push(multi_line);
                    } else {
                        if !flags.is_empty() {
                            self.out.push_str("(?");
                            self.out.push_str(flags);
                            self.out.push(')');
                        }
                        if let (Some(s), Some(m)) =
                            (self.dot_all.last_mut(), self.multi_line.last_mut())
                        {
                            *s = dot_all;
                            *m = multi_line;
                        }
                    }
                    return Ok(());
                }
                _ => return Err("a group that is none of Java's"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        let Some(c) = self.chars.next() else {
            self.out.push('\\');
            return Ok(());
        };
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'h' | 'H' => self.out.push_str(ascii_class(c)),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' => return Err(r"\B"),
            'A' | 'z' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Z' => self.line_end(),
            'R' => self
                .out
                .push_str(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])"),
            'Q' => {
                let mut quoted = String::new();
                for c in self.chars.by_ref() {
                    quoted.push(c);
                    if quoted.ends_with("\\E") {
                        quoted.truncate(quoted.len() - 2);
                        break;
                    }
                }
                self.out.push_str(&regex::escape(&quoted));
            }
            '1'..='9' | 'k' => return Err("a back reference"),
            'G' | 'X' | 'N' | 'v' | 'V' | 'c' | 'e' | '0' | 'E' => {
                return Err("an escape of Java's own");
            }
            _ => self.plain_escape(c),
        }
        Ok(())
    }

    /// An escape that both have, or a character that stands for itself.
    fn plain_escape(&mut self, c: char) {
        match c {
            'u' => self.out.push_str("\\u"),
            'p' | 'P' | 't' | 'n' | 'r' | 'f' | 'a' | 'x' => {
                self.out.push('\\');
                self.out.push(c);
            }
            _ => self
                .out
                .push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }

    fn class(&mut self) -> Result<(), Refusal> {
        self.out.push('[');
        let mut depth = 1;
        let mut first = true;
        if self.chars.peek() == Some(&'^') {
            self.chars.next();
            self.out.push('^');
        }
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => match self.chars.next() {
                    Some(c @ ('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'h' | 'H')) => {
                        self.out.push_str(ascii_class(c));
                    }
                    Some('Q' | 'E' | 'R' | 'b' | 'c' | 'e' | '0' | 'v' | 'V') => {
                        return Err("an escape of Java's own in a class");
                    }
                    Some(c) if c.is_ascii_punctuation() => {
                        self.out.push('\\');
                        self.out.push(c);
                    }
                    Some(c) => self.plain_escape(c),
                    None => self.out.push('\\'),
                },
                '[' => {
                    depth += 1;
                    self.out.push('[');
                    if self.chars.peek() == Some(&'^') {
                        self.chars.next();
                        self.out.push('^');
                    }
                    first = true;
                    continue;
                }
                // In Java a class is never empty: the first ] is a character.
                ']' if first => self.out.push_str("\\]"),
                ']' => {
                    self.out.push(']');
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                '&' if self.chars.peek() == Some(&'&') => {
                    self.chars.next();
                    self.out.push_str("&&");
                }
                // What would be a difference of classes here is characters in Java.
                '~' => self.out.push_str("\\~"),
                '-' if self.chars.peek() == Some(&'-') => self.out.push_str("\\-"),
                _ => self.out.push(c),
            }
            first = false;
        }
        Ok(())
    }
}

fn ascii_class(c: char) -> &'static str {
    match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[a-zA-Z0-9_]",
        'W' => "[^a-zA-Z0-9_]",
        's' => r"[ \t\n\x0B\f\r]",
        'S' => r"[^ \t\n\x0B\f\r]",
        'h' => r"[ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]",
        _ => r"[^ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_line_is_before_a_last_terminator_too() {
        let regex = JavaRegex::new(r"(b)$").unwrap();
        assert_eq!(
            regex.find("ab\n", 0),
            Some(vec![Some((1, 2)), Some((1, 2))])
        );
        assert_eq!(regex.find("ab\r\n", 0).unwrap()[0], Some((1, 2)));
        assert_eq!(regex.find("ab\n\n", 0), None);
        let all = JavaRegex::new(r"(?s).*$").unwrap();
        assert_eq!(all.find("ab\n", 0).unwrap()[0], Some((0, 3)));
        let after = JavaRegex::new(r"(?:a$|b)(c)?").unwrap();
        assert_eq!(after.find("bc", 0).unwrap()[1], Some((1, 2)));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (pattern, part) in [
            ("a(?=b)", "look-ahead"),
            ("(?<!a)b", "look-behind"),
            (r"(a)\1", "back reference"),
            ("a++", "possessive"),
            ("(?m)^a", "(?m)"),
            ("(a", "no regular expression"),
        ] {
            let error = JavaRegex::new(pattern).err().unwrap().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
    }
}
