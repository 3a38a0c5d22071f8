//! What could not be read, and why.

use super::Errno;
use crate::parse::ParseError;
use std::{fmt, path::Path};

/// Why a file that was there could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The kernel refused to open or read it.
    Errno(Errno),
    /// Its content was not what the format promises.
    Parse(ParseError),
    /// It is a FIFO, a socket, a device or a directory.
    NotRegular,
    /// A read has not returned in time, and may never.
    Hangs,
    /// There is more of it than is worth reading: child cgroups, processes or descriptors.
    TooMany,
}

impl Reason {
    /// The value of the label `reason`: an errno's name, or a word.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Errno(errno) => format!("{errno:?}"),
            Self::Parse(_) => "parse".to_owned(),
            Self::NotRegular => "not_regular".to_owned(),
            Self::Hangs => "hangs".to_owned(),
            Self::TooMany => "too_many".to_owned(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => write!(f, " {}", errno.desc()),
            Self::Parse(error) => write!(f, "{error}"),
            Self::NotRegular => f.write_str(" not a regular file"),
            Self::Hangs => f.write_str(" a read hangs"),
            Self::TooMany => f.write_str(" too many to be counted"),
        }
    }
}

/// One file that could not be used, with its path.
#[derive(Debug)]
pub struct Failure {
    /// Name of the file, the value of the label `file`.
    pub file: &'static str,
    /// What went wrong.
    pub reason: Reason,
    /// `path:line: expected X, found "Y"`, or `path: <errno's words>`.
    pub message: String,
}

/// The failures of a pass. Empty, and so without an allocation, if all went well.
#[derive(Debug, Default)]
pub struct PassReport {
    /// Files that could not be used.
    pub failures: Vec<Failure>,
    /// Rows left out, by file.
    pub skipped_rows: Vec<(&'static str, u64)>,
}

impl PassReport {
    /// Records a file in a directory that could not be used.
    pub fn failed(&mut self, directory: &Path, file: &'static str, reason: Reason) {
        let message = format!("{}/{file}:{reason}", directory.display());
        self.failures.push(Failure { file, reason, message });
    }

    /// Records a directory that could not be opened or listed.
    pub fn failed_directory(&mut self, directory: &Path, errno: Errno) {
        let (file, reason) = ("directory", Reason::Errno(errno));
        let message = format!("{}:{reason}", directory.display());
        self.failures.push(Failure { file, reason, message });
    }

    pub(crate) fn skipped(&mut self, file: &'static str, rows: u64) {
        if rows > 0 {
            self.skipped_rows.push((file, rows));
        }
    }

    /// Forgets everything, but keeps the memory.
    pub fn clear(&mut self) {
        self.failures.clear();
        self.skipped_rows.clear();
    }
}
