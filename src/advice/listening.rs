//! Advice about where the exporter listens, and about who may ask it.

use super::resources;
use crate::sample::{Errno, errno_of};
use std::fmt;

/// After a `--bind` that is not understood.
#[must_use]
pub fn bind() -> &'static str {
    "name an address and a port with -b, such as 127.0.0.1:12096, or :12096 for all addresses"
}

/// After an address that can't be listened on.
#[must_use]
pub fn address(error: &std::io::Error) -> &'static str {
    let errno = errno_of(error);
    match errno {
        Errno::EADDRINUSE => {
            "another program, perhaps another exporter, listens there: choose another port with -b"
        }
        Errno::EACCES => {
            "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket unit of systemd: choose another port \
             with -b"
        }
        _ => resources(errno)
            .unwrap_or("name an address of this machine and a port with -b, such as 127.0.0.1:12096"),
    }
}

/// After a socket file that can't be made.
#[must_use]
pub fn socket_file(error: &std::io::Error) -> &'static str {
    resources(errno_of(error)).unwrap_or(
        "the folder of the socket file must exist, and the exporter's user must be allowed to write to it",
    )
}

/// After the path of a socket file at which there is something else.
#[must_use]
pub fn socket_file_taken() -> &'static str {
    "only a socket file that nobody answers on is replaced: choose another path with -b"
}

/// After sockets from the service manager that can't be served.
#[must_use]
pub fn passed_sockets() -> &'static str {
    "the socket unit must have ListenStream= and Accept=no"
}

/// What a health check says of an exporter that answers, but not to strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// It wants a password or a token.
    Password,
    /// It wants a client certificate.
    Certificate,
    /// It is asked too often.
    Rate,
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wants = match self {
            Self::Password => "it wants a password",
            Self::Certificate => "it wants a client certificate",
            Self::Rate => "it is asked too often",
        };
        write!(f, "alive, but it did not say whether it is ready: {wants}")
    }
}
