//! A job's output: a file of frames, which any number of readers follow while it is written.
//!
//! A frame is one byte (0 stdout, 1 stderr), the length of its data as 4 bytes, little endian, and the
//! data: a piece of one stream. Readers read from the file up to what is known to be whole, so that a
//! job's output takes no memory, however much it is and however slowly it is read.

use std::io;
use std::path::{Path, PathBuf};

use futures::Stream;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use weir_plan::{Error, ErrorKind, Result};
use weir_proto::jobs::{JobOutput, OutputStream};

/// The most that is read of a job's output at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A longer line is taken for no result.
const RESULT_BYTES_MAX: usize = 1 << 20;

const HEAD_BYTES: usize = 5;

/// The output of one job, over all its tries.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    /// `None` once no more will come.
    file: Mutex<Option<File>>,
    /// How far the file holds whole frames; `true` once no more will come.
    written: watch::Sender<(u64, bool)>,
}

impl Output {
    /// The output in the file at `path`, to be continued.
    pub(super) async fn open(path: PathBuf) -> Result<Self> {
        let failed = |error| storage(&path, error);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .await
            .map_err(failed)?;
        let length = file.metadata().await.map_err(failed)?.len();
        Ok(Self {
            path,
            file: Mutex::new(Some(file)),
            written: watch::Sender::new((length, false)),
        })
    }

    /// No more will be written.
    pub(super) async fn end(&self) {
        *self.file.lock().await = None;
        self.written.send_modify(|(_, ended)| *ended = true);
    }

    /// Takes all of `source`, until `over`; returns its last line that is a JSON object.
    pub(super) async fn take(
        &self,
        stream: OutputStream,
        mut source: impl AsyncRead + Unpin,
        over: &CancellationToken,
    ) -> Result<Option<String>> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut results = LastObject::default();
        loop {
            let read = tokio::select! {
                read = source.read(&mut piece) => read,
                () = over.cancelled() => return Ok(results.finish()),
            };
            let length = read.map_err(|error| {
                Error::new(ErrorKind::Storage, "reading a job's output").with_source(error)
            })?;
            if length == 0 {
                return Ok(results.finish());
            }
            self.write(stream, &piece[..length]).await?;
            results.take(&piece[..length]);
        }
    }

    /// Adds a line of the driver's own to stderr.
    pub(super) async fn note(&self, line: &str) -> Result<()> {
        let line = format!("weir: {line}\n");
        self.write(OutputStream::Stderr, line.as_bytes()).await
    }

    async fn write(&self, stream: OutputStream, data: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(HEAD_BYTES + data.len());
        frame.push(u8::from(stream == OutputStream::Stderr));
        let length = u32::try_from(data.len())
            .map_err(|_| Error::internal("a piece of a job's output is beyond 4 GB"))?;
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(data);
        let mut file = self.file.lock().await;
        let Some(file) = file.as_mut() else {
            return Err(Error::internal("a job that has ended has more output"));
        };
        let failed = |error| storage(&self.path, error);
        file.write_all(&frame).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        self.written
            .send_modify(|(length, _)| *length += frame.len() as u64);
        Ok(())
    }

    /// All of it from its beginning; until no more will come if `until_end`.
    pub(super) async fn read(
        &self,
        until_end: bool,
    ) -> Result<impl Stream<Item = Result<JobOutput>> + Send + 'static + use<>> {
        let path = self.path.clone();
        let file = File::open(&path)
            .await
            .map_err(|error| storage(&path, error))?;
        let reader = Reader {
            path,
            file,
            at: 0,
            until_end,
            written: self.written.subscribe(),
        };
        Ok(futures::stream::try_unfold(reader, |mut reader| async {
            let next = reader.next().await?;
            Ok(next.map(|output| (output, reader)))
        }))
    }
}

struct Reader {
    path: PathBuf,
    file: File,
    at: u64,
    until_end: bool,
    written: watch::Receiver<(u64, bool)>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<JobOutput>> {
        loop {
            let (length, ended) = *self.written.borrow_and_update();
            if self.at < length {
                return self.frame().await.map(Some);
            }
            // The sender is gone with its job's history.
            if ended || !self.until_end || self.written.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn frame(&mut self) -> Result<JobOutput> {
        let mut head = [0; HEAD_BYTES];
        let failed = |error| storage(&self.path, error);
        self.file.read_exact(&mut head).await.map_err(failed)?;
        let [stream, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        let mut data = vec![0; length as usize];
        self.file.read_exact(&mut data).await.map_err(failed)?;
        self.at += HEAD_BYTES as u64 + u64::from(length);
        Ok(JobOutput {
            stream: i32::from(stream),
            data,
        })
    }
}

/// Finds the last line that is a JSON object.
#[derive(Default)]
struct LastObject {
    line: Vec<u8>,
    too_long: bool,
    found: Option<String>,
}

impl LastObject {
    fn take(&mut self, mut data: &[u8]) {
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            self.extend(&data[..end]);
            self.end_line();
            data = &data[end + 1..];
        }
        self.extend(data);
    }

    fn extend(&mut self, data: &[u8]) {
        self.too_long |= self.line.len() + data.len() > RESULT_BYTES_MAX;
        if self.too_long {
            self.line.clear();
        } else {
            self.line.extend_from_slice(data);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) || !line.trim_ascii_start().starts_with(b"{") {
            return;
        }
        let is_object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&line);
        if is_object.is_ok() {
            self.found = Some(String::from_utf8_lossy(&line).trim().to_owned());
        }
    }

    fn finish(mut self) -> Option<String> {
        self.end_line();
        self.found
    }
}

fn storage(path: &Path, error: io::Error) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!("the output of a job in {}", path.display()),
    )
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::TryStreamExt as _;

    use super::*;

    fn text(pieces: &[JobOutput], stream: OutputStream) -> String {
        let own = pieces.iter().filter(|piece| piece.stream() == stream);
        let bytes: Vec<u8> = own.flat_map(|piece| piece.data.clone()).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn reader_gets_what_was_written_before_and_after_it_came_and_then_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let output = Arc::new(Output::open(directory.path().join("log")).await.unwrap());
        let never = CancellationToken::new();
        let first = output.take(OutputStream::Stdout, &b"one\n{\"n\": 1}\n"[..], &never);
        assert_eq!(first.await.unwrap().unwrap(), "{\"n\": 1}");
        let following = output.read(true).await.unwrap();
        let following = tokio::spawn(following.try_collect::<Vec<_>>());
        let errors = output.take(OutputStream::Stderr, &b"{not json}\nlast"[..], &never);
        assert_eq!(errors.await.unwrap(), None);
        output.end().await;
        let all = following.await.unwrap().unwrap();
        assert_eq!(text(&all, OutputStream::Stdout), "one\n{\"n\": 1}\n");
        assert_eq!(text(&all, OutputStream::Stderr), "{not json}\nlast");
        let again: Vec<JobOutput> = output
            .read(false)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(again, all);
    }

    #[test]
    fn last_object_is_found_across_pieces_and_long_lines_are_passed_over() {
        let mut last = LastObject::default();
        last.take(b"{\"a\":");
        last.take(b" 1}\n[2]\n");
        last.take(b"{\"long\": \"");
        last.take(&vec![b'x'; RESULT_BYTES_MAX]);
        last.take(b"\"}\n{}");
        assert_eq!(last.finish().unwrap(), "{}");
    }
}
