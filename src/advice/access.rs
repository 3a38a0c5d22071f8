//! What is said of certificates, passwords and tokens.

use std::{fmt, path::PathBuf};

/// After a web config that can't be used.
#[must_use]
pub fn web_config() -> &'static str {
    "--web_config names a file in the format of Prometheus' exporter-toolkit"
}

/// After a certificate or key of a web config that can't be used.
#[must_use]
pub fn certificates() -> &'static str {
    "a web config names certificates and keys in PEM, with paths relative to its folder"
}

/// After a file of tokens that can't be used.
#[must_use]
pub fn tokens() -> &'static str {
    "--auth_token_file names a file with one token per line, each of 16 characters or more"
}

/// After a new state of the files that can't be used.
#[must_use]
pub fn kept() -> &'static str {
    "what was there before stays in force (counted in \
     docker_stat_prom_config_reloads_total{result=\"failure\"})"
}

/// After HTTPS that is set up in two places.
#[must_use]
pub fn twice() -> &'static str {
    "tls_server_config and -s can't be used together: leave out one of them"
}

/// After a new state that would need another start.
#[must_use]
pub fn needs_restart() -> &'static str {
    "a change between HTTP and HTTPS needs a restart"
}

/// After a new state without users and tokens, where there were some.
#[must_use]
pub fn opens_to_all() -> &'static str {
    "there are no users and no tokens any more: serving everybody needs a restart"
}

/// What is accepted and should be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// The certificate has expired.
    Expired,
    /// The certificate expires in so many days.
    ExpiresSoon(u64),
    /// A key that every user of the host can read.
    KeyForAll(PathBuf),
    /// Tokens that every user of the host can read.
    TokensForAll(PathBuf),
    /// A password hash of this bcrypt cost.
    DearHash(u32),
    /// `min_version` is below TLS 1.2.
    OldVersion,
    /// Names of clients are checked, and who signed them is not.
    UnsignedNames,
    /// Client certificates are checked with the CAs of the system.
    SystemAuthorities,
    /// Passwords or tokens go over plain HTTP.
    InTheClear,
    /// A web config in which there is nothing.
    EmptyConfig(PathBuf),
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyConfig(path) => {
                write!(f, "{}: nothing is configured in it: everybody is served, over HTTP", path.display())
            }
            Self::Expired => f.write_str("the certificate has expired: clients will refuse it"),
            Self::ExpiresSoon(days) => write!(f, "the certificate expires in {days} days: renew it"),
            Self::KeyForAll(path) => {
                write!(f, "{}: every user of this host can read the key: chmod o-r", path.display())
            }
            Self::TokensForAll(path) => {
                write!(f, "{}: every user of this host can read the tokens: chmod o-r", path.display())
            }
            Self::DearHash(cost) => write!(
                f,
                "basic_auth_users: a hash of bcrypt cost {cost} takes long to check: 10 to 12 is enough"
            ),
            Self::OldVersion => f.write_str("min_version: TLS10 and TLS11 are not supported, TLS12 is used"),
            Self::UnsignedNames => f.write_str(
                "client_allowed_sans: anybody can make a certificate with these names, since the signature \
                 is not checked: set client_auth_type to RequireAndVerifyClientCert",
            ),
            Self::SystemAuthorities => f.write_str(
                "client certificates of every CA that this system trusts are accepted: name your own with \
                 client_ca_file",
            ),
            Self::InTheClear => {
                f.write_str("passwords or tokens are sent over plain HTTP, where they can be read: use HTTPS")
            }
        }
    }
}
