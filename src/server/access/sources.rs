//! The files that say who may ask, and how they looked when they were last read.

use crate::{
    files::Stamp,
    server::tls::{TlsError, read_pem},
    yaml::Mistake,
};
use std::path::{Path, PathBuf};

/// The files that say who may ask. Without any, everybody may, over plain HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Certificate chain and key of `-s`.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// A file in the format of exporter-toolkit.
    pub web_config: Option<PathBuf>,
    /// A file with one bearer token per line.
    pub tokens: Option<PathBuf>,
    /// Whether `/healthz` and `/readyz` answer to everybody.
    pub open_health: bool,
}

impl Sources {
    /// Whether there is anything that could be read again.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.identity.is_some() || self.web_config.is_some() || self.tokens.is_some()
    }
}

/// Why nothing can be served, or why a new state of the files is not used. One line.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// A certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A line of the web config is wrong.
    #[error("{file}:{line}: {problem}")]
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong. It shows no value that could be a secret.
        problem: String,
    },
    /// A file can't be read, or is wrong as a whole.
    #[error("{file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The system refuses something.
    #[error("{0}")]
    System(String),
}

impl LoadError {
    pub(super) fn at(file: &Path, mistake: Mistake) -> Self {
        let Mistake { line, problem, .. } = mistake;
        Self::Line { file: file.display().to_string(), line, problem }
    }

    pub(super) fn of(file: &Path, problem: impl Into<String>) -> Self {
        Self::File { file: file.display().to_string(), problem: problem.into() }
    }
}

/// A file, and how it looked just before it was read. `None` if it was not there.
pub(super) type Seen = (PathBuf, Option<Stamp>);

/// Reads files, and notes each one, so that a later change shows.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) seen: Vec<Seen>,
}

impl Reader {
    /// A file's content, if it is a regular file of a sensible size that can be read now.
    ///
    /// # Errors
    /// What is wrong, without the file's name.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.seen.push((path.to_owned(), Stamp::of(path)));
        read_pem(path)
    }

    /// The same as text.
    pub(super) fn text(&mut self, path: &Path) -> Result<String, LoadError> {
        let content = self.read(path).map_err(|problem| LoadError::of(path, problem))?;
        String::from_utf8(content).map_err(|_| LoadError::of(path, "expected text in UTF-8"))
    }
}
