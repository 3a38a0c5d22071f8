//! The keys of a receiver that have to do with HTTP and TLS.

use super::{files, proxy, url::Address};
use crate::{
    push::{Authorization, Pem, Proxy, Queue, Secret, Tls},
    yaml::{Keys, Mistake, Node, Section},
};
use std::path::{Path, PathBuf};

const BASIC_AUTH: Keys = Keys {
    name: "basic_auth",
    known: &["username", "username_file", "password", "password_file"],
    no_effect: &[],
    not_supported: &["username_ref", "password_ref"],
};

const AUTHORIZATION: Keys = Keys {
    name: "authorization",
    known: &["type", "credentials", "credentials_file"],
    no_effect: &[],
    not_supported: &["credentials_ref"],
};

const TLS: Keys = Keys {
    name: "tls_config",
    known: &[
        "ca",
        "ca_file",
        "cert",
        "cert_file",
        "key",
        "key_file",
        "server_name",
        "insecure_skip_verify",
        "min_version",
        "max_version",
    ],
    no_effect: &[],
    not_supported: &["ca_ref", "cert_ref", "key_ref"],
};

const HTTP_HEADER: Keys =
    Keys { name: "http_headers", known: &["values", "secrets", "files"], no_effect: &[], not_supported: &[] };

const QUEUE: Keys = Keys {
    name: "queue_config",
    known: &["min_backoff", "max_backoff", "max_samples_per_send", "sample_age_limit"],
    no_effect: &["capacity", "max_shards", "min_shards", "batch_send_deadline", "retry_on_http_429"],
    not_supported: &[],
};

/// The most samples of one request that can be asked for. A request is in memory as a whole.
const MAX_SAMPLES: usize = 100_000;

/// What Prometheus writes in place of a secret when it shows its configuration.
const MASKED: &str = "<secret>";

/// The headers that belong to the protocol, in small letters.
const RESERVED: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
];

/// Checks a header that is sent with each request. A name that can be none is not shown: it is often a whole
/// line, with the secret.
pub(super) fn header(name: &str, value: Secret) -> Result<(String, Secret), String> {
    if hyper::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err("expected a header's name, found characters that none can have".to_owned());
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("header \"{name}\" belongs to the protocol and can't be set"));
    }
    if let Secret::Text(text) = &value {
        if hyper::header::HeaderValue::from_str(text).is_err() {
            return Err(format!("the value of header \"{name}\" has characters that a header can't have"));
        }
    }
    Ok((name.to_owned(), value))
}

/// Reads sections of one file, whose paths are relative to its folder.
pub(super) struct Reader<'a> {
    pub(super) folder: &'a Path,
    pub(super) variables: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    /// A file that is named and can be read.
    fn file(&self, section: &Section<'_>, key: &str) -> Result<Option<PathBuf>, Mistake> {
        let Some(text) = section.text(key)? else { return Ok(None) };
        self.checked(text, key, line(section, key)).map(Some)
    }

    fn checked(&self, text: &str, key: &str, line: usize) -> Result<PathBuf, Mistake> {
        let path = self.folder.join(text);
        files::check(&path).map_err(|problem| Mistake::of_file(line, format!("{key}: {problem}")))?;
        Ok(path)
    }

    /// A secret that is in the file itself, or in one that it names.
    fn secret(&self, section: &Section<'_>, key: &str, key_of_file: &str) -> Result<Option<Secret>, Mistake> {
        match (section.text(key)?, self.file(section, key_of_file)?) {
            (Some(_), Some(_)) => Err(both(section, key, key_of_file)),
            (Some(MASKED), None) => {
                let problem = format!("{key}: \"{MASKED}\" is what Prometheus shows instead of a secret");
                Err(Mistake::new(line(section, key), problem))
            }
            (Some(text), None) => Ok(Some(Secret::Text(text.to_owned()))),
            (None, file) => Ok(file.map(Secret::File)),
        }
    }

    fn pem(&self, section: &Section<'_>, key: &str, key_of_file: &str) -> Result<Option<Pem>, Mistake> {
        Ok(self.secret(section, key, key_of_file)?.map(|secret| match secret {
            Secret::File(path) => Pem::File(path),
            text @ Secret::Text(_) => Pem::Text(text),
        }))
    }

    /// How we say who we are: at most one of the ways.
    pub(super) fn authorization(
        &self,
        section: &Section<'_>,
        address: &Address,
    ) -> Result<Option<Authorization>, Mistake> {
        let mut found: Vec<(&str, Authorization)> = Vec::new();
        if let Some((username, password)) = address.basic.clone() {
            found.push(("user and password in url", Authorization::Basic { username, password }));
        }
        if let Some(node) = section.get("basic_auth") {
            let section = node.section(&BASIC_AUTH)?;
            let empty = || Secret::Text(String::new());
            let username = self.secret(&section, "username", "username_file")?.unwrap_or_else(empty);
            let password = self.secret(&section, "password", "password_file")?.unwrap_or_else(empty);
            found.push(("basic_auth", Authorization::Basic { username, password }));
        }
        if let Some(node) = section.get("authorization") {
            let section = node.section(&AUTHORIZATION)?;
            let scheme = section.text("type")?.unwrap_or("Bearer").trim().to_owned();
            if scheme.eq_ignore_ascii_case("basic") {
                return Err(Mistake::new(section.line, "authorization: use basic_auth for type Basic"));
            }
            if hyper::header::HeaderName::from_bytes(scheme.as_bytes()).is_err() {
                // Often the credentials stand there too, so it is not shown.
                let problem = "type: expected one word, such as Bearer; what follows it are credentials";
                return Err(Mistake::new(line(&section, "type"), problem));
            }
            let credentials = self
                .secret(&section, "credentials", "credentials_file")?
                .ok_or_else(|| Mistake::new(section.line, "authorization: credentials are missing"))?;
            found.push(("authorization", Authorization::Scheme { scheme, credentials }));
        }
        if let Some(credentials) = self.secret(section, "bearer_token", "bearer_token_file")? {
            let scheme = "Bearer".to_owned();
            found.push(("bearer_token", Authorization::Scheme { scheme, credentials }));
        }
        if let [(one, _), (other, _), ..] = found.as_slice() {
            return Err(Mistake::new(section.line, format!("expected one of {one} and {other}, found both")));
        }
        Ok(found.pop().map(|(_, authorization)| authorization))
    }

    /// Headers: plain ones, and those of newer versions with secrets and files.
    pub(super) fn headers(&self, section: &Section<'_>) -> Result<Vec<(String, Secret)>, Mistake> {
        let mut headers = Vec::new();
        if let Some(node) = section.get("headers") {
            for (name, value) in node.pairs("headers")? {
                let text = value.text("headers")?.to_owned();
                let header = header(name, Secret::Text(text));
                headers.push(header.map_err(|problem| Mistake::new(value.line, problem))?);
            }
        }
        if let Some(node) = section.get("http_headers") {
            for (name, value) in node.pairs("http_headers")? {
                let section = value.section(&HTTP_HEADER)?;
                for key in ["values", "secrets", "files"] {
                    let Some(list) = section.get(key) else { continue };
                    for item in list.list(key)? {
                        let text = item.text(key)?;
                        let value = match key {
                            "files" => Secret::File(self.checked(text, key, item.line)?),
                            _ => Secret::Text(text.to_owned()),
                        };
                        let header = header(name, value);
                        headers.push(header.map_err(|problem| Mistake::new(item.line, problem))?);
                    }
                }
            }
        }
        Ok(headers)
    }

    /// The client side of TLS.
    pub(super) fn tls(&self, section: &Section<'_>) -> Result<Tls, Mistake> {
        let Some(node) = section.get("tls_config") else { return Ok(Tls::default()) };
        let section = node.section(&TLS)?;
        let ca = self.pem(&section, "ca", "ca_file")?;
        let certificate = self.pem(&section, "cert", "cert_file")?;
        let key = self.pem(&section, "key", "key_file")?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(Mistake::new(section.line, "tls_config: cert without key")),
            (None, Some(_)) => return Err(Mistake::new(section.line, "tls_config: key without cert")),
        };
        let version = |text: &str| match text {
            "TLS10" => Some(10),
            "TLS11" => Some(11),
            "TLS12" => Some(12),
            "TLS13" => Some(13),
            _ => None,
        };
        let least = section.of("min_version", "TLS10, TLS11, TLS12 or TLS13", version)?;
        let most = section.of("max_version", "TLS10, TLS11, TLS12 or TLS13", version)?;
        if most.is_some_and(|most| most < 13) {
            let problem = "max_version: only TLS13 is supported: TLS 1.2 and 1.3 are always offered";
            return Err(Mistake::new(line(&section, "max_version"), problem));
        }
        Ok(Tls {
            ca,
            identity,
            server_name: section.text("server_name")?.map(str::to_owned),
            insecure_skip_verify: section.flag("insecure_skip_verify")?.unwrap_or(false),
            only_tls13: least == Some(13),
        })
    }

    /// The proxy through which an address is reached.
    pub(super) fn proxy(&self, section: &Section<'_>, address: &Address) -> Result<Option<Proxy>, Mistake> {
        let named = section.text("proxy_url")?;
        let not_through = section.text("no_proxy")?;
        let from_environment = section.flag("proxy_from_environment")?.unwrap_or(false);
        match (named, not_through, from_environment) {
            (Some(_), _, true) => Err(both(section, "proxy_url", "proxy_from_environment")),
            (_, Some(_), true) => Err(both(section, "no_proxy", "proxy_from_environment")),
            (None, Some(_), false) => {
                Err(Mistake::new(line(section, "no_proxy"), "no_proxy: proxy_url is missing"))
            }
            (None, None, true) => proxy::from_environment(&address.url, self.variables)
                .map_err(|problem| Mistake::new(line(section, "proxy_from_environment"), problem)),
            (None, None, false) => Ok(None),
            (Some(_), Some(list), false) if proxy::is_direct(&address.url, list) => Ok(None),
            (Some(url), _, false) => proxy::parse(url)
                .map(Some)
                .map_err(|problem| Mistake::new(line(section, "proxy_url"), format!("proxy_url: {problem}"))),
        }
    }
}

/// How requests wait, and the keys that have no effect.
pub(super) fn queue(node: Option<&Node>) -> Result<(Queue, Vec<&'static str>), Mistake> {
    let mut queue = Queue::default();
    let Some(node) = node else { return Ok((queue, Vec::new())) };
    let section = node.section(&QUEUE)?;
    let pause = |key: &str| {
        let time = section.duration(key)?;
        match time.filter(|time| time.is_zero()) {
            Some(_) => Err(Mistake::new(line(&section, key), format!("{key}: expected more than 0"))),
            None => Ok(time),
        }
    };
    queue.min_backoff = pause("min_backoff")?.unwrap_or(queue.min_backoff);
    queue.max_backoff = pause("max_backoff")?.unwrap_or(queue.max_backoff);
    if queue.min_backoff > queue.max_backoff {
        return Err(Mistake::new(section.line, "queue_config: min_backoff is longer than max_backoff"));
    }
    let count = |text: &str| text.parse().ok().filter(|count| (1..=MAX_SAMPLES).contains(count));
    let expected = format!("a number from 1 to {MAX_SAMPLES}");
    let samples = section.of("max_samples_per_send", &expected, count)?;
    queue.max_samples_per_send = samples.unwrap_or(queue.max_samples_per_send);
    // 0 is Prometheus' way to say that there is no limit.
    queue.sample_age_limit = section.duration("sample_age_limit")?.filter(|limit| !limit.is_zero());
    Ok((queue, section.without_effect().collect()))
}

fn line(section: &Section<'_>, key: &str) -> usize {
    section.get(key).map_or(section.line, |node| node.line)
}

fn both(section: &Section<'_>, one: &str, other: &str) -> Mistake {
    Mistake::new(line(section, other), format!("expected one of {one} and {other}, found both"))
}
