//! One record's fields, by `csv-core`.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::options::CsvOptions;

/// Splits records, one text each. Its buffers are used again.
#[derive(Debug)]
pub(super) struct Splitter {
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    more: bool,
}

impl Splitter {
    pub(super) fn new(options: &CsvOptions) -> Self {
        let mut builder = ReaderBuilder::new();
        builder
            .delimiter(options.separator)
            .quoting(options.quote.is_some())
            .quote(options.quote.unwrap_or(b'"'))
            .escape(Some(options.escape));
        Self {
            reader: builder.build(),
            bytes: Vec::new(),
            ends: Vec::new(),
            more: false,
        }
    }

    /// The fields of `text`'s first record.
    pub(super) fn split(&mut self, text: &str) -> impl Iterator<Item = &str> {
        self.reader.reset();
        // No field is longer than what it is read from.
        self.bytes.resize(text.len().max(1), 0);
        self.ends.resize(text.len() + 2, 0);
        let (mut input, mut written, mut ends) = (text.as_bytes(), 0, 0);
        loop {
            let (result, read, wrote, ended) =
                self.reader
                    .read_record(input, &mut self.bytes[written..], &mut self.ends[ends..]);
            input = &input[read..];
            written += wrote;
            ends += ended;
            match result {
                // Nothing more: the end is told by an empty input.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.bytes.resize(self.bytes.len() + 64, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() + 64, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        // Line breaks behind a record are no record.
        self.more = input.iter().any(|byte| !matches!(byte, b'\n' | b'\r'));
        let bytes = &self.bytes;
        let ends = &self.ends[..ends];
        let starts = std::iter::once(0).chain(ends.iter().copied());
        // Cut at ASCII characters, what was text is text.
        starts
            .zip(ends)
            .map(move |(start, end)| std::str::from_utf8(&bytes[start..*end]).unwrap_or(""))
    }

    /// Whether the last text went on behind its first record.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }
}
