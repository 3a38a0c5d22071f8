//! `--bind`: where the server listens, and where a health check asks it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    str::FromStr,
};

/// Where the server listens, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// `none`: nowhere. There is no port.
    Nowhere,
    /// At these places, one or more.
    At(Vec<Endpoint>),
}

impl Bind {
    /// Reads the values of `--bind`: each is `none`, or what [`Endpoint`] reads.
    ///
    /// # Errors
    /// If one of them is neither, or if two of them exclude each other.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, BindError> {
        let texts: Vec<_> = texts.into_iter().collect();
        match texts.as_slice() {
            [] => return Err(BindError::NoPort(String::new())),
            ["none"] => return Ok(Self::Nowhere),
            several if several.contains(&"none") => return Err(BindError::NoneAndMore),
            _ => {}
        }
        let mut places: Vec<Endpoint> = Vec::new();
        for text in texts {
            let place: Endpoint = text.parse()?;
            if places.iter().any(|other| other.is_same(&place)) {
                return Err(BindError::Twice(text.to_owned()));
            }
            places.push(place);
        }
        // Where all IPv4 addresses are named too, [::] can only mean those of IPv6.
        let all_ipv4: Vec<_> = places.iter().filter_map(Endpoint::port_on_all_ipv4).collect();
        for place in &mut places {
            if let Endpoint::Tcp(address) = place {
                let is_all = address.host == Host::Address(Ipv6Addr::UNSPECIFIED.into());
                address.ipv6_only = is_all && all_ipv4.contains(&address.port);
            }
        }
        Ok(Self::At(places))
    }
}

/// A place to serve at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port.
    Tcp(Address),
    /// A socket file.
    Unix(SocketPath),
}

impl Endpoint {
    /// Whether both can't be had at the same time. Port 0 is another port each time.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one == other && one.port != 0,
            (Self::Unix(one), Self::Unix(other)) => one.path == other.path,
            _ => false,
        }
    }

    fn port_on_all_ipv4(&self) -> Option<u16> {
        let Self::Tcp(Address { host, port, .. }) = self else { return None };
        (*host == Host::Address(Ipv4Addr::UNSPECIFIED.into())).then_some(*port)
    }
}

impl FromStr for Endpoint {
    type Err = BindError;

    /// Reads `unix:/PATH`, `unix:/PATH:MODE`, or what [`Address`] reads.
    fn from_str(text: &str) -> Result<Self, BindError> {
        // A host may be called unix.
        let is_port = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        match text.strip_prefix("unix:").filter(|rest| !is_port(rest)) {
            Some(path) => SocketPath::parse(path).map(Self::Unix),
            None => text.parse().map(Self::Tcp),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(SocketPath { path, .. }) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket file to serve on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPath {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// Its permissions. Whoever may write to it may connect.
    pub mode: u32,
}

/// Owner and group may connect.
const MODE: u32 = 0o660;
/// The longest path of a socket: `sun_path` has one byte more, for the final zero.
const PATH_BYTES: usize = 107;

impl SocketPath {
    /// Reads `/PATH` or `/PATH:MODE`, with slashes before it as in a URL.
    fn parse(text: &str) -> Result<Self, BindError> {
        let wrong = || BindError::Socket(text.to_owned());
        let (path, mode) = match text.rsplit_once(':') {
            Some((path, digits)) => {
                let is_octal =
                    (3..=4).contains(&digits.len()) && digits.bytes().all(|b| (b'0'..b'8').contains(&b));
                let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
                (path, mode.ok_or_else(|| BindError::Mode(digits.to_owned()))?)
            }
            None => (text, MODE),
        };
        // Docker writes unix:///PATH.
        let path = path.strip_prefix("//").unwrap_or(path);
        let is_plain = path.starts_with('/') && !path.ends_with('/') && path.len() <= PATH_BYTES;
        if is_plain && !path.contains(|c: char| c == ':' || c.is_control()) {
            Ok(Self { path: path.into(), mode })
        } else {
            Err(wrong())
        }
    }
}

/// An address and a port to serve on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: Host,
    port: u16,
    /// Whether `[::]` leaves out IPv4, because another place has it.
    ipv6_only: bool,
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
    /// The text after `unix:` is not the path of a socket file.
    #[error(
        "expected the absolute path of a socket file after unix:, without colons and at most 107 bytes long, \
         found \"{0}\""
    )]
    Socket(String),
    /// The text after the path of a socket file is not a mode.
    #[error("expected the mode of a socket file, from 0000 to 0777, found \"{0}\"")]
    Mode(String),
    /// `none` beside another place.
    #[error("none can't be given together with an address")]
    NoneAndMore,
    /// The same place again.
    #[error("{0} is given twice")]
    Twice(String),
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

    /// Whether only IPv6 is to be served, where this is `[::]`.
    #[must_use]
    pub fn ipv6_only(&self) -> bool {
        self.ipv6_only
    }

    /// Hosts to try from this machine, and the port. A server that listens on all addresses is reached on
    /// loopback: over IPv4 where the host has no IPv6.
    #[must_use]
    pub fn local(&self) -> (Vec<String>, u16) {
        let v4 = || Ipv4Addr::LOCALHOST.to_string();
        let hosts = match &self.host {
            Host::Address(IpAddr::V4(address)) if address.is_unspecified() => vec![v4()],
            Host::Address(IpAddr::V6(address)) if address.is_unspecified() => {
                let v6 = Ipv6Addr::LOCALHOST.to_string();
                if self.ipv6_only { vec![v6] } else { vec![v6, v4()] }
            }
            Host::Address(address) => vec![address.to_string()],
            Host::Name(name) => vec![name.clone()],
        };
        (hosts, self.port)
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
        let port = number.ok_or_else(|| BindError::Port(port.to_owned()))?;
        Ok(Self { host, port, ipv6_only: false })
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

    fn places(texts: &[&str]) -> Result<Vec<Endpoint>, BindError> {
        match Bind::read(texts.iter().copied())? {
            Bind::At(places) => Ok(places),
            Bind::Nowhere => Ok(Vec::new()),
        }
    }

    #[test]
    fn none_is_no_address() {
        assert_eq!(Bind::read(["none"]), Ok(Bind::Nowhere));
        assert_eq!(places(&["none:1"]), parse("none:1").map(|address| vec![Endpoint::Tcp(address)]));
        assert_eq!(places(&["None"]), Err(BindError::NoPort("None".to_owned())));
        assert_eq!(places(&["none", ":1"]), Err(BindError::NoneAndMore));
        assert_eq!(places(&[]), Err(BindError::NoPort(String::new())));
    }

    #[test]
    fn all_addresses_of_ipv6_are_ipv4s_too_unless_those_are_named() {
        let ipv6_only = |texts: &[&str]| {
            let places = places(texts).unwrap();
            places.iter().any(|place| matches!(place, Endpoint::Tcp(address) if address.ipv6_only()))
        };
        assert!(!ipv6_only(&["[::]:1"]) && !ipv6_only(&["[::]:1", "127.0.0.1:1"]));
        assert!(!ipv6_only(&["[::]:1", "0.0.0.0:2"]));
        assert!(ipv6_only(&["[::]:1", "0.0.0.0:1"]) && ipv6_only(&[":1", "[::]:1"]));
    }

    #[test]
    fn a_place_is_given_once() {
        for text in ["127.0.0.1:1", "unix:/a"] {
            assert_eq!(places(&[text, text]), Err(BindError::Twice(text.to_owned())));
        }
        assert_eq!(places(&["unix:/a", "unix:/a:0600"]), Err(BindError::Twice("unix:/a:0600".to_owned())));
        assert_eq!(places(&["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:1", "[::1]:1"]).unwrap().len(), 4);
    }

    #[test]
    fn a_socket_file_has_a_path_and_perhaps_a_mode() {
        for (text, path, mode) in [
            ("unix:/run/x.sock", "/run/x.sock", 0o660),
            ("unix:///run/x.sock", "/run/x.sock", 0o660),
            ("unix:/run/x.sock:0600", "/run/x.sock", 0o600),
            ("unix:/run/x.sock:666", "/run/x.sock", 0o666),
        ] {
            let place: Endpoint = text.parse().unwrap();
            assert_eq!(place, Endpoint::Unix(SocketPath { path: path.into(), mode }));
            assert_eq!(place.to_string(), format!("unix:{path}"));
        }
        let long = format!("/{}", "x".repeat(PATH_BYTES));
        for path in ["", "run/x", "/", "/x/", "//", "@abstract", "/a:b:0600", "/a\n", long.as_str()] {
            let shown = path.strip_suffix(":0600").map_or(path, |_| path);
            assert_eq!(format!("unix:{path}").parse::<Endpoint>(), Err(BindError::Socket(shown.to_owned())));
        }
        for mode in ["", "9", "0999", "660x", "1777", "00660", "+660"] {
            let parsed = format!("unix:/x:{mode}").parse::<Endpoint>();
            assert_eq!(parsed, Err(BindError::Mode(mode.to_owned())));
        }
        assert_eq!("unix:1".parse(), parse("unix:1").map(Endpoint::Tcp));
    }

    #[test]
    fn one_text_says_where_to_listen_and_where_to_ask() {
        for (text, listens, hosts, port) in [
            ("0.0.0.0:12096", "0.0.0.0:12096", &["127.0.0.1"][..], 12096),
            (":1", "0.0.0.0:1", &["127.0.0.1"], 1),
            ("[::]:2", "[::]:2", &["::1", "127.0.0.1"], 2),
            (":::2", "[::]:2", &["::1", "127.0.0.1"], 2),
            ("::1:2", "[::1]:2", &["::1"], 2),
            ("192.0.2.1:3", "192.0.2.1:3", &["192.0.2.1"], 3),
            ("127.0.0.1:0", "127.0.0.1:0", &["127.0.0.1"], 0),
            ("localhost:9", "localhost:9", &["localhost"], 9),
        ] {
            let bind = parse(text).unwrap();
            if !text.contains("localhost") {
                assert_eq!(bind.addresses().unwrap(), [listens.parse().unwrap()]);
            }
            let hosts = hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
            assert_eq!((bind.to_string().as_str(), bind.local()), (listens, (hosts, port)));
        }
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
