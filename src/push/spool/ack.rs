//! How far the oldest segment has been sent.

use super::directory::must_be_file;
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

const LENGTH: usize = 20;

/// A small file that is written over.
#[derive(Debug)]
pub(super) struct Ack {
    file: File,
    /// The oldest segment that may have unsent records.
    pub(super) segment: u64,
    /// How much of it has been sent, in bytes.
    pub(super) offset: u64,
}

impl Ack {
    /// Opens it. One that is damaged counts as if nothing had been sent.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        must_be_file(path)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut content = [0; LENGTH];
        let (segment, offset) = match file.read_exact_at(&mut content, 0) {
            Ok(()) => decode(&content).unwrap_or_default(),
            Err(_) => (0, 0),
        };
        Ok(Self { file, segment, offset })
    }

    pub(super) fn write(&self) -> io::Result<()> {
        let mut content = Vec::with_capacity(LENGTH);
        content.extend_from_slice(&self.segment.to_le_bytes());
        content.extend_from_slice(&self.offset.to_le_bytes());
        content.extend_from_slice(&crc32fast::hash(&content).to_le_bytes());
        self.file.write_all_at(&content, 0)
    }
}

fn decode(content: &[u8]) -> Option<(u64, u64)> {
    let number = |from: usize| -> Option<u64> {
        Some(u64::from_le_bytes(content.get(from..from + 8)?.try_into().ok()?))
    };
    let sum = u32::from_le_bytes(content.get(16..)?.try_into().ok()?);
    (sum == crc32fast::hash(content.get(..16)?)).then_some((number(0)?, number(8)?))
}
