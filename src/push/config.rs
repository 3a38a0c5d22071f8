//! What is pushed where. The settings make this from flags, environment and a file; nothing here reads them.

use super::relabel::Rule;
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Everything about push. Without targets nothing is pushed.
#[derive(Debug, Clone)]
pub struct Config {
    /// How often all series are read and sent.
    pub interval: Duration,
    /// Labels that every series gets, unless the series has that label itself. Sorted by name. `instance` and
    /// `job` are always among them.
    pub external_labels: Vec<(String, String)>,
    /// Where requests wait on disk. Without it they wait in memory.
    pub spool: Option<Spool>,
    /// How many bytes of compressed requests may wait in memory, for each target.
    pub memory_bytes: u64,
    /// Where to.
    pub targets: Vec<Target>,
}

impl Config {
    /// The names of all targets.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.targets.iter().map(|target| target.name.clone())
    }
}

/// A directory for requests that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// The directory. Each target has a file of its own in it.
    pub directory: PathBuf,
    /// How many bytes of compressed requests may wait, for each target.
    pub bytes: u64,
}

/// One receiver.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name in logs and in the label `target`: as the user named it, else its URL without user, password,
    /// query and fragment. No two targets have the same.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// How it is retried.
    pub queue: Queue,
    /// Rules for labels, applied to each series with its external labels.
    pub relabel: Vec<Rule>,
}

/// What a receiver speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// Prometheus remote write.
    RemoteWrite(Version),
    /// OpenTelemetry's OTLP over HTTP, in protobuf.
    Otlp(Otlp),
    /// Prometheus Pushgateway. `job` and `instance` of the external labels are the grouping key.
    Pushgateway,
}

/// The version of remote write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 2.0 at first, and 1.0 once the receiver shows that it does not know 2.0.
    Negotiated,
    /// 1.0, `prometheus.WriteRequest`
    V1,
    /// 2.0, `io.prometheus.write.v2.Request`
    V2,
}

/// Choices of OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// Whether metrics get the names of OpenTelemetry's semantic conventions, where there are any.
    pub semantic_names: bool,
    /// Whether requests are compressed with gzip.
    pub gzip: bool,
    /// Attributes of every resource.
    pub resource_attributes: Vec<(String, String)>,
}

/// How a receiver is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// An `http` or `https` URL without user and password.
    pub url: hyper::Uri,
    /// How long one request may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// Headers of each request, besides those of the protocol. Values can be secret.
    pub headers: Vec<(String, Secret)>,
    /// How we say who we are.
    pub authorization: Option<Authorization>,
    /// TLS, for `https`.
    pub tls: Tls,
    /// An HTTP proxy: `http://HOST:PORT`, with user and password apart.
    pub proxy: Option<Proxy>,
    /// Whether a redirect is followed.
    pub follow_redirects: bool,
}

impl Endpoint {
    /// The files that are read again and again.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let certificates = self.tls.identity.iter().map(|(certificate, _)| certificate);
        let public = self.tls.ca.iter().chain(certificates).filter_map(Pem::file);
        public.map(Path::to_owned).chain(self.secret_files()).collect()
    }

    /// Those of them that have a secret in them.
    #[must_use]
    pub fn secret_files(&self) -> Vec<PathBuf> {
        let mut secrets: Vec<&Secret> = self.headers.iter().map(|(_, value)| value).collect();
        match &self.authorization {
            Some(Authorization::Basic { username, password }) => secrets.extend([username, password]),
            Some(Authorization::Scheme { credentials, .. }) => secrets.push(credentials),
            None => {}
        }
        secrets.extend(self.proxy.iter().filter_map(|proxy| Some(&proxy.basic.as_ref()?.1)));
        let key = self.tls.identity.iter().filter_map(|(_, key)| key.file());
        let of_secrets = secrets.into_iter().filter_map(Secret::file);
        key.chain(of_secrets).map(Path::to_owned).collect()
    }

    /// Whether a password, token or key stands where the receiver is described, and not in a file of its own.
    /// Other headers than `Authorization` are usually no secret.
    #[must_use]
    pub fn has_secret_of_its_own(&self) -> bool {
        let is_text = |secret: &Secret| matches!(secret, Secret::Text(text) if !text.is_empty());
        let by_header = |name: &str| name.eq_ignore_ascii_case("authorization");
        self.headers.iter().any(|(name, value)| by_header(name) && is_text(value))
            || match &self.authorization {
                Some(Authorization::Basic { password: secret, .. })
                | Some(Authorization::Scheme { credentials: secret, .. }) => is_text(secret),
                None => false,
            }
            || matches!(&self.tls.identity, Some((_, Pem::Text(key))) if is_text(key))
    }
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// `http://HOST:PORT`
    pub url: hyper::Uri,
    /// User and password.
    pub basic: Option<(String, Secret)>,
}

/// How we say who we are.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// User and password.
    Basic {
        /// The user.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// `Authorization: SCHEME CREDENTIALS`
    Scheme {
        /// Such as `Bearer`.
        scheme: String,
        /// The token.
        credentials: Secret,
    },
}

/// A text that must not be seen: it has no `Display`, and its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The text.
    Text(String),
    /// A file, which is read again when it changes. White space at its end does not count.
    File(PathBuf),
}

impl Secret {
    /// The file that it is in.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Text(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("<secret>"),
            Self::File(path) => write!(f, "<secret in {}>", path.display()),
        }
    }
}

/// The client side of TLS.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates that are trusted, in PEM. Without it, those of the system.
    pub ca: Option<Pem>,
    /// Our certificate and its key.
    pub identity: Option<(Pem, Pem)>,
    /// The name that the receiver's certificate must have, if it is not the URL's host.
    pub server_name: Option<String>,
    /// Whether any certificate is taken.
    pub insecure_skip_verify: bool,
    /// Whether only TLS 1.3 is spoken.
    pub only_tls13: bool,
}

/// Text in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// The text.
    Text(Secret),
    /// A file, which is read again when it changes.
    File(PathBuf),
}

impl Pem {
    /// The file that it is in.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Text(secret) => secret.file(),
            Self::File(path) => Some(path),
        }
    }
}

/// How requests wait and are retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The first pause after a failure. It doubles with each further one.
    pub min_backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
    /// The most samples in one request.
    pub max_samples_per_send: usize,
    /// Samples older than this are not sent any more.
    pub sample_age_limit: Option<Duration>,
}

impl Default for Queue {
    /// As Prometheus has them.
    fn default() -> Self {
        Self {
            min_backoff: Duration::from_millis(30),
            max_backoff: Duration::from_secs(5),
            max_samples_per_send: 2000,
            sample_age_limit: None,
        }
    }
}

/// A text with `%41` as `A`. `None` if what comes out is not UTF-8, or a `%` begins nothing.
#[must_use]
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
