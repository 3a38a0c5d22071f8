//! The sockets that clients connect to.

use super::{peer::Origin, wire::Wire};
use rustix::{
    fs::Mode,
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        sockopt::set_ipv6_v6only,
    },
    process::umask,
};
use std::{
    fmt, fs,
    io::{Error, Result},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    task::{Context, Poll, ready},
};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

/// How many connections may wait to be accepted. If there is no room, a scraper's SYN is dropped and sent
/// again only after a second.
const BACKLOG: u32 = 4096;
/// How many bytes of an answer the kernel may buffer per connection. The default can be megabytes, and then a
/// client that reads slowly looks like one that reads nothing.
const SEND_BUFFER: u32 = 128 * 1024;

/// Why nothing can be served at a place.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system refuses.
    #[error(transparent)]
    System(#[from] Error),
    /// At the path of the socket file there is another file.
    #[error("there is a file that is not a socket")]
    NoSocket,
    /// Somebody answers on the socket file.
    #[error("another program listens there")]
    Answered,
}

/// A socket that clients connect to. A socket file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

impl Listener {
    /// Listens on the first address that is available. `ipv6_only` says whether `[::]` leaves out IPv4. Must
    /// be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If no address is available. The error is that of the last one.
    pub fn tcp(addresses: &[SocketAddr], ipv6_only: bool) -> Result<Self> {
        let mut problem = None;
        for address in addresses {
            let listener =
                open(*address, ipv6_only).or_else(|error| match instead(*address, ipv6_only, &error) {
                    Some(ipv4) => {
                        tracing::warn!("this host has no IPv6: serving on {ipv4} instead of {address}");
                        open(ipv4, false)
                    }
                    None => Err(error),
                });
            match listener {
                Ok(listener) => return Ok(Self { socket: Socket::Tcp(listener) }),
                Err(error) => problem = Some(error),
            }
        }
        Err(problem.unwrap_or_else(|| Error::other("the name has no address")))
    }

    /// Listens on a socket file with these permissions. A socket file that nobody answers on is replaced.
    /// Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If another file or another program is there, or the file can't be made.
    pub fn unix(path: &Path, mode: u32) -> std::result::Result<Self, ListenError> {
        let socket = UnixSocket::new_stream()?;
        if let Err(error) = bind(&socket, path, mode) {
            if Errno::from_io_error(&error) != Some(Errno::ADDRINUSE) {
                return Err(error.into());
            }
            check_left_over(path)?;
            fs::remove_file(path)?;
            bind(&socket, path, mode)?;
        }
        let file = SocketFile::of(path)?;
        Ok(Self { socket: Socket::Unix { listener: socket.listen(BACKLOG)?, _file: Some(file) } })
    }

    /// Takes a socket that already listens at an address. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If it can't be made non-blocking.
    pub fn of_tcp(listener: std::net::TcpListener) -> Result<Self> {
        // The option belongs to the socket, and not to the descriptor through which it is set.
        let same = TcpStream::from(OwnedFd::from(listener.try_clone()?));
        TcpSocket::from_std_stream(same).set_send_buffer_size(SEND_BUFFER)?;
        listener.set_nonblocking(true)?;
        Ok(Self { socket: Socket::Tcp(TcpListener::from_std(listener)?) })
    }

    /// Takes a socket that already listens at a socket file, which is not ours to remove. Must be called
    /// inside a Tokio runtime.
    ///
    /// # Errors
    /// If it can't be made non-blocking.
    pub fn of_unix(listener: std::os::unix::net::UnixListener) -> Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { socket: Socket::Unix { listener: UnixListener::from_std(listener)?, _file: None } })
    }

    /// The next connection.
    pub(super) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Result<(Wire, Origin)>> {
        Poll::Ready(Ok(match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(context))?;
                let origin = Origin::of_tcp(&stream, peer);
                (Wire::Tcp(stream), origin)
            }
            Socket::Unix { listener, .. } => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                let origin = Origin::of_unix(&stream);
                (Wire::Unix(stream), origin)
            }
        }))
    }

    /// What clients ask, as a URL if there is one.
    #[must_use]
    pub fn url(&self, scheme: &str) -> String {
        match &self.socket {
            Socket::Tcp(_) => format!("{scheme}://{self}/metrics"),
            Socket::Unix { .. } => format!("{self} ({scheme})"),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Socket::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("unknown"),
            },
            Socket::Unix { listener, .. } => match listener.local_addr() {
                Ok(address) => match address.as_pathname() {
                    Some(path) => write!(f, "unix:{}", path.display()),
                    None => f.write_str("unix:@"),
                },
                Err(_) => f.write_str("unix:"),
            },
        }
    }
}

fn open(address: SocketAddr, ipv6_only: bool) -> Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.is_ipv6() && address.ip().is_unspecified() {
        // The default is a setting of the host, net.ipv6.bindv6only.
        set_ipv6_v6only(&socket, ipv6_only)?;
    }
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// All IPv4 addresses instead of `[::]` on a host without IPv6: they are all that it has.
fn instead(address: SocketAddr, ipv6_only: bool, error: &Error) -> Option<SocketAddr> {
    let has_no_ipv6 = matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL));
    let is_all = address.is_ipv6() && address.ip().is_unspecified() && !ipv6_only;
    (is_all && has_no_ipv6).then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

/// Makes the socket file. It has its permissions from the first moment, because the kernel takes them from
/// the mask: a change afterwards would come too late for a client that is already waiting.
fn bind(socket: &UnixSocket, path: &Path, mode: u32) -> Result<()> {
    // The mask is that of the whole process. No other thread makes files while the exporter starts.
    let before = umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = socket.bind(path);
    umask(before);
    bound
}

/// Checks that the file is a socket and that nobody answers on it.
fn check_left_over(path: &Path) -> std::result::Result<(), ListenError> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(ListenError::NoSocket);
    }
    // A blocking connection would wait while the other program accepts none.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let client = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(Error::from)?;
    let address = SocketAddrUnix::new(path).map_err(Error::from)?;
    if connect(&client, &address) == Err(Errno::CONNREFUSED) { Ok(()) } else { Err(ListenError::Answered) }
}

/// A socket file that this program has made. Dropping it removes the file, unless another one took its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

fn identity(path: &Path) -> Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            if let Err(error) = fs::remove_file(&self.path) {
                tracing::debug!("{} stays: {error}", self.path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_ipv6_all_addresses_are_those_of_ipv4() {
        let all: SocketAddr = "[::]:7".parse().unwrap();
        let error = |errno: Errno| Error::from(errno);
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert_eq!(instead(all, false, &error(errno)), Some("0.0.0.0:7".parse().unwrap()));
            assert_eq!(instead(all, true, &error(errno)), None);
            assert_eq!(instead("[::1]:7".parse().unwrap(), false, &error(errno)), None);
            assert_eq!(instead("192.0.2.1:7".parse().unwrap(), false, &error(errno)), None);
        }
        assert_eq!(instead(all, false, &error(Errno::ADDRINUSE)), None);
        assert_eq!(instead(all, false, &error(Errno::ACCESS)), None);
    }
}
