//! A place in JSON text: tokens as Jackson takes them, with the liberties Spark grants.

/// Text that is no JSON: the record is malformed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Jackson's own limit on nesting.
const DEPTH_MAX: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Liberties {
    /// Strings and names may stand in single quotes.
    pub(super) single_quotes: bool,
    /// Control characters may stand in strings as they are.
    pub(super) control_characters: bool,
    /// `NaN`, `Infinity`, `INF` and their signed forms are numbers.
    pub(super) non_numeric_numbers: bool,
    /// Numbers may begin with zeros.
    pub(super) leading_zeros: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Object,
    Array,
    String,
    /// With a fraction or an exponent, or without.
    Number {
        float: bool,
    },
    NonNumeric,
    True,
    False,
    Null,
}

#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    liberties: Liberties,
}

/// A string's text: as it stands, or with its escapes replaced.
pub(super) enum Text<'a, 's> {
    Plain(&'a str),
    Unescaped(&'s str),
}

impl Text<'_, '_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Unescaped(text) => text,
        }
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, liberties: Liberties) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            liberties,
        }
    }

    #[inline]
    pub(super) fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Whether only blanks are left.
    pub(super) fn at_end(&mut self) -> bool {
        self.blank();
        self.at == self.bytes.len()
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The text from `start` to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        // Both ends are beside ASCII bytes, so that they are character boundaries.
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The kind of the value that begins here; numbers and words are checked when they are taken.
    #[inline]
    pub(super) fn value(&mut self) -> Result<u8, Malformed> {
        self.blank();
        self.peek().ok_or(Malformed)
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        self.blank();
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// Whether another member follows: takes the comma or the closing `end`.
    #[inline]
    pub(super) fn more(&mut self, end: u8) -> Result<bool, Malformed> {
        self.blank();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(Malformed),
        }
    }

    /// Whether the object or array just opened is empty, which takes its end.
    #[inline]
    pub(super) fn empty(&mut self, end: u8) -> Result<bool, Malformed> {
        self.blank();
        match self.peek() {
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Ok(false),
            None => Err(Malformed),
        }
    }

    /// A member's name and its colon.
    #[inline]
    pub(super) fn name<'s>(&mut self, scratch: &'s mut String) -> Result<Text<'a, 's>, Malformed> {
        self.blank();
        if !self.at_quote() {
            return Err(Malformed);
        }
        let text = self.string(scratch)?;
        self.expect(b':')?;
        Ok(text)
    }

    #[inline]
    pub(super) fn at_quote(&self) -> bool {
        match self.peek() {
            Some(b'"') => true,
            Some(b'\'') => self.liberties.single_quotes,
            _ => false,
        }
    }

    /// Where the string's text ends (at its quote or its first escape), the cursor being within it.
    #[inline]
    fn plain_run(&mut self, quote: u8) -> Result<u8, Malformed> {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = 0x8080_8080_8080_8080;
        // Eight bytes at a time; a byte is zero after the exclusive or where it is the one sought.
        let quotes = ONES * u64::from(quote);
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
        loop {
            while let Some(chunk) = self.bytes.get(self.at..self.at + 8) {
                let word = u64::from_le_bytes(chunk.try_into().map_err(|_| Malformed)?);
                let controls = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
                let found =
                    zeros(word ^ quotes) | zeros(word ^ (ONES * u64::from(b'\\'))) | controls;
                if found != 0 {
                    self.at += (found.trailing_zeros() / 8) as usize;
                    break;
                }
                self.at += 8;
            }
            let byte = self.peek().ok_or(Malformed)?;
            if byte == quote || byte == b'\\' {
                return Ok(byte);
            }
            if byte < 0x20 && !self.liberties.control_characters {
                return Err(Malformed);
            }
            self.at += 1;
        }
    }

    /// The string that begins here.
    #[inline]
    pub(super) fn string<'s>(
        &mut self,
        scratch: &'s mut String,
    ) -> Result<Text<'a, 's>, Malformed> {
        let quote = self.bytes[self.at];
        self.at += 1;
        let start = self.at;
        if self.plain_run(quote)? == quote {
            let text = self.since(start);
            self.at += 1;
            return Ok(Text::Plain(text));
        }
        scratch.clear();
        let mut start = start;
        loop {
            scratch.push_str(self.since(start));
            let stopped = self.bytes[self.at];
            self.at += 1;
            if stopped == quote {
                return Ok(Text::Unescaped(scratch));
            }
            let c = self.escape()?;
            scratch.push(c);
            start = self.at;
            self.plain_run(quote)?;
        }
    }

    fn skip_string(&mut self) -> Result<(), Malformed> {
        let quote = self.bytes[self.at];
        self.at += 1;
        loop {
            let stopped = self.plain_run(quote)?;
            self.at += 1;
            if stopped == quote {
                return Ok(());
            }
            self.escape()?;
        }
    }

    /// What follows a backslash. Half of a surrogate pair becomes `?`, as Java writes it in UTF-8.
    fn escape(&mut self) -> Result<char, Malformed> {
        let byte = self.peek().ok_or(Malformed)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'\'' if self.liberties.single_quotes => '\'',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return Ok(char::from_u32(first).unwrap_or('?'));
                }
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Ok('?');
                }
                let back = self.at;
                self.at += 2;
                let second = self.hex()?;
                if (0xdc00..0xe000).contains(&second) {
                    let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    char::from_u32(joined).unwrap_or('?')
                } else {
                    self.at = back;
                    '?'
                }
            }
            _ => return Err(Malformed),
        })
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Malformed)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Malformed);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Malformed)
    }

    /// A number, a word, or the opening of a string, object or array; of the first two it is taken.
    #[inline]
    pub(super) fn token(&mut self) -> Result<Token, Malformed> {
        match self.value()? {
            b'{' => Ok(Token::Object),
            b'[' => Ok(Token::Array),
            b'"' => Ok(Token::String),
            b'\'' if self.liberties.single_quotes => Ok(Token::String),
            b't' => self.word("true", Token::True),
            b'f' => self.word("false", Token::False),
            b'n' => self.word("null", Token::Null),
            b'0'..=b'9' => self.number(),
            b'-' => match self.bytes.get(self.at + 1) {
                Some(b'0'..=b'9') => self.number(),
                _ => self.non_numeric(),
            },
            b'N' | b'I' | b'+' => self.non_numeric(),
            _ => Err(Malformed),
        }
    }

    fn word(&mut self, word: &str, token: Token) -> Result<Token, Malformed> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes())
            || self
                .bytes
                .get(end)
                .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'$')
        {
            return Err(Malformed);
        }
        self.at = end;
        Ok(token)
    }

    fn non_numeric(&mut self) -> Result<Token, Malformed> {
        if !self.liberties.non_numeric_numbers {
            return Err(Malformed);
        }
        let start = self.at;
        self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
        let signed = self.at > start;
        for word in ["NaN", "Infinity", "INF"] {
            if (word != "NaN" || !signed) && self.word(word, Token::NonNumeric).is_ok() {
                return Ok(Token::NonNumeric);
            }
        }
        Err(Malformed)
    }

    #[inline]
    fn number(&mut self) -> Result<Token, Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let start = self.at;
        self.digits();
        if self.at == start
            || (self.bytes[start] == b'0' && self.at > start + 1 && !self.liberties.leading_zeros)
        {
            return Err(Malformed);
        }
        let mut float = false;
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            let start = self.at;
            self.digits();
            if self.at == start {
                return Err(Malformed);
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            float = true;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            let start = self.at;
            self.digits();
            if self.at == start {
                return Err(Malformed);
            }
        }
        Ok(Token::Number { float })
    }

    #[inline]
    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes over the value that begins here, checking it.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        // What is open, as its closing bytes: text may nest deeper than a stack allows.
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.token()? {
                Token::String => self.skip_string()?,
                token @ (Token::Object | Token::Array) => {
                    let end = if token == Token::Object { b'}' } else { b']' };
                    self.at += 1;
                    if !self.empty(end)? {
                        if open.len() == DEPTH_MAX {
                            return Err(Malformed);
                        }
                        open.push(end);
                        self.skip_name(end)?;
                        continue;
                    }
                }
                _ => {}
            }
            loop {
                let Some(&end) = open.last() else {
                    return Ok(());
                };
                if self.more(end)? {
                    self.skip_name(end)?;
                    break;
                }
                open.pop();
            }
        }
    }

    fn skip_name(&mut self, end: u8) -> Result<(), Malformed> {
        if end == b'}' {
            self.blank();
            if !self.at_quote() {
                return Err(Malformed);
            }
            self.skip_string()?;
            self.expect(b':')?;
        }
        Ok(())
    }
}
