//! Where the Docker API is.

use std::{
    fmt,
    net::Ipv6Addr,
    num::NonZeroU16,
    path::{Path, PathBuf},
};

/// Where the Docker API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerHost {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP: `host:port`.
    Http(String),
    /// TLS with a client certificate.
    Tls {
        /// `host:port`
        address: String,
        /// The directory with `ca.pem`, `cert.pem` and `key.pem`.
        certificates: PathBuf,
    },
}

/// A Docker host that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It has none of the known forms.
    #[error("expected unix://PATH, tcp://HOST:PORT, http://HOST:PORT or https://HOST:PORT, found \"{0}\"")]
    Form(String),
    /// Nothing stands after `unix://`.
    #[error("expected the path of a socket after unix://, found none: \"{0}\"")]
    NoPath(String),
    /// The path of the socket is relative. Most likely a slash is missing.
    #[error("expected an absolute path after unix://, such as unix:///var/run/docker.sock, found \"{0}\"")]
    Relative(String),
    /// No host stands after the scheme.
    #[error("expected a host after {scheme}://, found none: \"{found}\"")]
    NoHost {
        /// The scheme.
        scheme: String,
        /// All of it.
        found: String,
    },
}

impl DockerHost {
    /// Reads a host as the docker CLI does. `tcp://` uses TLS if `DOCKER_TLS_VERIFY` is set and not empty;
    /// `https://` always does. The certificates are in `DOCKER_CERT_PATH`.
    ///
    /// # Errors
    /// If the scheme is unknown, the path of a socket is relative, or there is no address or no valid port.
    pub fn parse(host: &str, tls_verify: bool, certificates: &Path) -> Result<Self, HostError> {
        let error = || HostError::Form(masked(host));
        let (scheme, address) = host.split_once("://").ok_or_else(error)?;
        let address = address.trim_end_matches('/');
        let is_network = matches!(scheme, "tcp" | "http" | "https");
        let no_host = address.is_empty() || address.strip_prefix(':').is_some_and(|port| !port.contains(':'));
        match scheme {
            "unix" if address.is_empty() => return Err(HostError::NoPath(masked(host))),
            "unix" if !address.starts_with('/') => return Err(HostError::Relative(masked(host))),
            _ if is_network && no_host => {
                return Err(HostError::NoHost { scheme: scheme.to_owned(), found: masked(host) });
            }
            _ => {}
        }
        if address.is_empty() || (scheme != "unix" && address.contains(['/', '@'])) {
            return Err(error());
        }
        let has_port = scheme == "unix" || has_port(address).ok_or_else(error)?;
        let with_port = |port: u16| if has_port { address.to_owned() } else { format!("{address}:{port}") };
        match scheme {
            "unix" => Ok(Self::Unix(address.into())),
            "tcp" | "https" if scheme == "https" || tls_verify => {
                Ok(Self::Tls { address: with_port(2376), certificates: certificates.into() })
            }
            "tcp" => Ok(Self::Http(with_port(2375))),
            "http" => Ok(Self::Http(with_port(80))),
            _ => Err(error()),
        }
    }
}

/// Whether an address ends with a port; `None` if it is not an address.
fn has_port(address: &str) -> Option<bool> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<NonZeroU16>().is_ok();
    let is_wrong =
        host.is_empty() || host.contains(char::is_whitespace) || port.is_some_and(|port| !is_port(port));
    (!is_wrong).then_some(port.is_some())
}

impl fmt::Display for DockerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Tls { address, .. } => write!(f, "https://{address}"),
        }
    }
}

/// A host or an address without its user and password, which must not appear in messages.
fn masked(host: &str) -> String {
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (scheme, rest) = host
        .split_once("://")
        .filter(|(scheme, _)| is_scheme(scheme))
        .map_or((None, host), |(scheme, rest)| (Some(scheme), rest));
    match (rest.rsplit_once('@'), scheme) {
        (Some((_, address)), Some(scheme)) if scheme != "unix" => format!("{scheme}://***@{address}"),
        (Some((_, address)), None) => format!("***@{address}"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_are_not_shown() {
        let path = DockerHost::parse("unix:///run/a@b", false, Path::new("")).unwrap();
        assert_eq!(path.to_string(), "unix:///run/a@b");
        for wrong in [
            "tcp://u:secret@h:1",
            "http://u:sec@secret@h",
            "u:secret@h:1",
            "ssh://u:secret@h",
            "tcp://u:sec/secret@h",
            "u:secret://secret@h",
        ] {
            let error = DockerHost::parse(wrong, false, Path::new("")).unwrap_err().to_string();
            assert!(!error.contains("secret") && error.contains("***@h"), "{error}");
        }
    }

    #[test]
    fn a_port_that_is_none_is_refused() {
        for scheme in ["tcp", "http", "https"] {
            for wrong in [
                "127.0.0.1:notaport",
                "127.0.0.1:99999",
                "127.0.0.1:+80",
                "host:",
                "host:0",
                "host:1:2",
                ":",
                ":2375",
                "::1",
                "[::1",
                "[]",
                "[::1]:",
                "[::1]:0",
                "[::1]2375",
                "[host]:1",
                "a host:1",
            ] {
                for verify in [false, true] {
                    let host = format!("{scheme}://{wrong}");
                    assert!(DockerHost::parse(&host, verify, Path::new("")).is_err(), "{host}");
                }
            }
        }
        for right in ["[::1]:2375", "[fd00::1]:1", "host:65535", "127.0.0.1:1"] {
            let host = DockerHost::parse(&format!("tcp://{right}"), false, Path::new(""));
            assert_eq!(host, Ok(DockerHost::Http(right.into())));
        }
    }

    #[test]
    fn a_host_is_read_as_the_docker_cli_does() {
        let certs = Path::new("/certs");
        let parse = |host: &str, verify| DockerHost::parse(host, verify, certs);
        let tls = |address: &str| DockerHost::Tls { address: address.into(), certificates: certs.into() };
        assert_eq!(
            parse("unix:///var/run/docker.sock", true),
            Ok(DockerHost::Unix("/var/run/docker.sock".into()))
        );
        assert_eq!(parse("tcp://h:1", false), Ok(DockerHost::Http("h:1".into())));
        assert_eq!(parse("tcp://h", false), Ok(DockerHost::Http("h:2375".into())));
        assert_eq!(parse("http://h:1/", true), Ok(DockerHost::Http("h:1".into())));
        assert_eq!(parse("tcp://h:1", true), Ok(tls("h:1")));
        assert_eq!(parse("https://[::1]", false), Ok(tls("[::1]:2376")));
        for (wrong, problem) in [
            ("unix://", "expected the path of a socket after unix://, found none: \"unix://\""),
            (
                "unix://var/run/docker.sock",
                "expected an absolute path after unix://, such as unix:///var/run/docker.sock, found",
            ),
            ("unix://docker.sock/", "expected an absolute path after unix://"),
            ("tcp://", "expected a host after tcp://, found none: \"tcp://\""),
            ("http:///", "expected a host after http://"),
            ("https://:2376", "expected a host after https://, found none: \"https://:2376\""),
        ] {
            let error = parse(wrong, false).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{error}");
        }
        for wrong in ["/var/run/docker.sock", "ssh://h", "fd://", "npipe://x", "tcp://h/path", "tcp://[]", ""]
        {
            let error = parse(wrong, false).unwrap_err().to_string();
            assert!(error.contains("expected unix://") && error.contains(wrong), "{error}");
        }
    }
}
