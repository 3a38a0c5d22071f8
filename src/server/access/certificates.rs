//! Certificate and key of the server: from files or from lines of the web config.

use super::sources::{LoadError, Reader};
use crate::server::tls::{Pem, TlsError};
use std::path::{Path, PathBuf};

/// A PEM text, or where it is.
#[derive(Debug, Clone)]
pub(super) enum Material {
    /// What errors call it, and the text.
    Inline { name: String, text: String },
    /// What errors call it, and the file.
    File { name: String, path: PathBuf },
}

impl Material {
    /// A file that a flag names.
    pub(super) fn of_flag(path: &Path) -> Self {
        Self::File { name: path.display().to_string(), path: path.to_owned() }
    }

    /// The text.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Pem, LoadError> {
        match self {
            Self::Inline { name, text } => Ok(Pem { name: name.clone(), content: text.clone().into_bytes() }),
            Self::File { name, path } => {
                let wrong = |problem| TlsError::File { path: name.clone(), problem };
                Ok(Pem { name: name.clone(), content: reader.read(path).map_err(wrong)? })
            }
        }
    }

    /// The file, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Inline { .. } => None,
            Self::File { path, .. } => Some(path),
        }
    }
}
