//! `--bind`: where the server listens, and where a health check asks it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

/// Where the server listens, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// `none`: nowhere. There is no port.
    Nowhere,
    /// At an address.
    At(Address),
}

impl FromStr for Bind {
    type Err = BindError;

    /// Reads `none`, or what [`Address`] reads.
    fn from_str(text: &str) -> Result<Self, BindError> {
        if text == "none" { Ok(Self::Nowhere) } else { text.parse().map(Self::At) }
    }
}

/// An address and a port to serve on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// A name, or an IPv6 address with its interface (`fe80::1%eth0`). Both are resolved when they are used.
    Name(String),
}

/// Why a text is neither an address and a port nor `none`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// There is no colon with a port after it.
    #[error("expected ADDRESS:PORT, found \"{0}\"")]
    NoPort(String),
    /// The text after the last colon is not a port.
    #[error("expected a port from 0 to 65535, found \"{0}\"")]
    Port(String),
    /// The text before the last colon is neither an address nor a name.
    #[error("expected an address or a host name before the port, found \"{0}\"")]
    Host(String),
}

impl Address {
    /// The addresses to listen on. A name can have several.
    ///
    /// # Errors
    /// If the name can't be resolved.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        match &self.host {
            Host::Address(address) => Ok(vec![SocketAddr::new(*address, self.port)]),
            Host::Name(name) => Ok((name.as_str(), self.port).to_socket_addrs()?.collect()),
        }
    }

    /// Host and port to connect to from this machine. A server that listens on all addresses is reached on
    /// loopback.
    #[must_use]
    pub fn local(&self) -> (String, u16) {
        let host = match &self.host {
            Host::Address(IpAddr::V4(address)) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Host::Address(IpAddr::V6(address)) if address.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        };
        (host, self.port)
    }
}

impl FromStr for Address {
    type Err = BindError;

    /// Reads `ADDRESS:PORT`, `[IPV6]:PORT`, `NAME:PORT`, or `:PORT` for all IPv4 addresses.
    fn from_str(text: &str) -> Result<Self, BindError> {
        let no_port = || BindError::NoPort(text.to_owned());
        if text.ends_with(']') {
            return Err(no_port());
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        let Some(host) = Host::parse(host) else {
            let is_address = text.parse::<Ipv6Addr>().is_ok();
            return Err(if is_address { no_port() } else { BindError::Host(host.to_owned()) });
        };
        // A URL or a path.
        if port.contains('/') {
            return Err(no_port());
        }
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let number = port.parse().ok().filter(|_| is_number);
        Ok(Self { host, port: number.ok_or_else(|| BindError::Port(port.to_owned()))? })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Address(Ipv4Addr::UNSPECIFIED.into()));
        }
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bracketed.unwrap_or(text);
        if let Ok(v6) = address.parse::<Ipv6Addr>() {
            return Some(Self::Address(v6.into()));
        }
        let with_interface = address.split_once('%').filter(|(v6, name)| {
            v6.parse::<Ipv6Addr>().is_ok() && !name.is_empty() && !name.contains(is_odd)
        });
        if with_interface.is_some() {
            return Some(Self::Name(address.to_owned()));
        }
        if bracketed.is_some() || text.contains(is_odd) {
            return None;
        }
        Some(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Address))
    }
}

/// Whether a character can't be in a host name.
fn is_odd(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "/:@[]%?#\"'\\".contains(c)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, BindError> {
        text.parse()
    }

    #[test]
    fn none_is_no_address() {
        assert_eq!("none".parse(), Ok(Bind::Nowhere));
        assert_eq!("none:1".parse(), parse("none:1").map(Bind::At));
        assert_eq!("None".parse::<Bind>(), Err(BindError::NoPort("None".to_owned())));
    }

    #[test]
    fn one_text_says_where_to_listen_and_where_to_ask() {
        for (text, listens, asked) in [
            ("0.0.0.0:12096", "0.0.0.0:12096", ("127.0.0.1", 12096)),
            (":1", "0.0.0.0:1", ("127.0.0.1", 1)),
            ("[::]:2", "[::]:2", ("::1", 2)),
            (":::2", "[::]:2", ("::1", 2)),
            ("::1:2", "[::1]:2", ("::1", 2)),
            ("192.0.2.1:3", "192.0.2.1:3", ("192.0.2.1", 3)),
            ("127.0.0.1:0", "127.0.0.1:0", ("127.0.0.1", 0)),
        ] {
            let bind = parse(text).unwrap();
            assert_eq!(bind.addresses().unwrap(), [listens.parse().unwrap()]);
            assert_eq!((bind.to_string().as_str(), bind.local()), (listens, (asked.0.to_owned(), asked.1)));
        }
        assert_eq!(parse("localhost:9").unwrap().local(), ("localhost".to_owned(), 9));
        assert_eq!(parse("[fe80::1%eth0]:9").unwrap().to_string(), "[fe80::1%eth0]:9");
    }

    #[test]
    fn what_names_no_address_and_port_is_told_apart() {
        for text in ["nowhere", "127.0.0.1", "::1", "[::1]", "12096", "", "unix://", "h:1/metrics"] {
            assert_eq!(parse(text), Err(BindError::NoPort(text.to_owned())));
        }
        for (text, port) in
            [("127.0.0.1:", ""), ("h:http", "http"), (":99999", "99999"), ("h:+1", "+1"), ("h:-1", "-1")]
        {
            assert_eq!(parse(text), Err(BindError::Port(port.to_owned())));
        }
        for (text, host) in [
            ("a name:1", "a name"),
            ("http://h:1", "http://h"),
            ("[h]:1", "[h]"),
            ("h:1:2", "h:1"),
            ("fe80::1%:1", "fe80::1%"),
            ("a\nb:1", "a\nb"),
        ] {
            assert_eq!(parse(text), Err(BindError::Host(host.to_owned())));
        }
    }
}
