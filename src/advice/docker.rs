//! What is said of the way to Docker.

use std::{fmt, path::Path};

/// After a Docker host that can't be used. It is not quoted: there can be a password in it.
#[must_use]
pub fn host() -> &'static str {
    "name a socket as unix:///var/run/docker.sock, or an address as tcp://HOST:2375; ssh:// is not supported"
}

/// After certificates for Docker that can't be used.
#[must_use]
pub fn certificates() -> &'static str {
    "put Docker's ca.pem there, with cert.pem and key.pem if it wants them, or name their folder with \
     DOCKER_CERT_PATH (without it: ~/.docker)"
}

/// What is wrong with Docker's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    /// We may not use it. It belongs to this group, if that could be found out.
    Denied(Option<u32>),
    /// Nothing is there.
    Missing,
    /// A directory is there.
    Directory,
    /// Something else is there.
    NoSocket,
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied(Some(gid)) if *gid != 0 => {
                return write!(
                    f,
                    "the socket belongs to group {gid}, usually named docker: start the exporter's container \
                     with --group-add {gid} or --user 0, or its systemd unit with SupplementaryGroups={gid}"
                );
            }
            Self::Denied(_) => {
                "the socket usually belongs to group docker: start the exporter's container with --group-add \
                 or --user 0, or its systemd unit with SupplementaryGroups=docker"
            }
            Self::Missing => {
                "mount the socket (-v /var/run/docker.sock:/var/run/docker.sock), or name another one with -H"
            }
            Self::Directory => {
                "a directory, not a socket (docker run -v makes one where the path does not exist on the \
                 host): mount the real socket"
            }
            Self::NoSocket => "no socket: mount the real one, or name it with -H",
        })
    }
}

/// What is said of a path at which something else than a socket is.
#[must_use]
pub fn no_socket(path: &Path, found: Socket) -> String {
    format!("{} is {found}", path.display())
}
