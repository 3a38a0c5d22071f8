//! Why a request to the daemon has no answer.

use bollard::errors::Error;
use std::{fmt, io, time::Duration};

/// Errnos for a missing permission; the same on every architecture of Linux.
const EPERM: i32 = 1;
const EACCES: i32 = 13;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// The daemon answers with an error status.
    #[error("status {status}: {message}")]
    Refused { status: u16, message: String },
    /// The daemon answers, but the answer can't be understood.
    #[error("an answer that is not understood: {0}")]
    Odd(String),
    /// No whole answer before the deadline.
    #[error("no complete answer within {} s", .0.as_secs())]
    Late(Duration),
    /// No answer, or no whole one.
    #[error("{0}")]
    Silent(String),
    /// The kernel does not allow us to connect.
    #[error("{0}")]
    Denied(io::Error),
}

impl Problem {
    /// Whether Docker says that it has no such container. A proxy that hides a path with a 404 uses other
    /// words.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Refused { status: 404, message } => {
                message.to_ascii_lowercase().contains("no such container")
            }
            _ => false,
        }
    }

    /// One word for what it is, for a label.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Odd(_) => "odd",
            Self::Late(_) => "late",
            Self::Silent(_) => "silent",
            Self::Denied(_) => "denied",
        }
    }

    /// Whether it shows no sign of life.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Late(_) | Self::Silent(_) | Self::Denied(_))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::Refused { status: status_code, message: short(&message) }
            }
            Error::JsonDataError { message, .. } => Self::Odd(message),
            Error::JsonSerdeError { err } => Self::Odd(err.to_string()),
            error => Self::Silent(Chain(&error).to_string()),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        if matches!(error.raw_os_error(), Some(EACCES | EPERM)) {
            return Self::Denied(error);
        }
        Self::Silent(error.to_string())
    }
}

impl From<hyper::Error> for Problem {
    fn from(error: hyper::Error) -> Self {
        Self::Silent(Chain(&error).to_string())
    }
}

/// Cuts a message: a daemon can answer anything, at any length.
pub(super) fn short(message: &str) -> String {
    message.chars().take(200).collect()
}

/// An error with its causes, because the errors of HTTP clients have the reason only there.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
