//! Programs, stored once under the digest of their bytes.
//!
//! A program is written beside its place and renamed into it: what has its name is whole.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;
use weir_plan::{Error, ErrorKind, Result};

const ELF: &[u8] = b"\x7fELF";
const SCRIPT: &[u8] = b"#!";

/// Where an ELF file says which machine it is for, and what it says for ours.
const ELF_MACHINE: std::ops::Range<usize> = 18..20;
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// What a program is known by: the SHA-256 of its bytes.
#[derive(Debug, Clone, Default)]
pub struct ProgramDigest(Sha256);

impl ProgramDigest {
    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest as 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// The programs below `directory`, which is made.
    pub(super) async fn open(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory)
            .await
            .map_err(|error| storage(&directory, error))?;
        Ok(Self { directory })
    }

    /// Where program `sha256` is, and how large, if it is stored.
    pub(super) async fn find(&self, sha256: &str) -> Result<Option<(PathBuf, u64)>> {
        check_digest(sha256)?;
        let path = self.directory.join(sha256);
        match fs::metadata(&path).await {
            Ok(metadata) => Ok(Some((path, metadata.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage(&path, error)),
        }
    }

    /// A program that is about to be written.
    pub(super) async fn begin(&self, sha256: &str) -> Result<NewProgram> {
        check_digest(sha256)?;
        let partial = self.directory.join(format!(".{}.part", Uuid::new_v4()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o700)
            .open(&partial)
            .await
            .map_err(|error| storage(&partial, error))?;
        Ok(NewProgram {
            sha256: sha256.to_owned(),
            place: self.directory.join(sha256),
            partial: Partial(partial),
            file,
            digest: ProgramDigest::default(),
            bytes: 0,
        })
    }
}

/// A program that is not complete; dropped, it is gone.
pub(super) struct NewProgram {
    sha256: String,
    place: PathBuf,
    partial: Partial,
    file: File,
    digest: ProgramDigest,
    bytes: u64,
}

impl NewProgram {
    pub(super) async fn write(&mut self, data: &[u8]) -> Result<()> {
        self.digest.update(data);
        self.bytes += data.len() as u64;
        self.file
            .write_all(data)
            .await
            .map_err(|error| storage(&self.partial.0, error))
    }

    /// Puts it in its place; returns its size.
    pub(super) async fn finish(mut self) -> Result<u64> {
        let digest = std::mem::take(&mut self.digest).finish();
        if digest != self.sha256 {
            return Err(Error::invalid_argument(format!(
                "the program's bytes have the digest {digest}, not {}: it changed or was damaged on its way; submit it again",
                self.sha256
            )));
        }
        let failed = |error| storage(&self.place, error);
        self.file.flush().await.map_err(failed)?;
        self.file.sync_all().await.map_err(failed)?;
        check_executable(&self.partial.0).await?;
        fs::rename(&self.partial.0, &self.place)
            .await
            .map_err(failed)?;
        Ok(self.bytes)
    }
}

struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn check_digest(sha256: &str) -> Result<()> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if sha256.len() == 64 && sha256.bytes().all(digit) {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "{sha256:?} is no SHA-256 digest of 64 lower-case hexadecimal digits"
    )))
}

/// Refuses what this machine cannot run.
async fn check_executable(program: &Path) -> Result<()> {
    let mut head = Vec::new();
    let file = File::open(program)
        .await
        .map_err(|error| storage(program, error))?;
    file.take(ELF_MACHINE.end as u64)
        .read_to_end(&mut head)
        .await
        .map_err(|error| storage(program, error))?;
    if head.starts_with(SCRIPT) {
        return Ok(());
    }
    if !head.starts_with(ELF) || head.len() < ELF_MACHINE.end {
        return Err(Error::invalid_argument(
            "the submitted file is no executable: neither an ELF binary nor a script that begins with #!",
        ));
    }
    let machine = u16::from_le_bytes([head[ELF_MACHINE.start], head[ELF_MACHINE.start + 1]]);
    if machine == MACHINE {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "the submitted binary is for another machine (ELF machine {machine}); the driver's is {} ({MACHINE}): build it for that",
        std::env::consts::ARCH
    )))
}

fn storage(path: &Path, error: io::Error) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!("storing program {}", path.display()),
    )
    .with_source(error)
}
