//! A file that is rewritten again and again.

use anyhow::Result;
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

/// A file with the content that it was given last.
#[derive(Debug)]
pub(super) struct Rewritten {
    file: File,
    written: String,
}

impl Rewritten {
    /// A file that has this content.
    pub(super) fn open(path: &Path, written: &str) -> Result<Self> {
        Ok(Self { file: OpenOptions::new().write(true).open(path)?, written: written.to_owned() })
    }

    /// Its content.
    pub(super) fn text(&self) -> &str {
        &self.written
    }

    /// Gives it another content.
    pub(super) fn put(&mut self, text: String) -> Result<()> {
        if text == self.written {
            return Ok(());
        }
        // One write, in place, because the exporter keeps the file open. The file is truncated only if it got
        // shorter.
        self.file.write_all_at(text.as_bytes(), 0)?;
        if text.len() < self.written.len() {
            self.file.set_len(text.len() as u64)?;
        }
        self.written = text;
        Ok(())
    }
}
