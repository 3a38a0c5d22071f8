//! Where a connection comes from, and the peer that it is counted for.

use rustix::process::geteuid;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tokio::net::{TcpStream, UnixStream};

/// Where one connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    place: Place,
    /// Whether this may be a health check from this machine.
    pub(super) is_own: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Address(SocketAddr),
    /// A process of this user, through a socket file; `None` if the kernel does not tell which.
    User(Option<u32>),
}

impl Origin {
    pub(super) fn of_tcp(socket: &TcpStream, peer: SocketAddr) -> Self {
        // If the local address is unknown, one that can't be the peer's.
        let unspecified = match peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = socket.local_addr().map_or(unspecified, |address| address.ip());
        Self::between(peer, local)
    }

    /// A connection from `peer` to the exporter's own address `local`.
    pub(super) fn between(peer: SocketAddr, local: IpAddr) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Self { place: Place::Address(peer), is_own: is_own(peer.ip(), local.to_canonical()) }
    }

    pub(super) fn of_unix(socket: &UnixStream) -> Self {
        let user = socket.peer_cred().ok().map(|process| process.uid());
        let is_own = user.is_some_and(|user| user == 0 || user == geteuid().as_raw());
        Self { place: Place::User(user), is_own }
    }

    pub(super) fn peer(self) -> Peer {
        match self.place {
            Place::Address(address) => Peer::of(address.ip()),
            Place::User(user) => Peer(Whose::User(user)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Address(address) => address.fmt(f),
            Place::User(_) => self.peer().fmt(f),
        }
    }
}

/// Whether this may be a health check from this machine: it comes from exactly the address that health checks
/// use, or from the address that is served on. All of 127.0.0.0/8 would be too much, because any local
/// program could use hundreds of those addresses.
fn is_own(address: IpAddr, local: IpAddr) -> bool {
    address == Ipv4Addr::LOCALHOST
        || address == Ipv6Addr::LOCALHOST
        || (address == local && !address.is_loopback())
}

/// An IPv4 address; an IPv6 network of 64 bits, because one machine can have all addresses of such a network;
/// or a user of this machine, because a socket file has no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer(Whose);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Address(IpAddr),
    User(Option<u32>),
}

impl Peer {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(Whose::Address(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
            }
            other => other,
        }))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Whose::Address(IpAddr::V6(network)) if !network.is_loopback() => write!(f, "{network}/64"),
            Whose::Address(address) => write!(f, "{address}"),
            Whose::User(Some(user)) => write!(f, "user {user}"),
            Whose::User(None) => f.write_str("a local user"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let peer = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("::1"), Peer(Whose::Address(Ipv6Addr::LOCALHOST.into())));
    }

    #[test]
    fn a_health_check_comes_from_here() {
        let own = |peer: &str, local: &str| {
            Origin::between(SocketAddr::new(peer.parse().unwrap(), 1), local.parse().unwrap()).is_own
        };
        assert!(own("192.0.2.1", "192.0.2.1") && own("::1", "127.0.0.1") && own("127.0.0.1", "127.0.0.1"));
        assert!(own("::ffff:127.0.0.1", "::ffff:127.0.0.1") && own("::ffff:192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!own("127.0.0.2", "127.0.0.2") && !own("192.0.2.1", "127.0.0.1"));
        assert!(!own("::ffff:127.0.0.2", "::ffff:127.0.0.2"));
    }

    #[test]
    fn an_ipv4_peer_of_an_ipv6_socket_is_shown_as_what_it_is() {
        let origin = Origin::between("[::ffff:192.0.2.1]:5".parse().unwrap(), "::".parse().unwrap());
        assert_eq!(origin.to_string(), "192.0.2.1:5");
        assert_eq!(origin.peer(), Peer::of("192.0.2.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_peer_on_a_socket_file_is_its_user() {
        let (one, _other) = UnixStream::pair().unwrap();
        let origin = Origin::of_unix(&one);
        let user = geteuid().as_raw();
        assert!(origin.is_own && origin.to_string() == format!("user {user}"), "{origin}");
        assert_eq!(origin.peer(), Peer(Whose::User(Some(user))));
    }
}
